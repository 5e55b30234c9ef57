"""What the message handler relies on: for FakeReplicate, and for the real adapter on the Replicate simulator."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count

import httpx
import pytest
import pytest_asyncio

from dev import simulated_replicate
from dev.fakes.provider import FakeReplicate
from shared.adapters.replicate.port import Replicate
from shared.core.keys import Key
from shared.core.lifecycle.attempt import Attempt
from shared.core.provider.prediction import Created, Prediction, Status
from shared.core.provider.webhook import Callback, named_callback
from shared.core.reasons import Reason
from shared.ports import OutputUnfit, Provider
from tests.adapters.examples import attempt
from tests.adapters.replicate_clients import Token, ref, secret
from tests.adapters.simulators import running

KEY = Key("ada", "one")
_seeds = count(1)


@dataclass
class Setting:
    """A provider, and what a test may do behind it: let predictions succeed, fail, be deleted."""

    provider: Provider
    succeed: Callable[[str], Awaitable[Prediction]]
    fail_next: Callable[[], Awaitable[None]]
    finish: Callable[[str], Awaitable[Prediction]]
    an_hour_later: Callable[[str], Awaitable[None]]


def fake_setting() -> Setting:
    """The contract's setting on FakeReplicate."""
    fake = FakeReplicate(lambda: datetime.now(UTC))
    failing: list[bool] = []

    async def succeed(prediction_id: str) -> Prediction:
        return fake.succeed(prediction_id, outputs=[b"a picture" * 10])

    async def fail_next() -> None:
        failing.append(True)

    async def finish(prediction_id: str) -> Prediction:
        return fake.fail(prediction_id, "Prediction interrupted; please retry (code: PA)")

    async def an_hour_later(prediction_id: str) -> None:
        fake.delete_outputs(prediction_id)

    return Setting(fake, succeed, fail_next, finish, an_hour_later)


@pytest_asyncio.fixture(scope="session")
async def simulator() -> AsyncIterator[dict[str, str]]:
    """The Replicate simulator; its predictions wait a minute before they run, so a test is always faster."""
    async with running("replicate_simulator", *simulated_replicate.arguments()) as ready:
        async with httpx.AsyncClient(base_url=ready["url"], trust_env=False) as hands:
            await hands.post("/_sim/run_time", json={"start_s": 60, "run_s": 1})
            await hands.post("/_sim/pictures", json={"mode": "plain"})
        yield ready


@pytest_asyncio.fixture
async def real_setting(simulator: dict[str, str]) -> AsyncIterator[Setting]:
    """The adapter on the simulator."""
    url = simulator["url"]
    adapter = Replicate(
        api_url=f"{url}/v1",
        delivery_url=url,
        webhook_url="https://app.example/api/webhooks/replicate",
        token=Token(simulator["token"]),
        signing_secret=secret,
    )
    async with httpx.AsyncClient(base_url=url, trust_env=False) as hands:

        async def later(seconds: float) -> None:
            await hands.post("/_sim/clock", json={"advance_s": seconds})

        async def finish(prediction_id: str) -> Prediction:
            await later(70)
            prediction = await adapter.get(ref(prediction_id))
            assert prediction is not None
            return prediction

        async def fail_next() -> None:
            await hands.post("/_sim/faults", json={"kind": "failed"})

        async def an_hour_later(prediction_id: str) -> None:
            await later(3700)

        yield Setting(adapter, finish, fail_next, finish, an_hour_later)
        await hands.post("/_sim/quiet")
    await adapter.close()


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.stack)])
def setting(request: pytest.FixtureRequest) -> Setting:
    """The setting on the fake, or on the real service: the parameter says which."""
    real: Setting | None = None if request.param == "fake" else request.getfixturevalue("real_setting")
    return real or fake_setting()


def wanted() -> Attempt:
    """An attempt with a seed of its own, that may run for long."""
    seed = next(_seeds)
    return replace(attempt(), inputs={"prompt": "a lighthouse", "seed": seed}, seed=seed, cancel_after_s=7200)


async def created(provider: Provider, key: Key = KEY) -> tuple[Prediction, Attempt]:
    """A prediction that was just created."""
    this = wanted()
    outcome = await provider.create(key, this)
    assert isinstance(outcome, Created)
    return outcome.prediction, this


