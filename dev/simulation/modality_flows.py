"""The flows without pictures: a text, a sound that continues an input file, a training.

Their models take seconds, so that these flows settle within the same time as the others.
"""

from dataclasses import replace
from typing import Any

from dev.fakes.archives import WEIGHTS_TAR, zipped
from dev.fakes.catalogs import SEED, TEXT, VERSION, catalog, model
from dev.fakes.world import KEY
from dev.simulation.cases import End
from dev.simulation.schedules import Faced, Flow, Stage
from shared.core.keys import Key
from shared.core.provider.prediction import OutcomeUnknown
from shared.core.requests.messages import CancelRequest, Check, GenerationRequest
from shared.core.safety.moderation import UNSCREENED_MODALITIES
from shared.core.training.versions import TrainedVersion

#: The version that is there at the start of the flows that use one.
TRAINED = f"ada/lora:{VERSION}"

#: The state at the start of these flows.
_ONE_PICTURE = zipped(("harbour.jpg", b"a lighthouse"))
_WAV = b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(28)

_FILE = {"type": "audio", "field": "input_file"}
_ARCHIVE = {"type": "archive", "field": "input_file", "required": True}


def _trainer(name: str, **changes: Any) -> dict[str, Any]:
    version: dict[str, Any] = {"replicate": f"owner/{name}:{VERSION}", "output": "version", "modality": "training"}
    return model(
        {"pictures": _ARCHIVE, "trigger_word": TEXT}, **version, credits=3, version_entry="portrait", **changes
    )


_WRITES: dict[str, Any] = {"modality": "text", "output": "chunks"}
_SOUNDS: dict[str, Any] = {"modality": "audio", "output": "single"}

CATALOG = catalog(
    {
        "writer": model({"prompt": TEXT, "system_prompt": TEXT}, replicate="owner/writer", **_WRITES),
        "writer-with-next": model(replicate="owner/next", **_WRITES, fallback=["writer"]),
        "song": model({"prompt": TEXT, "sound": _FILE}, replicate="owner/song", **_SOUNDS, credits=2),
        "portrait": model({"prompt": TEXT, "seed": SEED}, replicate="owner/portrait", status="hidden"),
        "trainer": _trainer("trainer"),
        "trainer-with-next": _trainer("next", fallback=["trainer"]),
    }
)

_NEXT = (End.TRANSIENT_NEXT, End.ABORTED_NEXT)


def _prepare(stage: Stage) -> None:
    """Set up the catalogue, a policy that allows outputs that cannot be screened, and the app's files."""
    world = stage.world
    policy = replace(world.deps.policy, unscreened=UNSCREENED_MODALITIES)
    world.deps = replace(world.deps, catalog=world.of_catalog(CATALOG), policy=policy)
    world.blobs.uploads |= {"ada/ada/horn.wav": b"a horn", "ada/ada/pictures.zip": _ONE_PICTURE}


def _in_two_chunks(stage: Stage, output: bytes) -> None:
    """The output is fetched in two chunks, as a picture is: each further one would be the same read again."""
    stage.world.replicate.chunk_bytes = len(output) // 2 + 1


# The requests, and the outputs of the provider.


def _says(stage: Stage, prediction_id: str, end: End) -> None:
    stage.world.replicate.say(prediction_id, "a go", "ry tale" if end is End.UNSAFE else "od tale")


def _sounds(stage: Stage, prediction_id: str, end: End) -> None:
    stage.world.replicate.succeed(prediction_id, [_WAV])


def _trains(stage: Stage, prediction_id: str, end: End) -> None:
    stage.world.replicate.train(prediction_id, WEIGHTS_TAR)


def _text(stage: Stage) -> GenerationRequest:
    _prepare(stage)
    stage.makes = _says
    name = "writer-with-next" if stage.ends_in(*_NEXT) else "writer"
    return GenerationRequest(key=KEY, prompt="Tell me a tale", system_prompt="Be brief.", model=name)


def _sound(stage: Stage) -> GenerationRequest:
    _prepare(stage)
    _in_two_chunks(stage, _WAV)
    stage.makes = _sounds
    return GenerationRequest(key=KEY, prompt="A horn in the fog", model="song", input_file="ada/ada/horn.wav")


def _training(stage: Stage) -> GenerationRequest:
    _prepare(stage)
    _in_two_chunks(stage, WEIGHTS_TAR)
    stage.makes = _trains
    name = "trainer-with-next" if stage.ends_in(*_NEXT) else "trainer"
    return GenerationRequest(
        key=KEY, model=name, input_file="ada/ada/pictures.zip", destination="ada/lora", trigger_word="LGHT"
    )


