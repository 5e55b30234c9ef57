"""A model's outputs from prediction to event: what is stored and paid, and what is only words."""

import json
from typing import Any

import pytest

from dev.fakes.provider import DELIVERY
from dev.fakes.world import KEY, World
from shared.adapters.replicate.wire import prediction_of
from shared.core.lifecycle.state import State
from shared.core.requests.messages import PredictionEvent
from shared.ports import Envelope
from tests.worker.modalities import MP4, WAV, opened

#: A name of each kind of file, as Replicate's delivery host has them.
CAT, DOG = f"{DELIVERY}made/cat.png", f"{DELIVERY}made/dog.png"
FILM, SONG, NPZ = f"{DELIVERY}made/film.mp4", f"{DELIVERY}made/song.wav", f"{DELIVERY}made/p.npz"
FILES = {CAT: b"a cat", DOG: b"a dog", FILM: MP4, SONG: WAV, NPZ: b"PK\x03\x04"}


async def answered(world: World, output: object, **said: Any) -> None:
    """The prediction succeeds with this output and these fields, as Replicate's JSON says it."""
    world.replicate.files.update(FILES)
    raw = {"id": world.replicate.only_id, "status": "succeeded", "output": output, **said}
    prediction = prediction_of(json.loads(json.dumps(raw)))
    assert prediction is not None
    await world.messenger.send(PredictionEvent(KEY, 1, prediction), Envelope("done"))
    await world.pump()


@pytest.mark.parametrize(
    ("output", "stored"),
    [
        ({"prompt": "a cat", "image": CAT}, [b"a cat"]),
        ([{"url": CAT, "content_type": "image/png"}, {"url": DOG, "content_type": "image/png"}], [b"a cat", b"a dog"]),
        ({"captions": ["one", "two"], "images": [CAT, DOG]}, [b"a cat", b"a dog"]),
        (["a caption", CAT, "another", DOG], [b"a cat", b"a dog"]),
    ],
)
async def test_words_beside_pictures_push_none_out(world: World, output: object, stored: list[bytes]) -> None:
    """Two were asked for, and every picture that came is stored and paid; no word is."""
    await world.ask(num_outputs=2)
    await answered(world, output)
    assert [each.content for each in world.blobs.outputs.values()] == stored
    assert world.balances() == (10 - len(stored), 0, len(stored))
    world.books_balance()
    assert not world.index.rows


@pytest.mark.parametrize(
    ("model", "output", "content"),
    [
        ("film", {"thumbnail": CAT, "video": FILM}, MP4),
        ("film", [CAT, FILM], MP4),
        ("song", {"prompt_npz": NPZ, "audio_out": SONG}, WAV),
        ("voice", {"caption": "rain", "audio_out": SONG}, WAV),
    ],
)
async def test_the_file_of_the_kind_is_taken(model: str, output: object, content: bytes) -> None:
    """The first file of the modality is taken, whatever is listed before it."""
    world = await opened()
    await world.ask(model=model)
    await answered(world, output)
    assert world.generation().state is State.SUCCEEDED
    assert [each.content for each in world.blobs.outputs.values()] == [content]


async def test_the_text_of_an_object_is_the_text() -> None:
    """And neither its language nor the address of its subtitles."""
    world = await opened()
    await world.ask(model="writer")
    await answered(world, {"detected_language": "en", "srt_file": f"{DELIVERY}made/a.srt", "transcription": "A cat."})
    assert [each.content for each in world.blobs.outputs.values()] == [b"A cat."]


async def test_words_alone_are_no_picture(world: World) -> None:
    """Nothing is stored, and nothing paid."""
    await world.ask()
    await answered(world, {"message": "sorry, no picture today"})
    assert world.generation().state is State.FAILED
    assert world.blobs.outputs == {}
    assert world.balances() == (10, 0, 0)


async def test_metrics_of_any_size_do_not_lose_a_picture(world: World) -> None:
    """A megabyte, five thousand names, half a character, 1e999: the picture is stored and paid, the row is small."""
    await world.ask()
    metrics: dict[str, object] = {f"m{index}": index for index in range(5000)}
    metrics |= {"long": "x" * 1_000_000, "half": "\ud800", "much": 1e999, "image_output_count": 1, "predict_time": 2.5}
    await answered(world, [CAT], metrics=metrics)
    generation = world.generation()
    assert (generation.state, world.balances()) == (State.SUCCEEDED, (9, 0, 1))
    assert (generation.metrics["image_output_count"], generation.metrics["predict_time"]) == (1, 2.5)
    assert len(json.dumps(dict(generation.metrics), allow_nan=False)) < 16_000
