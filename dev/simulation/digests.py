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
6. ``pickle`` walks what can change, because it is a walk in C. What it writes can be read in one way only, and each
   list and dictionary once. All else is a persistent id to it: the number of a value, the list of a tuple's parts, so
   that which of two equal texts or tuples a state has is left out, and of what can change the list of its parts, and
   from then on its place, below zero.
7. The parts of something frozen are a list that can be read in one way only, too. Texts, bytes and None stand for
   themselves, a plain number is a tuple of one, the beginning of something with parts is a tuple of two, and every
   other part is a number of this ``Digests``. ``marshal`` writes each type apart.
"""

import hashlib
import io
import marshal
import pickle
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from operator import attrgetter
from types import BuiltinFunctionType, CodeType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any, TypeVar

from dev.simulation.snapshots import is_frozen

T = TypeVar("T")

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
        written = io.BytesIO()
        _Walk(self, written).dump(whole)
        return hashlib.sha256(written.getbuffer()).digest()

    def number(self, value: Any) -> int:
        """The number of a hashable value: the same for the same."""
        return self._numbers.setdefault(value, len(self._numbers))

    def of_frozen(self, each: object, kind: type[Any]) -> int:
        """The number of a frozen value, which is known by its address from then on."""
        leaf = _leaf_of(kind)
        if leaf is not None:
            number = self.number((kind, leaf(each)))
        else:
            parts = _Parts(self)
            parts.add(_fields_of(kind)(each))
            number = self.number((kind, marshal.dumps(parts.found, _BY_VALUE)))
        self.known[id(each)] = each, number
        return number

    def of_member(self, each: Any) -> int:
        """The number of what is in a set."""
        kind = type(each)
        if kind is str or (kind is tuple and set(map(type, each)) == {str}):
            return self.number((kind, each))
        parts = _Parts(self)
        parts.add((each,))
        return self.number(marshal.dumps(parts.found, _BY_VALUE))


class _Walk(pickle.Pickler):
    """One walk through what can change."""

    def __init__(self, digests: Digests, file: io.BytesIO) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self.digests = digests
        #: The places of what can change, and itself: nothing else may come to live at its address.
        self.places: dict[int, tuple[int, Any]] = {}

    def persistent_id(self, each: Any) -> Any:
        """What stands for this; nothing for a list, a dictionary, and what only its type can take apart."""
        kind = type(each)
        if kind in _AS_IT_IS:
            return None
        if kind is str or kind is type:
            return self.digests.number(each)
        return _NUMBERED[kind](self, each, kind)

    def reducer_override(self, each: Any) -> tuple[Any, ...]:
        """How something that can change is taken apart, if only its type knows."""
        made: str | tuple[Any, ...] = each.__reduce_ex__(4)
        if isinstance(made, str):
            raise TypeError(f"{type(each).__qualname__} says no more of itself than a name")
        return made

    def place_of(self, each: Any) -> int | None:
        """Where this was met before."""
        new = len(self.places)
        place, _ = self.places.setdefault(id(each), (new, each))
        return None if place == new else -1 - place


class _Learned(dict[type[Any], T]):
    """How each type is taken apart: found out when a value of it is met first."""

    def __init__(self, learn: Callable[[type[Any]], T], known: Mapping[type[Any], T]) -> None:
        super().__init__(known)
        self._learn = learn

    def __missing__(self, kind: type[Any]) -> T:
        how = self[kind] = self._learn(kind)
        return how


_Number = Callable[[_Walk, Any, type[Any]], Any]


def _numbered(kind: type[Any]) -> _Number:
    leaf = _leaf_of(kind)
    if leaf is not None and not is_frozen(kind):
        what = leaf
        return lambda walk, each, kind: walk.digests.number((kind, what(each)))
    if is_frozen(kind):
        return _frozen
    if issubclass(kind, MappingProxyType):
        return lambda walk, each, kind: walk.place_of(each) or [walk.digests.number(kind), dict(each)]
    if kind is MethodType or _is_frozen_outside(kind):
        get = _fields_of(kind)
        return lambda walk, each, kind: walk.place_of(each) or [walk.digests.number(kind), *get(each)]
    if hasattr(kind, "state"):
        return lambda walk, each, kind: walk.place_of(each) or [walk.digests.number(kind), each.state()]
    # What pickle and copy would make another of.
    plain = all(getattr(kind, how) is getattr(object, how) for how in ("__reduce__", "__reduce_ex__", "__getstate__"))
    slots = any(vars(base).get("__slots__") for base in kind.__mro__)
    return _plain if plain and kind.__dictoffset__ and not slots else _nothing


def _nothing(_walk: _Walk, _each: Any, _kind: type[Any]) -> None:
    """Its type takes it apart."""


def _plain(walk: _Walk, each: Any, kind: type[Any]) -> int | list[Any]:
    place = walk.place_of(each)
    if place is not None:
        return place
    own = vars(each)
    return [walk.digests.number((kind, *own)), *own.values()]


def _bytes(walk: _Walk, each: bytes, kind: type[Any]) -> int:
    return walk.digests.number((kind, each))


def _frozen(walk: _Walk, each: Any, kind: type[Any]) -> int:
    known = walk.digests.known.get(id(each))
    return known[1] if known else walk.digests.of_frozen(each, kind)


def _tuple(walk: _Walk, each: tuple[Any, ...], kind: type[Any]) -> int | list[Any]:
    if set(map(type, each)) <= _TEXTS:
        return walk.digests.number((kind, each))
    return [walk.digests.number(kind), *each]


def _set(walk: _Walk, each: Any, kind: type[Any]) -> int | list[int]:
    return walk.place_of(each) or [walk.digests.number(kind), *sorted(map(walk.digests.of_member, each))]


_NUMBERED: _Learned[_Number] = _Learned(_numbered, {bytes: _bytes, tuple: _tuple, set: _set, frozenset: _set})

#: What pickle writes by value itself, and what it takes apart and knows by its place.
_AS_IT_IS = frozenset({type(None), bool, int, float, list, dict})

_TEXTS = frozenset({str})


class _Parts:
    """The parts of something frozen, all of which are values."""

    def __init__(self, digests: Digests) -> None:
        self.digests = digests
        self.found: list[Any] = []

    def add(self, several: Iterable[Any]) -> None:
        """Add each of these and all that is reached from it, in their order."""
        append, known = self.found.append, self.digests.known
        for each in several:
            kind = type(each)
            if kind in _ITSELF:
                append(each)
            elif kind in _NUMBER:
                append((each,))
            elif id(each) in known:
                append(known[id(each)][1])
            else:
                _HOW[kind](self, each, kind)

    def open(self, shape: Any, size: int) -> None:
        """So many parts of something of this shape follow."""
        self.found.append((_SHAPES.setdefault(shape, len(_SHAPES)), size))


_How = Callable[[_Parts, Any, type[Any]], None]


def _how(kind: type[Any]) -> _How:
    leaf = _leaf_of(kind)
    if leaf is not None:
        what = leaf
        return lambda parts, each, kind: parts.found.append(parts.digests.number((kind, what(each))))
    if is_frozen(kind):
        return lambda parts, each, kind: parts.found.append(parts.digests.of_frozen(each, kind))
    if issubclass(kind, (dict, MappingProxyType)):
        return _add_mapping
    if issubclass(kind, (set, frozenset)):
        return _add_set
    if kind in (list, tuple):
        return _add_sequence
    if kind is deque:
        return _add_deque
    if kind is MethodType or _is_frozen_outside(kind):
        return _add_fields
    return _refuse


def _refuse(_parts: _Parts, _each: Any, kind: type[Any]) -> None:
    raise TypeError(f"{kind.__qualname__} can change, and is in something that is frozen")


def _add_fields(parts: _Parts, each: Any, kind: type[Any]) -> None:
    parts.open(kind, 0)
    parts.add(_fields_of(kind)(each))


def _add_mapping(parts: _Parts, each: Any, kind: type[Any]) -> None:
    parts.open(kind, len(each))
    parts.add(each)
    parts.add(each.values())
    _add_own(parts, each, kind)


def _add_set(parts: _Parts, each: Any, kind: type[Any]) -> None:
    parts.open(kind, len(each))
    parts.found += sorted(map(parts.digests.of_member, each))
    _add_own(parts, each, kind)


def _add_sequence(parts: _Parts, each: Any, kind: type[Any]) -> None:
    parts.open(kind, len(each))
    parts.add(each)


def _add_deque(parts: _Parts, each: deque[Any], kind: type[Any]) -> None:
    parts.open((kind, each.maxlen), len(each))
    parts.add(each)


def _add_own(parts: _Parts, each: Any, kind: type[Any]) -> None:
    """Add what a subclass of a mapping or a set has beside its items."""
    if kind.__dictoffset__:
        own = vars(each)
        parts.open((dict, *own), len(own))
        parts.add(own.values())


def _is_frozen_outside(kind: type[Any]) -> bool:
    """Whether this is a frozen dataclass. What it has may change all the same."""
    return is_dataclass(kind) and bool(kind.__dataclass_params__.frozen)  # type: ignore[attr-defined]


def _fields_of(kind: type[Any]) -> "_Fields":
    """All parts of a method, or of a frozen value, as a tuple."""
    if kind not in _FIELDS:
        names = [each.name for each in fields(kind)]
        get = attrgetter(*names) if names else lambda _: ()
        _FIELDS[kind] = get if len(names) != 1 else lambda each: (get(each),)
    return _FIELDS[kind]


_Fields = Callable[[Any], tuple[Any, ...]]


_Leaf = Callable[[Any], Any]


def _leaf_of(kind: type[Any]) -> _Leaf | None:
    """What a value of this kind is known by, if it has no parts."""
    return next((leaf for kinds, leaf in _LEAVES if issubclass(kind, kinds)), None)


def _moment(each: Any) -> Any:
    return each, each.tzinfo, each.fold


def _function(each: Any) -> Any:
    if each.__closure__:
        raise TypeError(f"{each.__qualname__} remembers something that can change")
    if each.__defaults__ or each.__kwdefaults__ or each.__dict__:
        return each
    return each.__module__, each.__qualname__, _code_of(each.__code__)


def _code_of(code: CodeType) -> int:
    """The number of a function's code, which takes long to hash: it is known by its address from then on."""
    if id(code) not in _CODES:
        _CODES[id(code)] = code, _EQUAL_CODES.setdefault(code, len(_EQUAL_CODES))
    return _CODES[id(code)][1]


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

#: What was found out so far: how those of a type are added, what its parts are, and the number of each shape.
_HOW: _Learned[_How] = _Learned(_how, {})
_FIELDS: dict[type[Any], _Fields] = {MethodType: attrgetter("__func__", "__self__")}
_SHAPES: dict[Any, int] = {}

_CODES: dict[int, tuple[CodeType, int]] = {}
_EQUAL_CODES: dict[CodeType, int] = {}
