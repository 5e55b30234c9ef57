"""Films, sounds and texts: their files, their metrics, and the faults that they share with pictures."""

import io
import struct
import wave
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image

from replicate_simulator.content_safety import severities_of_text
from replicate_simulator.markers import find_markers
from replicate_simulator.models import MODELS, PictureFormat
from replicate_simulator.pictures import Scene
from replicate_simulator.sounds import sound
from replicate_simulator.videos import film
from replicate_simulator.weights import weights
from replicate_simulator_tests.world import JSON, SCHNELL, World

RAY = "luma/ray-2-720p"
MUSICGEN = "meta/musicgen:671ac645ce5e552cc63a54a2bbff63fcf798043055d2dac5fc9e36a837eedcfb"
BARK = "suno-ai/bark:b76242b40d67c76ab6742e987628a2a9ac019e11d56ab96c4e91ce03b79b2787"
LLAMA = "meta/meta-llama-3-8b-instruct"
GUARD = f"meta/llama-guard-3-8b:{MODELS['meta/llama-guard-3-8b'].version}"
#: One of each modality that takes predictions.
ALL = ["black-forest-labs/flux-schnell", RAY, MUSICGEN, LLAMA]


async def fetched(world: World, output: Any) -> bytes:
    """The file at an output."""
    url = output["audio_out"] if isinstance(output, dict) else output
    answer = await world.http.get(url)
    assert answer.status_code == 200
    return answer.content


def boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The boxes of an MP4: kind and content."""
    while content:
        size, kind = struct.unpack(">I4s", content[:8])
        yield kind, content[8:size]
        content = content[size:]


def within(content: bytes, *path: bytes) -> bytes:
    """The content of a box in a box."""
    for kind in path:
        content = dict(boxes(content))[kind]
    return content


async def test_a_film_is_an_mp4_of_the_asked_length_and_shape(world: World) -> None:
    """One address; the boxes, the duration, the sides; each frame is a JPEG where the table says."""
    done = await world.run(RAY, duration=9, aspect_ratio="9:16")
    assert isinstance(done["output"], str)
    assert done["output"].endswith(".mp4")
    answer = await world.http.get(done["output"])
    assert answer.headers["content-type"] == "video/mp4"
    content = answer.content
    assert content[4:8] == b"ftyp"
    assert [kind for kind, _ in boxes(content)] == [b"ftyp", b"moov", b"mdat"]
    timescale, duration = struct.unpack(">II", within(content, b"moov", b"mvhd")[12:20])
    assert duration / timescale == 9
    width, height = struct.unpack(">II", within(content, b"moov", b"trak", b"tkhd")[-8:])
    assert (width >> 16, height >> 16) == (182, 320)
    table = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
    first = int.from_bytes(within(content, *table, b"stco")[8:12])
    sizes = struct.unpack(">8I", within(content, *table, b"stsz")[12:])
    for size in sizes:
        assert content[first : first + 3] == b"\xff\xd8\xff"
        first += size
    assert first == len(content)


@pytest.mark.parametrize(
    "made",
    [
        lambda prompt, seed: film(Scene(prompt, seed, 0), PictureFormat(64, 36, "jpg", 70), 2),
        lambda prompt, seed: sound(prompt, seed, 2, "wav"),
        lambda prompt, seed: sound(prompt, seed, 2, "mp3"),
        lambda prompt, seed: weights(prompt, 1000, seed),
    ],
    ids=["mp4", "wav", "mp3", "tar"],
)
def test_prompt_and_seed_make_the_file(made: Callable[[str, int], bytes]) -> None:
    """The same again gives the same bytes; another prompt or seed others; any text can be a prompt."""
    assert made("a sea", 1) == made("a sea", 1)
    assert len({made("a sea", 1), made("a wood", 1), made("a sea", 2), made("", 1)}) == 4


async def test_a_prediction_with_a_seed_makes_the_same_again(world: World) -> None:
    """Without a seed, the seed is random."""
    files = [await fetched(world, (await world.run(MUSICGEN, seed=7))["output"]) for _ in range(2)]
    assert files[0] == files[1]
    assert await fetched(world, (await world.run(MUSICGEN))["output"]) != files[0]


async def test_music_is_a_wav_that_plays(world: World) -> None:
    """It has the asked or else the model's own length, and is not silent."""
    with wave.open(io.BytesIO(await fetched(world, (await world.run(MUSICGEN, duration=3))["output"]))) as tune:
        assert tune.getnframes() / tune.getframerate() == 3
        assert any(tune.readframes(1000))
    with wave.open(io.BytesIO(await fetched(world, (await world.run(MUSICGEN))["output"]))) as tune:
        assert tune.getnframes() / tune.getframerate() == 8


