"""What is kept of a stranger's measurements."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.replicate.metrics import MEASURED_NAMES
from shared.core.provider.metrics import MOST_METRICS, kept_metrics

REAL = {"predict_time": 1.5, "image_output_count": 2, "resolution_target": "1080p", "with_audio": True, "x": -1}


def test_real_ones_are_kept_as_they_are() -> None:
    """In their order and with their types."""
    assert list(kept_metrics(REAL).items()) == list(REAL.items())


@pytest.mark.parametrize(
    "wrong",
    [
        {"a": float("inf")},
        {"a": json.loads("1e999")},
        {"a": float("nan")},
        {"a": 10**400},
        {"a": "x" * 1_000_000},
        {"a": "half \ud800"},
        {"half \ud800": 1},
        {"x" * 1_000_000: 1},
        {"a\n": 1},
        {"": 1},
        {7: 1},
        {"a": None},
        {"a": [1]},
        {"a": {"b": 1}},
    ],
)
def test_what_no_row_takes_is_left_out_alone(wrong: dict[Any, Any]) -> None:
    """Each by itself: what stands beside it is kept."""
    real: dict[Any, Any] = dict(REAL)
    assert kept_metrics(wrong | real) == REAL
    assert kept_metrics(real | wrong) == REAL


def test_thousands_push_out_nothing_that_costs() -> None:
    """Of 5,000 the first are kept, and all by which the price is reckoned, wherever they stand."""
    many: dict[str, object] = {f"m{index}": index for index in range(5000)}
    priced: dict[str, object] = dict.fromkeys(MEASURED_NAMES, 1)
    kept = kept_metrics(many | priced, MEASURED_NAMES)
    assert len(kept) == MOST_METRICS
    assert set(MEASURED_NAMES) <= set(kept)
    assert kept["m0"] == 0


@pytest.mark.parametrize("value", [None, [], "x", 7])
def test_what_is_no_object_is_nothing(value: object) -> None:
    """Garbage is no measurement."""
    assert kept_metrics(value) == {}


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=[])),
        st.floats() | st.integers() | st.text() | st.booleans() | st.none(),
    )
)
def test_what_is_kept_can_be_stored(value: dict[str, object]) -> None:
    """As strict JSON in UTF-8, within a column of a row."""
    stored = json.dumps(kept_metrics(value), allow_nan=False, ensure_ascii=False).encode()
    assert len(stored) < 32_000
