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
6. A walk is a list of parts that can be read in one way only. Texts, bytes and None stand for themselves, a plain
   number is a tuple of one, the beginning of something with parts is a tuple of two, and every other part is a number
   of this ``Digests``. ``marshal`` writes each type apart.
"""

import hashlib
import marshal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from operator import attrgetter
from types import BuiltinFunctionType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any

from dev.simulation.snapshots import is_frozen

#: So many values are known by their address, and kept alive for it; then all are looked at anew.
MOST_KNOWN = 50_000

#: How marshal writes: with equal bytes for equal values, whichever of them are one object.
_BY_VALUE = 2


class Digests:
    """Makes digests that can be compared with each other."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}
        self.known: dict[int, tuple[Any, int]] = {}

    def of(self, whole: object) -> bytes:
        """The digest of all that is reached from here."""
        if len(self.known) > MOST_KNOWN:
            self.known.clear()
        walk = _Walk(self)
        walk.add((whole,))
        return hashlib.sha256(marshal.dumps(walk.parts, _BY_VALUE)).digest()

    def number(self, value: Any) -> int:
        """The number of a hashable value: the same for the same."""
        return self._numbers.setdefault(value, len(self._numbers))

    def of_frozen(self, each: object, kind: type[Any]) -> int:
        """The number of a frozen value, which is known by its address from then on."""
        walk = _Walk(self, by_value=True)
        _named(walk, each, kind)
        number = self.number((kind, marshal.dumps(walk.parts, _BY_VALUE)))
        self.known[id(each)] = each, number
        return number

    def of_member(self, each: Any) -> int:
        """The number of what is in a set."""
        kind = type(each)
        if kind is str or (kind is tuple and set(map(type, each)) == {str}):
            return self.number((kind, each))
        walk = _Walk(self, by_value=True)
        walk.add((each,))
        return self.number(marshal.dumps(walk.parts, _BY_VALUE))


class _Walk:
    """One walk: ``parts`` is all that was met, so that it can only be read in one way."""

    def __init__(self, digests: Digests, *, by_value: bool = False) -> None:
        self.digests = digests
        self.by_value = by_value
        self.parts: list[Any] = []
        self._places: dict[int, int] = {}
        self._alive: list[Any] = []

    def add(self, several: Iterable[Any]) -> None:
        """Add each of these and all that is reached from it, in their order."""
        append, known = self.parts.append, self.digests.known
        for each in several:
            kind = type(each)
            if kind in _ITSELF:
                append(each)
            elif kind in _NUMBER:
                append((each,))
            elif id(each) in known:
                append(known[id(each)][1])
            else:
                (_HOW.get(kind) or _learned(kind))(self, each, kind)

    def opens(self, each: Any, shape: Any, size: int = 0) -> bool:
        """Whether this is new here: then so many parts of something of this shape follow."""
        if not self.by_value:
            new = len(self._places)
            place = self._places.setdefault(id(each), new)
            if place != new:
                self.parts.append((_AGAIN, place))
                return False
            self._alive.append(each)  # nothing else may come to live at its address
        self.parts.append((_SHAPES.setdefault(shape, len(_SHAPES)), size))
        return True

    def open(self, shape: Any, size: int) -> None:
        """So many parts of something of this shape follow."""
        self.parts.append((_SHAPES.setdefault(shape, len(_SHAPES)), size))


_How = Callable[[_Walk, Any, type[Any]], None]


def _learned(kind: type[Any]) -> _How:
    """How something of this kind is added."""
    how = _HOW[kind] = _how(kind)
    return how


def _how(kind: type[Any]) -> _How:
    leaf = next((leaf for kinds, leaf in _LEAVES if issubclass(kind, kinds)), None)
    if leaf is not None:
        return _leaf_by(leaf)
    if is_frozen(kind):
        return _frozen
    if issubclass(kind, (dict, MappingProxyType)):
        return _mapping
    if issubclass(kind, (set, frozenset)):
        return _set
    if kind in _SEQUENCES:
        return _SEQUENCES[kind]
    if kind is MethodType or _is_frozen_outside(kind):
        return _named_once
    if hasattr(kind, "state"):
        return _stated
    # What pickle and copy would make another of.
    plain = all(getattr(kind, how) is getattr(object, how) for how in ("__reduce__", "__reduce_ex__", "__getstate__"))
    slots = any(vars(base).get("__slots__") for base in kind.__mro__)
    return _plain if plain and kind.__dictoffset__ and not slots else _reduced


