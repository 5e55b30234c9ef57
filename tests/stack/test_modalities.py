"""Every modality on the whole road: each output is a blob of the right type, is charged once, and is published."""

import io
import tarfile
import wave
import zipfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from dev.stack import ROOT
from shared.core.money.entries import Move
from tests.stack.pictures import painted
from tests.stack.road import Ground, Outcome, Road, key_of, open_road

pytestmark = pytest.mark.stack

#: A model of the simulator's account that belongs to no account of ours.
DESTINATION = "darkroom-local/portraits"

#: What the shipped policy lets pass.
SHIPPED = 'unscreened = ["training"]'


def policy(folder: Path) -> str:
    """A policy that allows the modalities that no screener can check."""
    text = (ROOT / "shared" / "core" / "safety" / "moderation.toml").read_text(encoding="utf-8")
    assert SHIPPED in text
    file = folder / "moderation.toml"
    file.write_text(text.replace(SHIPPED, 'unscreened = ["video", "audio", "training"]'), encoding="utf-8")
    return str(file)


@pytest_asyncio.fixture(scope="module")
async def road(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Road]:
    """A stack whose operator has such a policy."""
    async with open_road(ground, {"MODERATION_FILE": policy(tmp_path_factory.mktemp("policy"))}) as opened:
        yield opened


async def rich(road: Road, **fields: Any) -> dict[str, Any]:
    """A message of a user who can pay for anything; its model is the plan's where none is named."""
    message = await road.message(user_id=await road.user(100_000), **{"model": None, **fields})
    return {name: value for name, value in message.items() if value is not None}


async def output_of(road: Road, outcome: Outcome, captured: int) -> tuple[Mapping[str, Any], bytes]:
    """The one output of a generation that succeeded and was charged once: its part of the event, and its bytes."""
    assert outcome.event["type"] == "darkroom.generation.succeeded", outcome.event
    assert outcome.credits[1] == captured
    assert (await road.balances(outcome.key.user_id))[1:] == (0, captured)
    await road.books_balance(outcome.key.user_id)
    await road.closed(outcome.key)
    (output,) = outcome.event["data"]["outputs"]
    content = await road.stack.app.outputs.read_output(output["name"])
    assert len(content) == output["size_bytes"]
    return output, content


async def test_a_text_is_stored_as_utf_8_and_is_in_the_event_if_short(road: Road) -> None:
    """The plan's model writes it; the system prompt reaches the model, and the text is in the event."""
    message = await rich(road, modality="text", system_prompt="You answer in one sentence.", max_tokens=300)
    outcome = await road.outcome(message)
    output, content = await output_of(road, outcome, captured=1)
    assert (output["content_type"], output["name"][-4:]) == ("text/plain; charset=utf-8", ".txt")
    assert content.decode() == output["text"]
    assert message["prompt"] in output["text"]
    assert (outcome.event["data"]["model"], outcome.event["data"]["chosen_by"]) == ("llama-4-maverick", "plan")
    everything = (await road.replicate.get("/_sim/predictions")).json()
    (asked,) = [each for each in everything if message["prompt"] in each["input"].get("prompt", "")]
    assert asked["input"]["prompt"] == f"You answer in one sentence.\n\n{message['prompt']}"
    assert outcome.generation.cost_usd_micros > 0


async def test_a_video_by_its_quality_class(road: Road) -> None:
    """An MP4 of the asked duration, charged by the second; the provider's own measure is kept."""
    message = await rich(road, modality="video", quality="economy", duration_s=9, aspect_ratio="9:16")
    outcome = await road.outcome(message)
    output, content = await output_of(road, outcome, captured=5 * 9)
    assert (output["content_type"], content[4:8]) == ("video/mp4", b"ftyp")
    assert (outcome.event["data"]["model"], outcome.event["data"]["chosen_by"]) == ("ray-flash-2-540p", "quality")
    (made,) = await road.predictions(message["prompt"])
    assert (made["input"]["duration"], made["input"]["aspect_ratio"]) == (9, "9:16")
    assert outcome.generation.cost_usd_micros == 33_000 * 9
    assert [record.unscreened for record in outcome.generation.screenings] == ["", "video"]


async def test_a_sound_goes_on_from_one_that_the_app_has_uploaded(road: Road) -> None:
    """MusicGen reads the file at a signed address, which appears nowhere else."""
    user = await road.user(1000)
    name = f"{user}/{user}/theme.wav"
    await road.stack.app.uploads.put_upload(name, io.BytesIO(_wav()))
    message = await road.message(user_id=user, model="musicgen", duration_s=12, continuation=True, input_file=name)
    outcome = await road.outcome(message)
    output, content = await output_of(road, outcome, captured=12)
    assert output["content_type"] in {"audio/wav", "audio/mpeg"}
    assert content[:4] in {b"RIFF", b"ID3\x03", b"ID3\x04"} or content[0] == 0xFF
    (made,) = await road.predictions(message["prompt"])
    assert made["input"]["continuation"] is True
    assert f"/uploads/{name}?" in made["input"]["input_audio"]
    assert not [line for line in road.log.lines if "sig=" in line]


