"""ResilientProvider and reads, outputs and uploads: separate circuit breakers, and one probe at a time."""

import asyncio
import io
from collections.abc import Awaitable, Callable

import pytest

from shared.adapters.replicate.resilience.guarded import RULE
from shared.core.dependency import Dependency
from shared.core.provider.prediction import Prediction
from shared.core.reasons import Reason, Refusal
from shared.ports import OutputUnfit, Unavailable
from tests.adapters.examples import NOW
from tests.adapters.guard import CREATED, NO_CREDIT, World, made
from tests.adapters.replicate_clients import ref

Ask = Callable[[World], Awaitable[object]]


async def _got(world: World) -> Prediction | None:
    return await world.guard.get(ref("prediction"))


async def _canceled(world: World) -> Prediction | None:
    return await world.guard.cancel(ref("prediction"))


async def _listed(world: World) -> list[Prediction]:
    return [prediction async for prediction in world.guard.recent(NOW)]


async def _fails(world: World, ask: Ask, times: int) -> list[Unavailable]:
    troubles = []
    for _ in range(times):
        with pytest.raises(Unavailable) as raised:
            await ask(world)
        troubles.append(raised.value)
    return troubles


@pytest.mark.parametrize("ask", [_got, _canceled, _listed])
async def test_questions_open_the_circuit_after_failures(ask: Ask) -> None:
    """Get, cancel and list have one breaker: Unavailable at once, with the wait; the probe's answer closes it."""
    world = made()
    world.replicate.trouble = Unavailable(Dependency.REPLICATE, "answered 503")
    troubles = await _fails(world, ask, RULE.failures + 3)
    assert world.replicate.asked == RULE.failures
    assert [(each.dependency, each.why, each.retry_after_s) for each in troubles[-3:]] == [
        ("replicate", "circuit open", RULE.pause_s)
    ] * 3
    world.time[0] += RULE.pause_s
    world.replicate.trouble = None
    await ask(world)
    assert world.guard.states()["questions"] == "closed"


async def test_the_three_fail_apart() -> None:
    """402 is for creates alone, and pictures are fetched while the API is down."""
    world = made()
    await world.open(NO_CREDIT)
    assert await world.guard.get(ref("prediction")) is not None
    world.replicate.trouble = Unavailable(Dependency.REPLICATE, "answered 503")
    await _fails(world, _got, RULE.failures)
    world.replicate.trouble = None
    assert world.guard.states() == {"creates": "open", "questions": "open", "outputs": "closed"}
    assert await world.fetch() == b"picture"


async def test_an_output_that_is_gone_is_an_answer() -> None:
    """A 404 shows that the host answers."""
    world = made()
    world.replicate.trouble = OutputUnfit(Refusal.of(Reason.OUTPUT_EXPIRED))
    for _ in range(2 * RULE.failures):
        with pytest.raises(OutputUnfit):
            await world.fetch()
    assert world.guard.states()["outputs"] == "closed"


async def test_another_unavailable_dependency_is_not_counted() -> None:
    """The token is not available because Key Vault is not. Each call is tried, because the vault may be back."""
    world = made()
    world.replicate.trouble = Unavailable(Dependency.KEY_VAULT, "no answer in time")
    await _fails(world, _got, 2 * RULE.failures)
    assert world.replicate.asked == 2 * RULE.failures


async def test_a_hint_makes_the_pause_longer() -> None:
    """429 for reads: the circuit is open for as long as Replicate says."""
    world = made()
    world.replicate.trouble = Unavailable(Dependency.REPLICATE, "throttled", 30)
    await _fails(world, _got, RULE.failures)
    (trouble,) = await _fails(world, _got, 1)
    assert trouble.retry_after_s == 30


async def test_a_question_that_is_canceled_leaves_its_place() -> None:
    """A probe whose invocation ran out of time."""
    world = made()
    world.replicate.trouble = Unavailable(Dependency.REPLICATE, "answered 503")
    await _fails(world, _got, RULE.failures)
    world.time[0] += RULE.pause_s
    world.replicate.hangs.clear()
    probe = asyncio.create_task(world.guard.get(ref("prediction")))
    await asyncio.sleep(0)
    (trouble,) = await _fails(world, _got, 1)
    assert trouble.why == "circuit open"
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    world.replicate.hangs.set()
    world.replicate.trouble = None
    assert await world.guard.get(ref("prediction")) is not None


# Uploads.


async def test_a_file_is_not_handed_over_for_a_create_that_would_wait() -> None:
    """100 MiB are not sent in vain: neither while the circuit of creates is open nor above the pace."""
    world = made(per_minute=60)
    file = io.BytesIO(b"archive")
    assert await world.guard.upload("a.zip", file) == "https://uploads.example/a.zip?7"
    await world.create(times=6)
    with pytest.raises(Unavailable, match="paced"):
        await world.guard.upload("a.zip", file)
    world.time[0] += 60
    await world.open()
    with pytest.raises(Unavailable, match="circuit open") as raised:
        await world.guard.upload("a.zip", file)
    assert (raised.value.retry_after_s or 0) >= RULE.pause_s
    assert world.replicate.asked == 1


async def test_a_file_takes_nothing_of_the_pace() -> None:
    """An upload takes no slot: the create that follows it does."""
    world = made(per_minute=60)
    for _ in range(10):
        await world.guard.upload("a.zip", io.BytesIO(b"archive"))
    assert await world.create(times=6) == [CREATED] * 6