def _leaf_by(what: "_Leaf") -> _How:
    def add(walk: _Walk, each: Any, kind: type[Any]) -> None:
        walk.parts.append(walk.digests.number((kind, what(each))))

    return add


def _frozen(walk: _Walk, each: Any, kind: type[Any]) -> None:
    walk.parts.append(walk.digests.of_frozen(each, kind))


def _mapping(walk: _Walk, each: Any, kind: type[Any]) -> None:
    if walk.opens(each, kind, len(each)):
        if each:
            walk.add(each)
            walk.add(each.values())
        _add_own(walk, each, kind)


def _set(walk: _Walk, each: Any, kind: type[Any]) -> None:
    if walk.opens(each, kind, len(each)):
        if each:
            walk.parts += sorted(map(walk.digests.of_member, each))
        _add_own(walk, each, kind)


def _list(walk: _Walk, each: list[Any], kind: type[Any]) -> None:
    if walk.opens(each, kind, len(each)) and each:
        walk.add(each)


def _tuple(walk: _Walk, each: tuple[Any, ...], kind: type[Any]) -> None:
    walk.open(kind, len(each))
    walk.add(each)


def _deque(walk: _Walk, each: deque[Any], kind: type[Any]) -> None:
    if walk.opens(each, (kind, each.maxlen), len(each)):
        walk.add(each)


def _named_once(walk: _Walk, each: Any, kind: type[Any]) -> None:
    if walk.opens(each, kind):
        walk.add(_parts_of(kind)(each))


def _named(walk: _Walk, each: Any, kind: type[Any]) -> None:
    walk.add(_parts_of(kind)(each))


def _stated(walk: _Walk, each: Any, kind: type[Any]) -> None:
    _refuse_in_frozen(walk, kind)
    if walk.opens(each, kind):
        walk.add((each.state(),))


def _plain(walk: _Walk, each: Any, kind: type[Any]) -> None:
    _refuse_in_frozen(walk, kind)
    own = vars(each)
    if walk.opens(each, (kind, *own)):
        walk.add(own.values())


def _reduced(walk: _Walk, each: Any, kind: type[Any]) -> None:
    _refuse_in_frozen(walk, kind)
    made: str | tuple[Any, ...] = each.__reduce_ex__(4)
    if isinstance(made, str):
        raise TypeError(f"{kind.__qualname__} says no more of itself than a name")
    if walk.opens(each, kind, len(made)):
        walk.add(list(part) if isinstance(part, Iterator) else part for part in made)


def _refuse_in_frozen(walk: _Walk, kind: type[Any]) -> None:
    if walk.by_value:
        raise TypeError(f"{kind.__qualname__} can change, and is in something that is frozen")


def _add_own(walk: _Walk, each: Any, kind: type[Any]) -> None:
    """Add what a subclass of a mapping or a set has beside its items."""
    if kind.__dictoffset__:
        own = vars(each)
        walk.open((dict, *own), len(own))
        walk.add(own.values())


def _is_frozen_outside(kind: type[Any]) -> bool:
    """Whether this is a frozen dataclass. What it has may change all the same."""
    return is_dataclass(kind) and bool(kind.__dataclass_params__.frozen)  # type: ignore[attr-defined]


def _parts_of(kind: type[Any]) -> "_Parts":
    """All parts of a method, or of a frozen value, as a tuple."""
    if kind not in _PARTS:
        names = [each.name for each in fields(kind)]
        get = attrgetter(*names) if names else lambda _: ()
        _PARTS[kind] = get if len(names) != 1 else lambda each: (get(each),)
    return _PARTS[kind]


_Parts = Callable[[Any], tuple[Any, ...]]


_Leaf = Callable[[Any], Any]


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
    ((float,), repr),  # of its subclasses
    ((FunctionType,), _function),
    ((BuiltinFunctionType,), _builtin),
    ((int, date, timedelta, Enum, range, type), _itself),
)

#: What is its own part, and what is a part in a tuple of its own.
_ITSELF = frozenset({str, bytes, type(None)})
_NUMBER = frozenset({int, bool, float})

_SEQUENCES: dict[type[Any], _How] = {list: _list, tuple: _tuple, deque: _deque}

#: What was found out so far: how those of a type are added, what its parts are, and the number of each shape.
_HOW: dict[type[Any], _How] = {}
_PARTS: dict[type[Any], _Parts] = {MethodType: attrgetter("__func__", "__self__")}
_SHAPES: dict[Any, int] = {}

#: No shape has this number.
_AGAIN = -1