async def test_speech_comes_out_of_an_object(road: Road) -> None:
    """Bark answers with an object of files; the sound in it is the output."""
    outcome = await road.outcome(await rich(road, model="bark"))
    output, content = await output_of(road, outcome, captured=9)
    assert (output["content_type"], content[:4]) == ("audio/wav", b"RIFF")


def faces(*more: tuple[str, bytes]) -> bytes:
    """A zip file of three pictures, a caption and this, as the standard library writes it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"faces/{number}.png", painted(200 + number))
        archive.writestr("faces/1.txt", "a portrait of KNGFSHR")
        for name, content in more:
            archive.writestr(name, content)
    return out.getvalue()


async def asked_to_train(road: Road, archive: bytes) -> dict[str, Any]:
    """A request for a training of this archive, which was uploaded for its user."""
    user = await road.user(1000)
    name = f"{user}/{user}/faces.zip"
    await road.stack.app.uploads.put_upload(name, io.BytesIO(archive))
    destination = f"darkroom-local/{user}"
    login = {"Authorization": f"Bearer {road.stack.values['REPLICATE_API_TOKEN']}"}
    model = {"owner": "darkroom-local", "name": user, "visibility": "private", "hardware": "cpu"}
    assert (await road.replicate.post("/v1/models", json=model, headers=login)).status_code == 201
    await road.deps.destinations.give(destination, user, "test", road.deps.now())
    return {
        "generation_id": uuid4().hex,
        "user_id": user,
        "modality": "training",
        "destination": destination,
        "input_file": name,
        "trigger_word": "KNGFSHR",
        "training_steps": 250,
    }


async def serves_its_account_alone(road: Road, user: str, version: str) -> None:
    """The new version makes a picture for its account at once, and is unknown to another."""
    made = await road.outcome(await road.message(user_id=user, model=version))
    assert made.event["type"] == "darkroom.generation.succeeded", made.event
    assert (made.event["data"]["model"], made.credits[1]) == (version, 2)
    other = await road.outcome(await road.message(user_id=await road.user(1000), model=version))
    assert other.event["data"]["reason"]["code"] == "UNKNOWN_MODEL"


async def test_a_training_ends_as_a_version_and_its_weights(road: Road) -> None:
    """What was screened of the archive is uploaded to Replicate, the event has the version, the weights are a blob."""
    outcome = await road.outcome(await asked_to_train(road, faces()))
    output, content = await output_of(road, outcome, captured=35 * 3)
    assert output["content_type"] == "application/x-tar"
    with tarfile.open(fileobj=io.BytesIO(content)) as weights:
        assert weights.getnames()
    assert output["text"].startswith(f"darkroom-local/{outcome.key.user_id}:")
    await serves_its_account_alone(road, outcome.key.user_id, output["text"])
    (made,) = [
        each for each in (await road.replicate.get("/_sim/predictions")).json() if "trigger_word" in each["input"]
    ]
    assert (made["input"]["trigger_word"], made["input"]["steps"]) == ("KNGFSHR", 250)
    assert "/v1/files/" in made["input"]["input_images"]
    looked = [(record.subject, record.allowed, record.sampled) for record in outcome.generation.screenings]
    assert looked == [
        ("prompt", True, ""), ("input captions", True, ""), ("input archive", True, ""), ("output 1.0", True, ""),
    ]  # fmt: skip


async def files_at_replicate(road: Road) -> int:
    """How many files were uploaded to Replicate."""
    login = {"Authorization": f"Bearer {road.stack.values['REPLICATE_API_TOKEN']}"}
    return len((await road.replicate.get("/v1/files", headers=login)).json()["results"])


async def test_the_shipped_policy_trains_and_a_dirty_picture_costs_nothing(shipped: Road) -> None:
    """Trainings are on by default. One dirty picture among clean ones refuses before anything is held or uploaded."""
    clean = await shipped.outcome(await asked_to_train(shipped, faces()))
    assert clean.event["type"] == "darkroom.generation.succeeded", clean.event
    before = await files_at_replicate(shipped)
    message = await asked_to_train(shipped, faces(("faces/party.png", painted(300, unsafe="Sexual"))))
    outcome = await shipped.outcome(message)
    assert outcome.reason == "INPUT_REFUSED"
    text = "The picture faces/party.png in the archive was refused by the content rules (sexual content)."
    assert outcome.event["data"]["reason"]["text"] == text
    assert await shipped.moves(outcome.key) == [Move.ENDED_UNOPENED]
    assert await shipped.balances(outcome.key.user_id) == (1000, 0, 0)
    assert await files_at_replicate(shipped) == before
    trained = [each for each in (await shipped.replicate.get("/_sim/predictions")).json() if "steps" in each["input"]]
    assert len(trained) == 1
    await shipped.closed(outcome.key)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"input_file": "{user}/{user}/none.zip", "destination": "darkroom-local/{user}"}, "is not there"),
        ({"input_file": "{user}/{user}/huge.zip", "destination": "darkroom-local/{user}"}, "to 100 MiB"),
        ({"input_file": "{user}/{user}/none.zip", "destination": DESTINATION}, "destination is not known"),
    ],
)
async def test_an_archive_that_cannot_go_costs_nothing(road: Road, fields: dict[str, str], text: str) -> None:
    """Known before anything is held: it is not there, or Replicate would not take it."""
    user = await road.user(1000)
    if "huge" in fields["input_file"]:
        await road.stack.app.uploads.put_upload(f"{user}/{user}/huge.zip", io.BytesIO(bytes(100 * 1024**2 + 1)))
    await road.deps.destinations.give(f"darkroom-local/{user}", user, "test", road.deps.now())
    named = {name: value.format(user=user) for name, value in fields.items()}
    outcome = await road.outcome({"generation_id": uuid4().hex, "user_id": user, "modality": "training", **named})
    assert outcome.reason == ("INVALID_REQUEST" if "destination" in text else "INPUT_INVALID")
    assert text in outcome.event["data"]["reason"]["text"]
    assert await road.moves(outcome.key) == [Move.ENDED_UNOPENED]  # an entry of zero credits
    assert await road.balances(user) == (1000, 0, 0)


async def test_when_a_model_is_gone_the_next_one_answers(road: Road) -> None:
    """404 at the create: nothing was made, the next of the chain is asked, and the result says so."""
    message = await rich(road, model="flux-dev")
    await road.fault("model_gone", message)
    outcome = await road.outcome(message)
    await output_of(road, outcome, captured=1)
    data = outcome.event["data"]
    assert (data["model"], data["chosen_by"]) == ("flux-schnell", "fallback")
    assert data["passed_over"] == [{"model": "flux-dev", "reason": "UNKNOWN_MODEL"}]


async def test_when_a_model_is_overloaded_the_next_one_answers(road: Road) -> None:
    """High demand (E003) is a matter of capacity; what was asked is mapped and priced anew."""
    message = await rich(road, model="flux-1.1-pro", width=1024, height=768)
    await road.fault("overloaded", message)
    outcome = await road.outcome(message)
    await output_of(road, outcome, captured=2)
    assert outcome.event["data"]["passed_over"] == [{"model": "flux-1.1-pro", "reason": "PROVIDER_FAILED"}]
    (_, second) = await road.predictions(message["prompt"])
    assert second["input"]["aspect_ratio"] == "4:3"
    assert "width" not in second["input"]


async def test_nobody_falls_back_who_does_not_want_to(road: Road) -> None:
    """The request names one model and allows no other."""
    message = await rich(road, model="flux-dev", allow_fallback=False)
    await road.fault("overloaded", message)
    outcome = await road.outcome(message)
    assert outcome.reason == "PROVIDER_FAILED"
    assert len(await road.predictions(message["prompt"])) == 1
    await road.paid_nothing(outcome)


async def test_a_retired_model_is_served_by_its_successor(road: Road) -> None:
    """Guides still name the retired model; without fallback the request is refused with the successor's name."""
    outcome = await road.outcome(await rich(road, model="ray", duration_s=5))
    await output_of(road, outcome, captured=outcome.credits[0])
    data = outcome.event["data"]
    assert data["chosen_by"] == "successor"
    assert data["passed_over"] == [{"model": "ray", "reason": "MODEL_RETIRED"}]
    refused = await road.outcome(await rich(road, model="luma/ray", allow_fallback=False))
    assert refused.reason == "MODEL_RETIRED"
    assert data["model"] in refused.event["data"]["reason"]["text"]
    await road.paid_nothing(refused)


async def test_without_the_operators_word_nothing_unseen_is_made(shipped: Road) -> None:
    """The policy that comes with the app lets no video pass: it is refused before anything is held."""
    message = await rich(shipped, modality="video")
    outcome = await shipped.outcome(message)
    assert outcome.reason == "NOT_SCREENED"
    assert await shipped.moves(key_of(message)) == [Move.ENDED_UNOPENED]  # an entry of zero credits
    assert not await shipped.predictions(message["prompt"])


def _wav() -> bytes:
    """A tenth of a second of silence."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(1600))
    return file.getvalue()
