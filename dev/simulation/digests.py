"""Digests: two states are the same if everything that the future can depend on is the same.

Rules of this file:
1. A digest is exact: all that is reached is in it, by value and in order. What can change is also in it by identity:
   one list in two places is another state than two equal lists. Two states with one digest go on alike, if what goes
   on is a function of the state.
2. Types are walked as Python takes them apart, never by the names of their fields. What cannot be taken apart is
   refused, not left out.
3. What is frozen is a value, as in snapshots.py: it was taken apart once, and is a number from then on. Numbers are
   those of one ``Digests``, which alone can compare its digests.
4. A type with a method ``state`` says itself what of it counts.
5. The order in a set is left out: nothing that gives the same twice depends on it.
"""

import hashlib
import marshal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from datetime import date, datetime, time, timedelta
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any

from dev.simulation.snapshots import is_frozen

#: So many values are known by their address, and kept alive for it; then all are looked at anew.
MOST_KNOWN = 50_000


class Digests:
    """Makes digests that can be compared with each other."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}
        self._known: dict[int, tuple[Any, int]] = {}

    def of(self, whole: object) -> bytes:
        """The digest of all that is reached from here."""
        if len(self._known) > MOST_KNOWN:
            self._known.clear()
        walk = _Walk(self)
        walk.add(whole)
        return hashlib.sha256(marshal.dumps(walk.parts, 2)).digest()

    def number(self, value: Any) -> int:
        """The number of a hashable value: the same for the same."""
        return self._numbers.setdefault(value, len(self._numbers))

    def of_frozen(self, each: object, kind: type[Any]) -> int:
        """The number of a frozen value."""
        known = self._known.get(id(each))
        if known is not None:
            return known[1]
        walk = _Walk(self, by_value=True)
        _take_apart(walk, each, kind)
        number = self.number((kind, *walk.parts))
        self._known[id(each)] = each, number
        return number

    def of_value(self, each: object) -> int:
        """The number of what is in a set."""
        if type(each) is tuple and all(type(part) is str for part in each):
            return self.number((str, each))  # nothing else has a number by these
        walk = _Walk(self, by_value=True)
        walk.add(each)
        return self.number(tuple(walk.parts))


class _Walk:
    """One walk: ``parts`` is all that was met, so that it can only be read in one way."""

    def __init__(self, digests: Digests, *, by_value: bool = False) -> None:
        self.digests = digests
        self.by_value = by_value
        self.parts: list[Any] = []
        self._places: dict[int, int] = {}
        self._alive: list[Any] = []

    def add(self, each: Any) -> None:
        """Add something, and all that is reached from it."""
        kind = type(each)
        if kind is str or kind is bytes or each is None:
            self.parts.append(each)  # no number is one of these
            return
        leaf = _LEAF[kind] if kind in _LEAF else _leaf_of(kind)
        if leaf is not None:
            self.parts.append(self.digests.number((kind, leaf(each))))
        elif is_frozen(kind):
            self.parts.append(self.digests.of_frozen(each, kind))
        elif self.by_value or kind is tuple or not self._was_here(each):
            _take_apart(self, each, kind)

    def add_items(self, items: Mapping[Any, Any]) -> None:
        """Add names and what they name, in their order."""
        for name, value in items.items():
            self.add(name)
            self.add(value)

    def open(self, kind: type[Any], size: int) -> None:
        """So many parts of one thing follow."""
        self.parts += (self.digests.number(kind), size)

    def _was_here(self, each: object) -> bool:
        place = self._places.setdefault(id(each), len(self._places))
        if place < len(self._alive):
            self.parts.append(self.digests.number(("again", place)))
            return True
        self._alive.append(each)  # nothing else may come to live at its address
        return False


def _take_apart(walk: _Walk, each: Any, kind: type[Any]) -> None:
    """Add the parts of what has parts."""
    apart = _APART.get(kind)
    if apart is None:
        apart = _APART[kind] = _apart_of(kind)
    if walk.by_value and apart in (_stated, _plain, _reduced):
        raise TypeError(f"{kind.__qualname__} can change, and is in something that is frozen")
    apart(walk, each, kind)


def _apart_of(kind: type[Any]) -> "_Apart":
    """How what is of this kind is taken apart."""
    if issubclass(kind, (dict, MappingProxyType)):
        return _mapping
    if issubclass(kind, (set, frozenset)):
        return _set
    if kind in (list, tuple):
        return _sequence
    if kind is MethodType or is_frozen(kind):
        return _named
    if hasattr(kind, "state"):
        return _stated
    # What pickle and copy would make another of.
    plain = all(getattr(kind, how) is getattr(object, how) for how in ("__reduce__", "__reduce_ex__", "__getstate__"))
    slots = any(vars(base).get("__slots__") for base in kind.__mro__)
    return _plain if plain and kind.__dictoffset__ and not slots else _reduced


def _mapping(walk: _Walk, each: Any, kind: type[Any]) -> None:
    walk.open(kind, len(each))
    walk.add_items(each)
    _add_own(walk, each, kind)


def _set(walk: _Walk, each: Any, kind: type[Any]) -> None:
    walk.open(kind, len(each))
    walk.parts += sorted(walk.digests.of_value(one) for one in each)
    _add_own(walk, each, kind)


def _sequence(walk: _Walk, each: Any, kind: type[Any]) -> None:
    walk.open(kind, len(each))
    for one in each:
        walk.add(one)


def _named(walk: _Walk, each: Any, kind: type[Any]) -> None:
    names = _names_of(kind)
    walk.open(kind, len(names))
    for name in names:
        walk.add(getattr(each, name))


def _stated(walk: _Walk, each: Any, kind: type[Any]) -> None:
    walk.open(kind, 1)
    walk.add(each.state())


def _plain(walk: _Walk, each: Any, kind: type[Any]) -> None:
    walk.open(kind, len(vars(each)))
    walk.add_items(vars(each))


def _reduced(walk: _Walk, each: Any, kind: type[Any]) -> None:
    made: str | tuple[Any, ...] = each.__reduce_ex__(4)
    if isinstance(made, str):
        raise TypeError(f"{kind.__qualname__} says no more of itself than a name")
    walk.open(kind, len(made))
    for part in made:
        walk.add(list(part) if isinstance(part, Iterator) else part)


def _add_own(walk: _Walk, each: Any, kind: type[Any]) -> None:
    """Add what a subclass of a mapping or a set has beside its items."""
    if kind.__dictoffset__:
        walk.open(dict, len(vars(each)))
        walk.add_items(vars(each))


_Apart = Callable[[_Walk, Any, type[Any]], None]

#: How those of a type are taken apart, as far as it was found out.
_APART: dict[type[Any], _Apart] = {}


def _names_of(kind: type[Any]) -> tuple[str, ...]:
    """The names of all parts of a method, or of a frozen value."""
    if kind not in _NAMES:
        _NAMES[kind] = tuple(each.name for each in fields(kind))
    return _NAMES[kind]


def _leaf_of(kind: type[Any]) -> "_Leaf | None":
    """What distinguishes one from another among those of this kind; nothing for what has parts."""
    if kind not in _LEAF:
        _LEAF[kind] = next((leaf for kinds, leaf in _LEAVES if issubclass(kind, kinds)), None)
    return _LEAF[kind]


_Leaf = Callable[[Any], Any]

#: What was found out of a type so far.
_NAMES: dict[type[Any], tuple[str, ...]] = {MethodType: ("__func__", "__self__")}
_LEAF: dict[type[Any], _Leaf | None] = {}


def _moment(each: Any) -> Any:
    return each, each.tzinfo, each.fold


def _function(each: Any) -> Any:
    if each.__closure__:
        raise TypeError(f"{each.__qualname__} remembers something that can change")
    if each.__defaults__ or each.__kwdefaults__ or each.__dict__:
        return each
    return each.__module__, each.__qualname__, each.__code__


def _builtin(each: Any) -> Any:
    if not isinstance(each.__self__, ModuleType | None):
        raise TypeError(f"{each.__qualname__} is a part of something that can change")
    return each


def _itself(each: Any) -> Any:
    return each


#: In this order: a datetime is a date, too.
_LEAVES: tuple[tuple[tuple[type[Any], ...], _Leaf], ...] = (
    ((datetime, time), _moment),
    ((float,), repr),
    ((FunctionType,), _function),
    ((BuiltinFunctionType,), _builtin),
    ((int, date, timedelta, Enum, range, type), _itself),
)