async def test_music_may_be_an_mp3(world: World) -> None:
    """It is a tag and as many frames as the length needs."""
    done = await world.run(MUSICGEN, duration=3, output_format="mp3")
    answer = await world.http.get(done["output"])
    assert (answer.headers["content-type"], answer.content[:3]) == ("audio/mpeg", b"ID3")
    tag_bytes = int.from_bytes(bytes(answer.content[9:10])) + (answer.content[8] << 7) + 10
    frames = answer.content[tag_bytes:]
    assert (frames[:2], len(frames) % 104, len(frames) // 104) == (b"\xff\xfb", 0, round(3 * 44_100 / 1152))


async def test_speech_comes_as_an_object(world: World) -> None:
    """Bark's output names its sound; a longer text takes longer."""
    short, long = [await world.run(BARK, "word " * words) for words in (5, 50)]
    assert list(short["output"]) == ["audio_out"]
    lengths_s = [done["metrics"]["audio_output_duration_seconds"] for done in (short, long)]
    assert lengths_s == [2, 20]


async def test_every_frame_of_an_unsafe_film_is_marked(world: World) -> None:
    """Each frame has the marker of a picture."""
    await world.sim("faults", kind="unsafe_image", category="Hate", severity=4)
    content = await fetched(world, (await world.run(RAY))["output"])
    frames = dict(boxes(content))[b"mdat"].split(b"\xff\xd8\xff")[1:]
    assert len(frames) == 5
    for frame in frames:
        assert find_markers(Image.open(io.BytesIO(b"\xff\xd8\xff" + frame))) == {"Hate": 4}


async def test_plain_files_are_the_same_for_every_prompt(world: World) -> None:
    """For load tests they are made without painting, with the asked length."""
    await world.sim("pictures", mode="plain")
    for model in (RAY, MUSICGEN):
        files = [await fetched(world, (await world.run(model, prompt))["output"]) for prompt in ("a", "b")]
        assert files[0] == files[1]


@pytest.mark.parametrize("model", [RAY, MUSICGEN])
async def test_a_file_has_the_size_that_was_asked_for(world: World, model: str) -> None:
    """It is still a valid file of its type."""
    done = await world.run(model)
    plain = await fetched(world, done["output"])
    assert await world.sim("media", bytes=700_000) == {"bytes": 700_000}
    padded = await fetched(world, done["output"])
    assert 700_000 <= len(padded) <= 700_002
    assert padded[:4] == plain[:4]
    if model == MUSICGEN:
        with wave.open(io.BytesIO(padded)) as tune:
            assert tune.getnframes() == 8 * 16_000
    else:
        assert [kind for kind, _ in boxes(padded)] == [b"ftyp", b"moov", b"mdat", b"free"]


async def test_a_text_ends_at_its_limit_and_streams(world: World) -> None:
    """The output has so many parts, as the stream has, and the metrics count the tokens."""
    done = await world.run(LLAMA, "one two three", max_tokens=4)
    assert len(done["output"]) == 4
    assert done["metrics"]["output_token_count"] == 4
    assert done["metrics"]["input_token_count"] == 4
    assert done["urls"]["stream"].startswith(f"{world.url}/stream/")


@pytest.mark.parametrize(
    ("model", "given", "metrics"),
    [
        (
            SCHNELL.removeprefix("/v1/models/").removesuffix("/predictions"),
            {"num_outputs": 3},
            {"image_count": 3, "image_output_count": 3},
        ),
        (RAY, {"duration": 9}, {"video_output_count": 1, "video_output_duration_seconds": 9}),
        ("minimax/video-01", {}, {"video_output_count": 1, "video_output_duration_seconds": 6}),
        (MUSICGEN, {"duration": 12}, {"audio_output_count": 1, "audio_output_duration_seconds": 12}),
        (LLAMA, {}, {"input_token_count": 4, "output_token_count": 10}),
    ],
)
async def test_a_success_reports_what_it_is_billed_by(world: World, model: str, given: JSON, metrics: JSON) -> None:
    """The counts of its modality, the time it took, and nothing else."""
    shown = (await world.run(model, "a red fox", **given))["metrics"]
    assert shown.pop("predict_time") == pytest.approx(0.03)
    assert shown.pop("total_time") == pytest.approx(0.05)
    assert shown == metrics


@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        ({"kind": "failed", "error": "Prediction timed out"}, "failed", "Prediction timed out"),
        ({"kind": "failed", "error": "E9243", "before_start": True}, "failed", "E9243"),
        ({"kind": "overloaded"}, "failed", "(E003)"),
        ({"kind": "nsfw_all"}, "failed", ""),
        ({"kind": "nsfw_partial", "drop": 9}, "succeeded", None),
        ({"kind": "abort"}, "aborted", None),
    ],
)
async def test_faults_of_a_prediction_hit_every_modality(
    world: World, model: str, fault: JSON, status: str, error: str | None
) -> None:
    """It ends as it shall, with the text; what has failed has no output and counts nothing but its time."""
    await world.sim("faults", **fault)
    done = await world.run(model)
    assert done["status"] == status
    if error is None:
        assert done["error"] is None
    else:
        assert error in done["error"]
    if status == "succeeded":
        assert done["output"]
    else:
        assert done["output"] is None
        assert done["metrics"].keys() <= {"predict_time", "total_time"}


