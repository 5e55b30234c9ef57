"""A copy with changes is what ``dataclasses.replace`` makes, and is as frozen."""

import dataclasses
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, TypeVar

import pytest

from shared.core.values import replace

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Amount:
    credits: int
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.credits < 0:
            raise ValueError("below zero")


@dataclass(frozen=True, slots=True)
class _Named(_Amount, Generic[T]):
    name: str = ""
    value: T | None = None


@dataclass(frozen=True, slots=True)
class _Derived:
    given: int
    made: int = field(init=False, default=0)


@dataclass(frozen=True)
class _Slotless:
    given: int


@pytest.mark.parametrize(
    "changes",
    [{}, {"credits": 0}, {"name": "b", "value": timedelta(1)}, {"credits": 9, "notes": (), "name": "", "value": None}],
)
def test_a_copy_is_what_the_standard_librarys_is(changes: dict[str, Any]) -> None:
    """Same class, same fields, and the first one stays as it was; fields of a base class and of a generic one too."""
    first = _Named(7, ("a",), "c", 3)
    copy = replace(first, **changes)
    assert copy == dataclasses.replace(first, **changes)
    assert type(copy) is _Named
    assert first == _Named(7, ("a",), "c", 3)


def test_a_copy_is_frozen() -> None:
    """Nobody can change it, nor take a field away."""
    first: _Named[int] = _Named(7)
    copy = replace(first, name="b")
    with pytest.raises(dataclasses.FrozenInstanceError):
        copy.name = "c"  # type: ignore[misc]  # what is tested
    with pytest.raises(dataclasses.FrozenInstanceError):
        del copy.name
    assert copy == dataclasses.replace(first, name="b")


def test_a_copy_is_checked() -> None:
    """What the class refuses is refused in a copy."""
    with pytest.raises(ValueError, match="below zero"):
        replace(_Amount(7), credits=-1)


def test_an_unknown_field_is_refused() -> None:
    """A copy has the fields of its class, and no other."""
    with pytest.raises(AttributeError, match="nmae"):
        replace(_Named(7), nmae="b")  # type: ignore[call-arg]  # what is tested


@pytest.mark.parametrize("value", [_Derived(7), _Slotless(7)])
def test_a_class_that_cannot_be_copied_by_its_slots_is_refused(value: object) -> None:
    """A field that ``__init__`` makes itself, and one that is no slot, would be copied wrongly."""
    with pytest.raises(TypeError, match="slots"):
        replace(value, given=8)  # type: ignore[type-var]  # what is tested
