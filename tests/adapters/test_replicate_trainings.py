"""Trainings and files: what is sent, and what the message handler relies on, for the fake and the real adapter."""

import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import BinaryIO

import httpx
import pytest
import pytest_asyncio

from dev import simulated_replicate
from dev.fakes.provider import FakeReplicate
from replicate_simulator.models import TRAINER
from shared.adapters.replicate.port import Replicate
from shared.adapters.replicate.sdk.api.files import MOST_BYTES
from shared.core.dependency import Dependency
from shared.core.keys import Key
from shared.core.lifecycle.attempt import Attempt, created
from shared.core.modality import Modality
from shared.core.provider.guarantees import PROVIDERS, REPLICATE, Kind
from shared.core.provider.prediction import Created, CreateRefused, NotCreated, OutcomeUnknown, Prediction, Status
from shared.core.provider.webhook import Callback, named_callback
from shared.core.reasons import Reason
from shared.ports import OutputUnfit, Provider, Unavailable
from tests.adapters.examples import attempt
from tests.adapters.replicate_clients import CREATED, NOW, Token, ref, replicate, says, secret
from tests.adapters.simulators import running, scripted

KEY = Key("ada", "one")
ID = "p" * 26
DESTINATION = f"{simulated_replicate.USERNAME}/lighthouses"
ZIP = b"PK\x03\x04" + bytes(300)
_numbers = count(1)


def wanted(pictures: str = "https://api.replicate.com/v1/files/abc") -> Attempt:
    """A training that may take for hours."""
    return replace(
        attempt(),
        model="trainer",
        target=f"{TRAINER.name}:{TRAINER.version}",
        kind=Kind.TRAINING,
        guarantees=PROVIDERS[REPLICATE][Kind.TRAINING],
        modality=Modality.TRAINING,
        inputs={"input_images": pictures, "trigger_word": "LGHT", "steps": 20},
        destination=DESTINATION,
        own_seed=False,
        cancel_after_s=7200,
    )


# What is sent.


async def test_a_training_is_created_as_replicate_documents_it() -> None:
    """At its trainer's version, with a destination, and without a header that trainings do not know."""
    async with scripted(says(201, CREATED)) as server, replicate(server.url) as adapter:
        outcome = await adapter.create(KEY, wanted())
    ((method, path, headers, body),) = server.requests
    sent = json.loads(body)
    webhook = sent.pop("webhook")
    assert "completed" in sent.pop("webhook_events_filter")
    assert (method, path) == ("POST", f"/v1/models/{TRAINER.name}/versions/{TRAINER.version}/trainings")
    assert "cancel-after" not in headers
    assert sent == {
        "destination": DESTINATION,
        "input": {"input_images": "https://api.replicate.com/v1/files/abc", "trigger_word": "LGHT", "steps": 20},
    }
    assert named_callback(webhook) == Callback(Key("ada", "one"), 1)
    assert isinstance(outcome, Created)


async def test_a_training_is_asked_for_and_canceled_at_its_own_address() -> None:
    """A prediction of this id is another thing."""
    done = {**CREATED, "status": "succeeded", "output": {"version": "a/b:1", "weights": "https://replicate.delivery/w"}}
    async with scripted(says(200, done)) as server, replicate(server.url) as adapter:
        got = await adapter.get(ref(ID, Kind.TRAINING))
        assert await adapter.cancel(ref(ID, Kind.TRAINING)) == got
    assert got is not None
    assert got.outputs == ("a/b:1", "https://replicate.delivery/w")
    assert [request[:2] for request in server.requests] == [
        ("GET", f"/v1/trainings/{ID}"),
        ("POST", f"/v1/trainings/{ID}/cancel"),
    ]


async def test_the_list_of_trainings_ends_where_it_gets_too_old() -> None:
    """It cannot be asked for a part of it; page by page, newest first, and no page more than is needed."""

    def row(number: int, minutes: int) -> dict[str, object]:
        at = (NOW - timedelta(minutes=minutes)).isoformat()
        return {**CREATED, "id": f"{number:026d}", "created_at": at}

    async with scripted(says(200)) as server, replicate(server.url) as adapter:
        first = {"next": f"{server.url}/v1/trainings?cursor=a", "results": [row(1, 1)]}
        second = {"next": f"{server.url}/v1/trainings?cursor=b", "results": [row(2, 4), row(3, 9), row(4, 2)]}
        server.answers = [says(200, first), says(200, second)]
        found = [each async for each in adapter.recent(NOW - timedelta(minutes=5), Kind.TRAINING)]
    assert [each.prediction_id for each in found] == [f"{1:026d}", f"{2:026d}"]
    assert [request[1] for request in server.requests] == ["/v1/trainings", "/v1/trainings?cursor=a"]


