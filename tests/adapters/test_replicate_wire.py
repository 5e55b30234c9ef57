"""Replicate's predictions as they really come."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.replicate.wire import prediction_of
from shared.core.money.pricing import Unit
from shared.core.provider.failure import Failure
from shared.core.provider.outputs import output_uris
from shared.core.provider.prediction import Prediction, Status

RECORDED = {
    "id": "hdwst0bb05rgp0cf0p29mzk2am",
    "model": "stability-ai/sdxl",
    "version": "39ed52f2",
    "input": {"prompt": "a studio photo of a rainbow colored corgi", "seed": 42069},
    "logs": "",
    "error": None,
    "status": "starting",
    "created_at": "2024-04-22T11:15:15.329Z",
    "urls": {"get": "https://api.replicate.com/v1/predictions/hdws"},
}


def test_a_recorded_answer_is_read() -> None:
    """What a create really answered, with fields missing that the documentation requires."""
    prediction = prediction_of(RECORDED)
    assert prediction == Prediction(
        prediction_id="hdwst0bb05rgp0cf0p29mzk2am",
        status=Status.STARTING,
        model="stability-ai/sdxl",
        seed=42069,
        created_at=datetime(2024, 4, 22, 11, 15, 15, 329000, tzinfo=UTC),
    )


@pytest.mark.parametrize("status", ["starting", "processing", "succeeded", "failed", "canceled", "aborted"])
def test_every_documented_status_is_mapped(status: str) -> None:
    """None of the six documented statuses is read as unknown."""
    prediction = prediction_of(RECORDED | {"status": status})
    assert prediction is not None
    assert prediction.status.value == status
    assert prediction.status.finished == (status not in {"starting", "processing"})


def test_an_unknown_status_is_not_finished() -> None:
    """A status of the future ends nothing."""
    prediction = prediction_of(RECORDED | {"status": "successful"})
    assert prediction is not None
    assert prediction.status is Status.UNKNOWN
    assert not prediction.status.finished


@pytest.mark.parametrize(
    ("output", "uris"),
    [
        (None, ()),
        ("", ()),
        ("https://replicate.delivery/a.webp", ("https://replicate.delivery/a.webp",)),
        (["https://x/0.png", "https://x/1.png"], ("https://x/0.png", "https://x/1.png")),
        ({"audio_out": "https://x/a.wav", "prompt_npz": None}, ("https://x/a.wav",)),
        (["data:image/png;base64,AAAA"], ("data:image/png;base64,AAAA",)),
        ([["https://x/0.png"], {"more": "https://x/1.png"}], ("https://x/0.png", "https://x/1.png")),
        (42, ()),
    ],
)
def test_outputs_of_every_shape_become_a_list(output: object, uris: tuple[str, ...]) -> None:
    """String, list, object, data URI and null are all normalised."""
    assert output_uris(output) == uris


@pytest.mark.parametrize(
    "moment", ["2023-08-16T18:57:08.36Z", "2023-08-16T18:57:08.360000Z", "2023-08-16T18:57:08.360000000Z"]
)
def test_times_have_any_number_of_fraction_digits(moment: str) -> None:
    """2 to 9 digits were seen in real answers."""
    prediction = prediction_of(RECORDED | {"created_at": moment})
    assert prediction is not None
    assert prediction.created_at == datetime(2023, 8, 16, 18, 57, 8, 360000, tzinfo=UTC)


@pytest.mark.parametrize("moment", ["", "yesterday", "2023-13-01T00:00:00Z", "0001-01-01T00:00:00+23:59"])
def test_malformed_times_are_left_out(moment: str) -> None:
    """A time that cannot be read, or that no calendar has, is treated as absent."""
    prediction = prediction_of(RECORDED | {"created_at": moment})
    assert prediction is not None
    assert prediction.created_at is None


@pytest.mark.parametrize("raw", [None, [], "x", {}, {"id": 1, "status": "failed"}, {"id": "short", "status": "x"}])
def test_what_is_no_prediction_is_not_read(raw: object) -> None:
    """Garbage gives None, without an exception."""
    assert prediction_of(raw) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys([*RECORDED, "output", "metrics", "completed_at"], JSON)))
def test_no_answer_breaks_the_reader(raw: dict[str, object]) -> None:
    """Whatever the fields hold, reading never raises, and what was read survives being sent on."""
    prediction = prediction_of(RECORDED | raw)
    if prediction is not None:
        again = Prediction.from_json(json.loads(json.dumps(prediction.to_json())))
        assert again is not None
        assert (again.prediction_id, again.status, again.outputs, again.error) == (
            prediction.prediction_id,
            prediction.status,
            prediction.outputs,
            prediction.error,
        )


def test_measurements_of_any_size_fit_a_row() -> None:
    """Of a bag of thousands what counts for a price is kept, in our own units too, and the rest is bounded."""
    many = {f"m{index}": "x" * 100_000 for index in range(1000)} | {f"n{index}": index for index in range(5000)}
    prediction = prediction_of(RECORDED | {"metrics": many | {"predict_time": 2.5}})
    assert prediction is not None
    assert len(json.dumps(dict(prediction.metrics))) < 16_000
    assert (prediction.metrics["predict_time"], prediction.measured) == (2.5, {Unit.GPU_SECOND: 2.5})


def test_only_what_failed_is_classified() -> None:
    """A text beside another status says nothing about a failure."""
    failed = prediction_of(RECORDED | {"status": "failed", "error": "NSFW content detected."})
    running = prediction_of(RECORDED | {"error": "NSFW content detected."})
    assert failed is not None
    assert running is not None
    assert (failed.failure, running.failure) == (Failure.CONTENT, Failure.MODEL)
