"""Denials: whether a refusal is about the model or about the account."""

from dataclasses import replace

import pytest

from shared.adapters.replicate.denials import REMEMBERED_S, Denials
from shared.adapters.replicate.resilience.guarded import RULE
from shared.core.provider.prediction import CreateOutcome, CreateRefused, DeferReason, NotCreated
from shared.core.reasons import SENTENCES, Reason
from tests.adapters.examples import attempt
from tests.adapters.guard import CREATED, KEY, World, made

GONE = CreateRefused(Reason.UNKNOWN_MODEL, SENTENCES[Reason.UNKNOWN_MODEL])
DENIED = replace(GONE, perhaps_ours=True)
FORBIDDEN = NotCreated(DeferReason.FORBIDDEN, 60)
OURS = NotCreated(DeferReason.NOT_PERMITTED, 60)


async def create(world: World, model: str, say: CreateOutcome) -> CreateOutcome:
    """A create on a model, answered so."""
    world.replicate.say = say
    return await world.guard.create(KEY, replace(attempt(), target=model))


async def test_one_model_that_is_denied_is_gone() -> None:
    """However often: no circuit opens, and the next of the chain may be tried."""
    world = made()
    for _ in range(2 * RULE.failures):
        assert await create(world, "owner/a:1", DENIED) == DENIED
    assert world.guard.states()["creates"] == "closed"


async def test_several_models_that_are_denied_are_the_operators(caplog: pytest.LogCaptureFixture) -> None:
    """Deferred and logged; after several in a row the circuit is open."""
    world = made()
    assert await create(world, "owner/a:1", DENIED) == DENIED
    assert await create(world, "owner/b:1", DENIED) == OURS
    assert await create(world, "owner/a:1", DENIED) == OURS
    assert "refuses several models" in caplog.text
    for _ in range(RULE.failures):
        await create(world, "owner/b:1", DENIED)
    assert world.guard.states()["creates"] == "open"


async def test_versions_of_one_model_are_one_model() -> None:
    """An old version and a new one."""
    world = made()
    assert await create(world, "owner/a:1", DENIED) == DENIED
    assert await create(world, "owner/a:2", DENIED) == DENIED


async def test_a_model_that_runs_clears_the_account() -> None:
    """Two that are gone, and one between them that is not."""
    world = made()
    assert await create(world, "owner/a:1", DENIED) == DENIED
    assert await create(world, "owner/c", CREATED) == CREATED
    assert await create(world, "owner/b:1", DENIED) == DENIED


async def test_a_model_that_is_not_there_is_never_ours() -> None:
    """A 404 of Replicate's own names the model alone."""
    world = made()
    for model in ("owner/a", "owner/b", "owner/c"):
        assert await create(world, model, GONE) == GONE


async def test_a_403_for_everybody_is_the_operators() -> None:
    """Deferred from the first on; after several in a row the circuit is open."""
    world = made()
    for number in range(RULE.failures - 1):
        assert await create(world, f"owner/{number}", FORBIDDEN) == FORBIDDEN
    await create(world, "owner/a", FORBIDDEN)
    assert world.guard.states()["creates"] == "open"


async def test_a_403_for_one_model_alone_is_that_models(caplog: pytest.LogCaptureFixture) -> None:
    """Others run: the next of the chain is tried, and the log has a line for the operator."""
    world = made()
    assert await create(world, "owner/a", FORBIDDEN) == FORBIDDEN
    assert await create(world, "owner/b", CREATED) == CREATED
    assert await create(world, "owner/a", FORBIDDEN) == GONE
    assert "owner/a" in caplog.text
    world.time[0] += REMEMBERED_S
    assert await create(world, "owner/a", FORBIDDEN) == FORBIDDEN


async def test_a_403_of_an_edge_is_about_no_model() -> None:
    """Whatever else runs."""
    world = made()
    assert await create(world, "owner/b", CREATED) == CREATED
    blocked = NotCreated(DeferReason.BLOCKED, 60)
    assert await create(world, "owner/a", blocked) == blocked


@pytest.mark.parametrize(
    "why", [DeferReason.FORBIDDEN, DeferReason.BLOCKED, DeferReason.MISROUTED, DeferReason.WEBHOOK_REFUSED]
)
async def test_the_operators_trouble_opens_the_circuit(why: DeferReason) -> None:
    """As 401 and 402 do."""
    world = made()
    await world.open(NotCreated(why, 60))


async def test_a_closed_connection_does_not() -> None:
    """A new one will do."""
    world = made()
    world.replicate.say = NotCreated(DeferReason.CONNECTION_CLOSED, 1)
    await world.create(times=3 * RULE.failures)
    assert world.guard.states()["creates"] == "closed"


def test_what_is_learned_is_forgotten() -> None:
    """Two models that are really gone stop nobody for longer than that; and memory is bounded."""
    time = [0.0]
    denials = Denials(lambda: time[0])
    assert not denials.hits_several("a")
    time[0] += REMEMBERED_S - 1
    assert denials.hits_several("b")
    time[0] += 1
    assert not denials.hits_several("b")
    for number in range(2000):
        denials.created(str(number))
    assert len(denials._created) == 500
    assert denials.others_run("1")
    time[0] += REMEMBERED_S
    assert not denials.others_run("1")