async def test_each_kind_of_model_refuses_in_its_own_words(world: World) -> None:
    """The open FLUX models have a checker of their own; other models answer that the input was flagged."""
    await world.sim("faults", kind="nsfw_all", times=2)
    first, second = [(await world.run(model))["error"] for model in (ALL[0], RAY)]
    assert first.startswith("All generated images contained NSFW content.")
    assert "flagged as sensitive" in second
    assert "(E005)" in second


@pytest.mark.parametrize("model", ALL)
async def test_stuck_and_slow_hit_every_modality(world: World, model: str) -> None:
    """One never ends until it is canceled; the other starts late."""
    name, _, version = model.partition(":")
    path = "/v1/predictions" if version else f"/v1/models/{name}/predictions"
    body: JSON = {"version": version} if version else {}
    await world.sim("faults", kind="stuck")
    stuck = await world.create(path, **body)
    await world.sim("faults", kind="slow_start", seconds=100)
    slow = await world.create(path, **body)
    await world.sim("clock", advance_s=99)
    assert [(await world.get(each["id"]))["status"] for each in (stuck, slow)] == ["processing", "starting"]
    await world.sim("clock", advance_s=2)
    assert (await world.get(slow["id"]))["status"] == "succeeded"
    assert (await world.call("POST", f"/v1/predictions/{stuck['id']}/cancel")).json()["status"] == "canceled"


