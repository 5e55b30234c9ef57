"""Snapshots: what has gone the same way once need not go it again.

Rules of this file:
1. All that can change is copied, by ``pickle``: it reaches everything, and refuses what it does not understand. What is
   frozen is shared, for nobody can change it; so are texts, types, and a function that remembers nothing.
2. Dependencies are frozen, and their ports are not: they are copied.
3. A copy goes on exactly as what came there by itself: tests/reliability/test_snapshots.py compares them.
"""

import io
import pickle
from dataclasses import is_dataclass
from datetime import date, timedelta
from enum import Enum
from types import FunctionType
from typing import Any, Generic, TypeVar

from shared.ports import Dependencies

T = TypeVar("T")


class Snapshot(Generic[T]):
    """Something as it was when this was made, for as many copies as are wanted."""

    def __init__(self, whole: T) -> None:
        buffer = io.BytesIO()
        writer = _Writer(buffer)
        writer.dump(whole)
        self._written = buffer.getvalue()
        self._frozen = writer.frozen

    def copy(self) -> T:
        """Another one, which shares nothing with any other that can change."""
        reader = pickle.Unpickler(io.BytesIO(self._written))
        reader.persistent_load = self._frozen.__getitem__  # type: ignore[method-assign]  # a call of C, not of Python
        whole: T = reader.load()
        return whole


class _Writer(pickle.Pickler):
    """Leaves out what is frozen, and keeps it beside."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self.frozen: list[Any] = []
        self._places: dict[int, int] = {}

    def persistent_id(self, each: Any) -> int | None:
        """The place of what is frozen; nothing of what is to be copied."""
        if not is_frozen(type(each)):
            return None
        if isinstance(each, FunctionType) and each.__closure__:
            raise pickle.PicklingError(f"{each.__qualname__} remembers something that can change")
        place = self._places.setdefault(id(each), len(self.frozen))
        if place == len(self.frozen):
            self.frozen.append(each)
        return place


#: What was found out so far: it is asked for everything that is written.
_FROZEN: dict[type[Any], bool] = {}


def is_frozen(kind: type[Any]) -> bool:
    """Whether nothing of this kind ever changes, and it is quicker to keep it than to make another one."""
    if kind not in _FROZEN:
        _FROZEN[kind] = _is_frozen(kind)
    return _FROZEN[kind]


def _is_frozen(kind: type[Any]) -> bool:
    if issubclass(kind, (Enum, date, timedelta, FunctionType, type, str)):
        return True
    return is_dataclass(kind) and kind.__dataclass_params__.frozen and kind is not Dependencies  # type: ignore[attr-defined]