@pytest.mark.parametrize("status", [404, 422])
async def test_a_version_that_is_gone_is_a_model_that_is_gone(status: int) -> None:
    """The catalogue does not know it yet: the next model of the chain may do."""
    gone = {"title": "Invalid version or not permitted", "detail": "The specified version does not exist (or ...)"}
    async with scripted(says(status, {**gone, "status": status})) as server, replicate(server.url) as adapter:
        outcome = await adapter.create(KEY, wanted())
    assert isinstance(outcome, CreateRefused)
    assert outcome.reason is Reason.UNKNOWN_MODEL


@pytest.mark.parametrize(
    ("status", "kind"), [(401, NotCreated), (402, NotCreated), (429, NotCreated), (500, OutcomeUnknown)]
)
async def test_a_training_has_the_same_outcomes_as_a_prediction(status: int, kind: type) -> None:
    """A lost answer of a training is as unknown, and dearer."""
    async with scripted(says(status)) as server, replicate(server.url) as adapter:
        assert isinstance(await adapter.create(KEY, wanted()), kind)


async def test_a_file_is_posted_once_with_its_name() -> None:
    """As a form; its address is what an input names."""
    stored = {"id": "f" * 24, "name": "pictures.zip", "urls": {"get": "https://api.replicate.com/v1/files/" + "f" * 24}}
    async with scripted(says(201, stored)) as server, replicate(server.url) as adapter:
        assert await adapter.upload("pictures.zip", io.BytesIO(ZIP)) == stored["urls"]["get"]  # type: ignore[index]
    ((method, path, headers, body),) = server.requests
    assert (method, path) == ("POST", "/v1/files")
    assert headers["content-type"].startswith("multipart/form-data")
    assert ZIP in body
    assert b'filename="pictures.zip"' in body


@pytest.mark.parametrize("answer", [says(500), says(429), says(401), says(200, {"id": "f"})])
async def test_an_upload_that_fails_may_be_tried_again(answer: object) -> None:
    """Unavailable: nothing was spent, and a file that nobody names is gone in a day."""
    async with scripted(answer) as server, replicate(server.url) as adapter:  # type: ignore[arg-type]
        with pytest.raises(Unavailable) as raised:
            await adapter.upload("pictures.zip", io.BytesIO(ZIP))
    assert raised.value.dependency is Dependency.REPLICATE


class Endless(io.BytesIO):
    """A file that says it is larger than it is."""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Its end is far away."""
        return MOST_BYTES + 1 if whence == io.SEEK_END else super().seek(offset, whence)


@pytest.mark.parametrize(
    ("name", "file"), [("a.zip", Endless(ZIP)), ("a.zip", io.BytesIO()), ("a" * 256, io.BytesIO(ZIP))]
)
async def test_a_file_that_is_too_large_is_not_sent(name: str, file: BinaryIO) -> None:
    """Nor an empty one, nor one with a name that Replicate refuses. The user's sentence names a file, not a picture."""
    async with scripted(says(201)) as server, replicate(server.url) as adapter:
        with pytest.raises(OutputUnfit) as raised:
            await adapter.upload(name, file)
    assert server.requests == []
    assert raised.value.refusal.reason is Reason.INPUT_INVALID
    assert "file" in raised.value.refusal.text


# What the message handler relies on.


@dataclass
class Setting:
    """A provider, and the hands of a test on what is behind it."""

    provider: Provider
    succeed: Callable[[str], Awaitable[Prediction]]


def fake_setting() -> Setting:
    """The contract's setting on FakeReplicate."""
    fake = FakeReplicate(lambda: datetime.now(UTC))

    async def succeed(training_id: str) -> Prediction:
        return fake.train(training_id, b"weights" * 100)

    return Setting(fake, succeed)


@pytest_asyncio.fixture(scope="session")
async def trainer() -> AsyncIterator[dict[str, str]]:
    """The Replicate simulator; its trainings wait for a minute before they run, so a test is always faster."""
    destination = DESTINATION.partition("/")[2]
    async with running("replicate_simulator", *simulated_replicate.arguments(), "--destination", destination) as ready:
        async with httpx.AsyncClient(base_url=ready["url"], trust_env=False) as hands:
            await hands.post("/_sim/run_time", json={"start_s": 60, "run_s": 1})
        yield ready