@pytest.mark.parametrize("model", [RAY, MUSICGEN, BARK])
async def test_faults_of_a_download_hit_every_file(world: World, model: str) -> None:
    """Gone, of another type, too large; then it is there again."""
    output = (await world.run(model))["output"]
    url = output["audio_out"] if isinstance(output, dict) else output
    for fault in (
        {"kind": "output_404"},
        {"kind": "output_wrong_type"},
        {"kind": "output_oversized", "bytes": 900_000},
    ):
        await world.sim("faults", **fault)
    assert (await world.http.get(url)).status_code == 404
    assert (await world.http.get(url)).content.startswith(b"<!DOCTYPE html>")
    assert len((await world.http.get(url)).content) == 900_000
    assert (await world.http.get(url)).status_code == 200
    await world.sim("clock", advance_s=3601)
    assert (await world.http.get(url)).status_code == 404


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("a red fox", "safe"),
        ("this is unsafe", "safe"),
        ("a fox, unsafe S1", "unsafe\nS1"),
        ("unsafe S2, S9 and on", "unsafe\nS2,S9"),
        ("unsafe S14,S3", "unsafe\nS14,S3"),
    ],
)
async def test_llama_guard_finds_what_the_prompt_is_marked_with(world: World, prompt: str, answer: str) -> None:
    """The answer comes in parts, as a model writes them."""
    assert "".join((await world.run(GUARD, prompt))["output"]) == answer


async def test_llama_guard_reads_the_answer_of_an_assistant_too(world: World) -> None:
    """The text to judge may be there."""
    assert "".join((await world.run(GUARD, "hello", assistant="unsafe S7"))["output"]) == "unsafe\nS7"


@pytest.mark.parametrize(
    ("category", "hazard"), [("Hate", "S10"), ("SelfHarm", "S11"), ("Sexual", "S12"), ("Violence", "S1")]
)
async def test_unsafe_text_makes_an_answer_unsafe(world: World, category: str, hazard: str) -> None:
    """What a model writes has a word that Content Safety knows; Llama Guard names the category; the next is safe."""
    await world.sim("faults", kind="unsafe_text", category=category, severity=4, match={"model": LLAMA})
    guard = GUARD.partition(":")[0]
    await world.sim("faults", kind="unsafe_text", category=category, match={"model": guard})
    texts = ["".join((await world.run(model))["output"]) for model in (LLAMA, LLAMA, GUARD, GUARD)]
    assert [severities_of_text(text) for text in texts[:2]] == [{category: 4}, {}]
    assert texts[2:] == [f"unsafe\n{hazard}", "safe"]


async def test_a_fault_may_mean_one_model(world: World) -> None:
    """It may also name a part of the prompt; other models pass."""
    await world.sim("faults", kind="create_402", match={"model": RAY, "prompt_contains": "sea"})
    for model, prompt, status in ((LLAMA, "a sea", 201), (RAY, "a fox", 201), (RAY, "a sea", 402), (RAY, "a sea", 201)):
        answer = await world.call("POST", f"/v1/models/{model}/predictions", json={"input": {"prompt": prompt}})
        assert answer.status_code == status
    await world.sim("faults", kind="get_5xx", match={"model": RAY})
    assert (await world.call("GET", "/v1/predictions")).status_code == 200


async def test_a_model_that_is_gone_is_404_for_whoever_asks(world: World) -> None:
    """By its name; by its version it is unknown; nothing is created; others stay; it is there again when cleared."""
    await world.sim("faults", kind="model_gone", times=-1, match={"model": RAY})
    await world.sim("faults", kind="model_gone", match={"model": MUSICGEN.partition(":")[0]})
    body: JSON = {"input": {"prompt": "x"}}
    gone = await world.call("POST", f"/v1/models/{RAY}/predictions", json=body)
    assert (gone.status_code, gone.json()["title"]) == (404, "Not found")
    unknown = await world.call("POST", "/v1/predictions", json={**body, "version": MUSICGEN})
    assert (unknown.status_code, unknown.json()["title"]) == (422, "Invalid version or not permitted")
    assert (await world.call("GET", f"/v1/models/{RAY}")).status_code == 404
    assert (await world.call("GET", f"/v1/models/{LLAMA}")).status_code == 200
    assert (await world.look("stats"))["predictions"] == 0
    await world.http.delete("/_sim/faults")
    assert (await world.run(RAY))["status"] == "succeeded"