async def fetched(provider: Provider, uri: str, most_bytes: int) -> bytes:
    """Fetch an output to its end."""
    async with provider.fetch(uri, most_bytes) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def test_a_created_prediction_is_found(setting: Setting) -> None:
    """What create returns is what get returns, and it has not finished."""
    prediction, this = await created(setting.provider)
    found = await setting.provider.get(ref(prediction.prediction_id))
    assert found is not None
    assert not found.status.finished
    assert found.prediction_id == prediction.prediction_id
    assert found.model == this.target
    assert found.seed == this.seed


async def test_an_unknown_prediction_is_not_found(setting: Setting) -> None:
    """Nothing is known of an id that was never given."""
    assert await setting.provider.get(ref("z" * 26)) is None
    assert await setting.provider.cancel(ref("z" * 26)) is None


async def test_cancel_ends_what_runs_and_leaves_what_has_ended(setting: Setting) -> None:
    """A cancel is answered with how it stands; twice is once."""
    prediction, _ = await created(setting.provider)
    first = await setting.provider.cancel(ref(prediction.prediction_id))
    second = await setting.provider.cancel(ref(prediction.prediction_id))
    assert first is not None
    assert second is not None
    assert first.status.finished
    assert second.status is first.status
    assert first.status in (Status.CANCELED, Status.ABORTED)


async def test_a_succeeded_prediction_is_not_canceled(setting: Setting) -> None:
    """Success is final."""
    prediction, _ = await created(setting.provider)
    await setting.succeed(prediction.prediction_id)
    after = await setting.provider.cancel(ref(prediction.prediction_id))
    assert after is not None
    assert after.status is Status.SUCCEEDED


async def test_a_failure_brings_its_error(setting: Setting) -> None:
    """The error text decides the kind of failure."""
    await setting.fail_next()
    prediction, _ = await created(setting.provider)
    failed = await setting.finish(prediction.prediction_id)
    assert failed.status is Status.FAILED
    assert "code: PA" in failed.error


async def test_the_list_is_newest_first_and_recognises_our_own(setting: Setting) -> None:
    """What was created lately, with the seed or the webhook address that says whose it is."""
    since = datetime.now(UTC) - timedelta(minutes=1)
    made = [await created(setting.provider, Key("ada", f"list-{number}")) for number in range(3)]
    ids = [prediction.prediction_id for prediction, _ in made]
    found = [each async for each in setting.provider.recent(since) if each.prediction_id in ids]
    assert [each.prediction_id for each in found] == ids[::-1]
    for each, (_, this) in zip(found, reversed(made), strict=True):
        assert each.seed == this.seed
        if each.webhook:
            callback = named_callback(each.webhook)
            assert callback is not None
            assert callback.key.user_id == "ada"
    newest = found[0]
    assert newest.created_at is not None
    assert named_callback(newest.webhook) in (None, Callback(Key("ada", "list-2"), 1))


async def test_the_list_leaves_out_what_is_older(setting: Setting) -> None:
    """Nothing from before ``since``."""
    await created(setting.provider)
    later = datetime.now(UTC) + timedelta(days=3)
    assert [each async for each in setting.provider.recent(later)] == []


async def test_outputs_are_fetched(setting: Setting) -> None:
    """Every output of a success can be fetched within its bound, and not beyond it."""
    prediction, _ = await created(setting.provider)
    done = await setting.succeed(prediction.prediction_id)
    assert done.status is Status.SUCCEEDED
    (uri,) = done.outputs
    assert len(await fetched(setting.provider, uri, 10_000_000)) > 50
    with pytest.raises(OutputUnfit) as raised:
        await fetched(setting.provider, uri, 20)
    assert raised.value.refusal.reason is Reason.OUTPUT_INVALID


async def test_outputs_are_gone_after_an_hour(setting: Setting) -> None:
    """Then the prediction has no outputs, and their addresses have expired."""
    prediction, _ = await created(setting.provider)
    done = await setting.succeed(prediction.prediction_id)
    await setting.an_hour_later(prediction.prediction_id)
    after = await setting.provider.get(ref(prediction.prediction_id))
    assert after is not None
    assert after.data_removed
    assert after.outputs == ()
    with pytest.raises(OutputUnfit) as raised:
        await fetched(setting.provider, done.outputs[0], 1_000_000)
    assert raised.value.refusal.reason is Reason.OUTPUT_EXPIRED


async def test_outputs_elsewhere_are_refused(setting: Setting) -> None:
    """Only the provider's own hosts are asked."""
    with pytest.raises(OutputUnfit) as raised:
        await fetched(setting.provider, "https://evil.example/out.png", 1_000_000)
    assert raised.value.refusal.reason is Reason.OUTPUT_INVALID