@pytest_asyncio.fixture
async def real_setting(trainer: dict[str, str]) -> AsyncIterator[Setting]:
    """The adapter on the simulator."""
    adapter = Replicate(
        api_url=f"{trainer['url']}/v1",
        delivery_url=trainer["url"],
        webhook_url="https://app.example/api/webhooks/replicate",
        token=Token(trainer["token"]),
        signing_secret=secret,
    )
    async with httpx.AsyncClient(base_url=trainer["url"], trust_env=False) as hands:

        async def succeed(training_id: str) -> Prediction:
            await hands.post("/_sim/clock", json={"advance_s": 70})
            training = await adapter.get(ref(training_id, Kind.TRAINING))
            assert training is not None
            return training

        yield Setting(adapter, succeed)
        await hands.post("/_sim/quiet")
    await adapter.close()


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.stack)])
def setting(request: pytest.FixtureRequest) -> Setting:
    """The setting on the fake, or on the real service: the parameter says which."""
    real: Setting | None = None if request.param == "fake" else request.getfixturevalue("real_setting")
    return real or fake_setting()


async def started(setting: Setting) -> tuple[Prediction, Attempt, Key]:
    """A training of an archive that was handed over, just created."""
    key = Key("ada", f"training-{next(_numbers)}")
    this = wanted(await setting.provider.upload("pictures.zip", io.BytesIO(ZIP)))
    outcome = await setting.provider.create(key, this)
    assert isinstance(outcome, Created)
    return outcome.prediction, this, key


async def test_a_training_is_found_as_one_and_not_as_a_prediction_of_ours(setting: Setting) -> None:
    """What create returns is what get returns, and it has not finished."""
    training, this, _ = await started(setting)
    found = await setting.provider.get(ref(training.prediction_id, Kind.TRAINING))
    assert found is not None
    assert (found.prediction_id, found.status.finished) == (training.prediction_id, False)
    assert found.model == this.target.partition(":")[0]
    assert await setting.provider.get(ref("z" * 26, Kind.TRAINING)) is None
    assert await setting.provider.cancel(ref("z" * 26, Kind.TRAINING)) is None


async def test_a_training_is_canceled(setting: Setting) -> None:
    """The answer says how it stands; twice is once."""
    training, _, _ = await started(setting)
    first = await setting.provider.cancel(ref(training.prediction_id, Kind.TRAINING))
    second = await setting.provider.cancel(ref(training.prediction_id, Kind.TRAINING))
    assert first is not None
    assert second is not None
    assert first.status is second.status
    assert first.status in (Status.CANCELED, Status.ABORTED)


async def test_a_training_that_succeeded_brings_a_version_and_its_weights(setting: Setting) -> None:
    """The version is of its destination; the weights can be fetched; a cancel changes nothing any more."""
    training, _, _ = await started(setting)
    done = await setting.succeed(training.prediction_id)
    assert done.status is Status.SUCCEEDED
    version, weights = done.outputs
    assert version.startswith(f"{DESTINATION}:")
    async with setting.provider.fetch(weights, 10_000_000) as chunks:
        assert len(b"".join([chunk async for chunk in chunks])) > 300
    after = await setting.provider.cancel(ref(training.prediction_id, Kind.TRAINING))
    assert after is not None
    assert after.status is Status.SUCCEEDED


async def test_the_list_of_trainings_recognises_our_own(setting: Setting) -> None:
    """By the webhook's address, which says whose it is; predictions are in another list."""
    since = datetime.now(UTC) - timedelta(minutes=1)
    made = [await started(setting) for _ in range(2)]
    listed = [each async for each in setting.provider.recent(since, Kind.TRAINING)]
    assert [each.prediction_id for each in listed[:2]] == [training.prediction_id for training, _, _ in made[::-1]]
    for training, this, key in made:
        assert [each.prediction_id for each in listed if created(this, key, each)] == [training.prediction_id]
    others = [each.prediction_id async for each in setting.provider.recent(since)]
    assert not {training.prediction_id for training, _, _ in made} & set(others)


async def test_an_empty_file_is_not_taken(setting: Setting) -> None:
    """Neither here nor there."""
    with pytest.raises(OutputUnfit):
        await setting.provider.upload("pictures.zip", io.BytesIO())


@pytest.mark.stack
async def test_a_destination_that_is_not_there_is_said_so(real_setting: Setting) -> None:
    """It is no model that is gone: no other trainer could train into it."""
    pictures = await real_setting.provider.upload("pictures.zip", io.BytesIO(ZIP))
    outcome = await real_setting.provider.create(
        KEY, replace(wanted(pictures), destination=f"{simulated_replicate.USERNAME}/none")
    )
    assert isinstance(outcome, CreateRefused)
    assert outcome.reason is Reason.PROVIDER_REFUSED
    assert "destination" in outcome.text
