"""Types: read leniently, frozen, and without secrets in their ``repr``."""

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.replicate.reading import moment
from shared.adapters.replicate.sdk import types
from shared.core.provider.prediction import Status

ALL: list[Any] = [
    kind for kind in vars(types).values() if dataclasses.is_dataclass(kind) and kind.__module__ == types.__name__
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=9,
)


@settings(max_examples=settings().max_examples // 4)  # each reads every type twice
@given(value=JSON, data=st.data())
def test_whatever_comes_is_read_or_none(value: object, data: st.DataObject) -> None:
    """No answer of Replicate's makes reading fail; a malformed field counts as absent."""
    for kind in ALL:
        names = [*kind.__dataclass_fields__, "urls", "current_release", "metadata", "openapi_schema", "checksums"]
        chosen = data.draw(st.dictionaries(st.sampled_from(names), JSON, max_size=3))
        for raw in (value, {"id": "p" * 26, "status": "x", "owner": "o", "name": "n", "slug": "s", **chosen}):
            read = kind.read(raw)
            assert read is None or isinstance(read, kind)


@pytest.mark.parametrize("kind", ALL)
def test_they_are_frozen_and_slotted(kind: Any) -> None:
    """A result cannot be changed by whoever holds it."""
    assert dataclasses.fields(kind)
    assert kind.__dataclass_params__.frozen
    assert hasattr(kind, "__slots__")


def test_a_whole_prediction_is_read() -> None:
    """Every field of the documented object."""
    prediction = types.FullPrediction.read(
        {
            "id": "hdwst0bb05rgp0cf0p29mzk2am",
            "model": "stability-ai/sdxl",
            "version": "hidden",
            "deployment": "acme/chat",
            "input": {"prompt": "a wish"},
            "output": ["a", "b"],
            "logs": "50%",
            "error": None,
            "status": "succeeded",
            "source": "api",
            "created_at": "2024-04-22T11:15:15.329Z",
            "started_at": "2024-04-22T11:15:15.37598012Z",
            "completed_at": "2024-04-22T13:15:15.5+02:00",
            "deadline": "soon",
            "metrics": {"predict_time": 0.1},
            "urls": {"web": "https://replicate.com/p/x", "stream": "https://stream.replicate.com/v1/files/secret"},
        }
    )
    assert prediction is not None
    assert (prediction.status, prediction.text, prediction.outputs) == (Status.SUCCEEDED, "ab", ("a", "b"))
    assert prediction.created_at == datetime(2024, 4, 22, 11, 15, 15, 329000, UTC)
    assert prediction.started_at == datetime(2024, 4, 22, 11, 15, 15, 375980, UTC)
    assert prediction.completed_at == datetime(2024, 4, 22, 11, 15, 15, 500000, UTC)
    assert prediction.deadline is None
    for secret in ("wish", "secret", "50%"):
        assert secret not in repr(prediction)


@pytest.mark.parametrize("digits", range(1, 10))
def test_any_number_of_fraction_digits_is_a_time(digits: int) -> None:
    """2 to 9 were seen."""
    assert moment(f"2024-04-22T11:15:15.{'123456789'[:digits]}Z") is not None