def _on_version(stage: Stage) -> GenerationRequest:
    """A picture by a version that the account has trained before."""
    _prepare(stage)
    world, key = stage.world, Key("ada", "training")
    world.store.saved_versions["ada", TRAINED] = TrainedVersion(
        name=TRAINED, entry="portrait", trainer="trainer", key=key, made_at=world.time
    )
    return GenerationRequest(key=KEY, prompt="Ada above the harbour", model=TRAINED)


async def request_on_version(stage: Stage) -> Faced:
    """A request for a picture by a version that the account has trained."""
    return Faced(_on_version(stage))


async def check_lost_on_version(stage: Stage) -> Faced:
    """The create of such a picture was never made: the next attempt has to find the version again."""
    request = _on_version(stage)
    stage.world.replicate.answer_next_create_with(OutcomeUnknown("timed out"))
    await stage.hear(request)
    stage.world.pass_time(400)
    return Faced(Check(KEY))


async def request_text(stage: Stage) -> Faced:
    """A request for a text."""
    return Faced(_text(stage))


async def request_sound(stage: Stage) -> Faced:
    """A request for a sound that continues an input file."""
    return Faced(_sound(stage))


async def request_training(stage: Stage) -> Faced:
    """A request for a training. Its archive is uploaded to Replicate before the create."""
    return Faced(_training(stage))


async def webhook_text(stage: Stage) -> Faced:
    """A webhook says that the text is ready."""
    return await _heard(stage, _text(stage))


async def webhook_training(stage: Stage) -> Faced:
    """A webhook says that the training ended."""
    return await _heard(stage, _training(stage))


async def check_training(stage: Stage) -> Faced:
    """The same, but the webhook was lost and the timer checks."""
    faced = await webhook_training(stage)
    stage.world.pass_time(60)
    return replace(faced, message=Check(KEY))


async def check_training_lost(stage: Stage) -> Faced:
    """The answer to a training's create was lost, and the training is not listed until its time is over."""
    request = _training(stage)
    stage.world.replicate.answer_next_create_with(OutcomeUnknown("timed out"), really_created=True)
    await stage.hear(request)
    stage.world.replicate.unlisted.add(stage.world.replicate.only_id)
    stage.world.pass_time(400)
    return Faced(Check(KEY))


async def check_training_vanished(stage: Stage) -> Faced:
    """A training that Replicate has neither known nor listed for a long time."""
    await stage.hear(_training(stage))
    stage.world.replicate.unknown.add(stage.world.replicate.only_id)
    stage.world.replicate.unlisted.add(stage.world.replicate.only_id)
    await stage.hear(Check(KEY))
    stage.world.pass_time(400)
    return Faced(Check(KEY))


async def cancel_training(stage: Stage) -> Faced:
    """A cancel while the training runs."""
    await stage.hear(_training(stage))
    stage.world.replicate.start(stage.world.replicate.only_id)
    return Faced(CancelRequest(KEY))


async def _heard(stage: Stage, request: GenerationRequest) -> Faced:
    await stage.hear(request)
    prediction_id = stage.world.replicate.only_id
    stage.finish(prediction_id)
    return Faced(stage.world.replicate.event(prediction_id))


_TEXT_ENDS = (End.SUCCEEDED, End.UNSAFE, End.TRANSIENT_NEXT, End.CONTENT)
_TRAINING_ENDS = (End.SUCCEEDED, End.TRANSIENT_NEXT, End.ABORTED_NEXT, End.EXPIRED)

MODALITY_FLOWS: tuple[Flow, ...] = (
    Flow("request for a text", request_text, creates=True, ends=_TEXT_ENDS),
    Flow("request for a sound, with a file", request_sound, creates=True, ends=(End.SUCCEEDED, End.EXPIRED)),
    Flow("request for a training", request_training, creates=True, ends=(End.SUCCEEDED, End.TRANSIENT_NEXT)),
    Flow("request by a trained version", request_on_version, creates=True, ends=(End.SUCCEEDED,)),
    Flow("check of a create by a trained version, lost", check_lost_on_version, creates=True, ends=(End.SUCCEEDED,)),
    Flow("webhook of a text", webhook_text, ends=_TEXT_ENDS),
    Flow("webhook of a training", webhook_training, ends=_TRAINING_ENDS),
    Flow("check of a training", check_training, ends=_TRAINING_ENDS),
    Flow("check of a training, lost", check_training_lost, ends=(End.SUCCEEDED, End.TRANSIENT_NEXT)),
    Flow("check of a training, vanished", check_training_vanished, ends=(End.SUCCEEDED,)),
    Flow("cancel of a training", cancel_training, ends=(End.SUCCEEDED,)),
)
