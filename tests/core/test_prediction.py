"""A prediction as a message carries it: our own words, read back the same, and bounded whoever wrote them."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.money.pricing import Unit
from shared.core.provider.failure import Failure
from shared.core.provider.metrics import MOST_METRICS
from shared.core.provider.prediction import Prediction, Status

WHOLE = Prediction(
    prediction_id="hdwst0bb05rgp0cf0p29mzk2am",
    status=Status.FAILED,
    model="stability-ai/sdxl",
    outputs=("https://outputs.example/0.png", "https://outputs.example/1.png"),
    labels=("image", "mask"),
    complete=False,
    error="NSFW content detected.",
    failure=Failure.CONTENT,
    metrics={"predict_time": 2.5, "resolution": "1080p", "audio": True},
    measured={Unit.GPU_SECOND: 2.5, Unit.IMAGE: 2.0},
    created_at=datetime(2026, 11, 21, 12, 0, 0, 329000, tzinfo=UTC),
    completed_at=datetime(2026, 11, 21, 12, 1, tzinfo=UTC),
    data_removed=True,
)


def carried(raw: Any) -> Prediction | None:
    """What comes out of a queue."""
    return Prediction.from_json(json.loads(json.dumps(raw)))


@pytest.mark.parametrize("failure", Failure)
def test_a_prediction_survives_its_message(failure: Failure) -> None:
    """Every field but what no rule asks for: its callback and its seed."""
    sent = replace(WHOLE, failure=failure)
    assert carried(sent.to_json()) == sent
    assert carried(replace(sent, webhook="https://x", seed=7).to_json()) == sent
    bare = Prediction(prediction_id="p" * 26, status=Status.STARTING)
    assert bare.to_json() == {"id": "p" * 26, "status": "starting"}
    assert carried(bare.to_json()) == bare


@pytest.mark.parametrize("raw", [None, [], "x", {}, {"id": 1, "status": "failed"}, {"id": "short", "status": "x"}])
def test_what_is_no_prediction_is_not_read_as_one(raw: object) -> None:
    """Garbage is recognised without an exception."""
    assert Prediction.from_json(raw) is None
    assert Prediction.from_json({"id": "p" * 26}) is None


def test_an_unknown_status_is_not_finished() -> None:
    """Whoever wrote it."""
    read = carried(WHOLE.to_json() | {"status": "finished"})
    assert read is not None
    assert (read.status, read.status.finished) == (Status.UNKNOWN, False)


def test_a_time_without_a_zone_is_utc_and_others_become_utc() -> None:
    """Times are aware."""
    for text in ("2026-11-21T12:00:00", "2026-11-21T12:00:00Z", "2026-11-21T14:00:00+02:00"):
        read = carried(WHOLE.to_json() | {"created_at": text})
        assert read is not None
        assert read.created_at is not None
        assert (read.created_at, read.created_at.utcoffset()) == (datetime(2026, 11, 21, 12, tzinfo=UTC), timedelta())


def test_labels_that_do_not_fit_their_outputs_are_left_out() -> None:
    """A label names the output beside it, or nothing."""
    read = carried(WHOLE.to_json() | {"labels": ["image"]})
    assert read is not None
    assert (len(read.outputs), read.labels) == (2, ())


def test_measurements_in_a_message_are_bounded() -> None:
    """Metrics are read as a provider's; a value that is no count was not measured."""
    many: dict[str, Any] = {f"m{index}": index for index in range(5000)} | {"long": "x" * 100_000}
    read = carried(WHOLE.to_json() | {"metrics": many, "measured": {"gpu_second": -1, "image": "2", "run": True}})
    assert read is not None
    assert len(read.metrics) == MOST_METRICS
    assert "long" not in read.metrics
    assert read.measured == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(sorted(WHOLE.to_json().keys() - {"id", "status"}), JSON)))
def test_no_message_breaks_the_reader(changes: dict[str, object]) -> None:
    """Whatever the fields hold: what was read can be written, and is read back the same."""
    read = Prediction.from_json(WHOLE.to_json() | changes)
    assert read is not None
    assert carried(read.to_json()) == read


@pytest.mark.parametrize("status", sorted(Status))
def test_only_what_failed_has_a_failure(status: Status) -> None:
    """A failure beside another status is not read, as it is not written: a message is read back as it was written."""
    read = Prediction.from_json({"id": "prediction1", "status": status.value, "failure": Failure.CONTENT.value})
    assert read is not None
    assert read.failure is (Failure.CONTENT if status is Status.FAILED else Failure.MODEL)
    assert Prediction.from_json(read.to_json()) == read
