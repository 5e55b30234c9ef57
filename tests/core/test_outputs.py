"""What a model gave: which of it is the result, in every shape that was seen and some that were not."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.replicate.wire import prediction_of
from shared.core.provider.outputs import MOST_OUTPUTS, files_of, output_uris, outputs_of, text_of, version_of
from shared.core.provider.prediction import Prediction
from tests.timing import best_cpu_s

X = "https://replicate.delivery/xezq/"
PNG, JPG, MP4, WAV, NPZ, BARE = f"{X}a.png", f"{X}b.jpg", f"{X}c.mp4", f"{X}d.wav", f"{X}e.npz", f"{X}file"
DATA = "data:image/webp;base64,AAAA"


def files(output: object, modality: str = "image") -> tuple[str, ...]:
    """The files, as they are after a prediction went through the queue."""
    raw = {"id": "p" * 26, "status": "succeeded", "output": output}
    sent = prediction_of(raw)
    assert sent is not None
    prediction = Prediction.from_json(json.loads(json.dumps(sent.to_json())))
    assert prediction is not None
    assert (prediction.outputs, prediction.labels) == (sent.outputs, sent.labels)
    return files_of(prediction.outputs, prediction.labels, modality)


@pytest.mark.parametrize(
    ("output", "modality", "taken"),
    [
        (PNG, "image", (PNG,)),
        ([PNG, JPG], "image", (PNG, JPG)),
        ([BARE, f"{BARE}2"], "image", (BARE, f"{BARE}2")),
        ([PNG, BARE], "image", (PNG, BARE)),
        ([DATA], "image", (DATA,)),
        ({"prompt": "a cat", "image": PNG}, "image", (PNG,)),
        ({"image": BARE, "prompt": "a cat"}, "image", (BARE,)),
        ([{"url": PNG, "content_type": "image/png"}, {"url": JPG, "content_type": "image/jpeg"}], "image", (PNG, JPG)),
        ([{"image": PNG, "caption": "a"}, {"image": JPG, "caption": "b"}], "image", (PNG, JPG)),
        ({"captions": ["a", "b"], "images": [PNG, JPG]}, "image", (PNG, JPG)),
        ({"mask": BARE, "image": f"{BARE}2"}, "image", (f"{BARE}2",)),
        ({"mask": PNG, "image": JPG}, "image", (JPG, PNG)),
        ({"image": PNG, "source": "https://example.com/page"}, "image", (PNG,)),
        ({"video": MP4, "thumbnail": PNG}, "video", (MP4,)),
        ([PNG, MP4], "video", (MP4,)),
        ([f"{MP4}?token=a.png"], "video", (f"{MP4}?token=a.png",)),
        ({"prompt_npz": NPZ, "audio_out": WAV}, "audio", (WAV,)),
        ({"prompt_npz": f"{X}1", "audio_out": f"{X}2"}, "audio", (f"{X}2",)),
        ({"audio_out": WAV, "prompt_npz": None}, "audio", (WAV,)),
        ({"spectrogram": PNG, "audio": WAV}, "audio", (WAV,)),
        ([PNG], "video", (PNG,)),  # an ending is no proof: its bytes decide
        ({"version": "ada/lighthouse:39ed", "weights": f"{X}w.tar"}, "training", (f"{X}w.tar",)),
        ({"logs_url": f"{X}log.txt", "weights": f"{X}w"}, "training", (f"{X}w",)),
        ("a cat", "image", ()),
        ({"error": "sorry"}, "image", ()),
        (None, "image", ()),
        ([None, 7, True, {}], "image", ()),
        ("HTTPS://replicate.delivery/A.PNG", "image", ("HTTPS://replicate.delivery/A.PNG",)),
    ],
)
def test_files_are_addresses_of_the_kind(output: object, modality: str, taken: tuple[str, ...]) -> None:
    """Words beside a file are no output, and of several files those of the kind are taken."""
    assert files(output, modality) == taken


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ("a cat", "a cat"),
        (["A ", "cat", "", " sat"], "A cat sat"),
        (["see ", "https://example.com/", " there"], "see https://example.com/ there"),
        ({"text": "a cat", "language": "en"}, "a cat"),
        ({"language": "en", "output": ["a ", "cat"]}, "a cat"),
        ({"segments": [{"id": 0, "text": "a"}, {"id": 1, "text": " cat"}], "transcription": "A cat."}, "A cat."),
        ({"segments": [{"text": "a"}, {"text": " cat"}], "srt_file": f"{X}a.srt"}, "a cat"),
        ({"summary": "a cat", "image": PNG}, "a cat"),
        (["\ud83d", "\ude00"], "\U0001f600"),
        (None, ""),
    ],
)
def test_the_text_is_the_text(output: object, text: str) -> None:
    """Parts are joined; in an object the field that is named like a result is taken."""
    assert text_of(*outputs_of(output)) == text


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ({"version": "ada/lighthouse:39ed", "weights": f"{X}w.tar"}, "ada/lighthouse:39ed"),
        ({"weights": f"{X}w.tar", "logs": "done", "version": "ada/lighthouse:39ed"}, "ada/lighthouse:39ed"),
        (["ada/lighthouse:39ed"], "ada/lighthouse:39ed"),
        ("half \ud800", "half \ufffd"),
        (f"{X}w.tar", ""),
    ],
)
def test_the_version_of_a_training(output: object, version: str) -> None:
    """Whatever else stands beside it; it can always be stored."""
    assert version_of(*outputs_of(output)) == version


def test_what_is_nested_for_ever_is_left_out_and_costs_nothing() -> None:
    """Ten thousand levels or a million parts exhaust neither the stack nor the memory."""
    deep: Any = PNG
    for _ in range(10_000):
        deep = [deep]
    assert output_uris(deep) == ()
    assert output_uris([PNG, deep]) == (PNG,)
    assert len(output_uris(["a"] * (MOST_OUTPUTS * 2))) == MOST_OUTPUTS
    assert best_cpu_s(lambda: output_uris(["a"] * (MOST_OUTPUTS * 2))) < 2


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([PNG, MP4, WAV, DATA, "data:"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(JSON, st.sampled_from(["image", "video", "audio", "training"]))
def test_no_output_breaks_the_choice(output: object, modality: str) -> None:
    """Whatever it is: files are addresses out of it, and texts can be encoded."""
    outputs, labels = outputs_of(output)
    assert set(files_of(outputs, labels, modality)) <= set(outputs)
    text_of(outputs, labels).encode()
    version_of(outputs, labels).encode()
