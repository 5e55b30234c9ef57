"""Gives the functions in memory the code of an edited file.

Rules of this file:
1. Only the bodies of functions are replaced. An edit that changes a module or a class beside its functions (a constant,
   a field, a decorator) is refused: what was made from it when it was imported would stay.
2. A function is found by its code, wherever it is (a method, a property, behind a decorator), and by nothing else: so
   that no other function can be meant.
"""

import gc
import types
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path


class CannotPatchError(Exception):
    """Why an edit has to be imported."""


#: The functions in memory, by their file and their code.
Functions = dict[tuple[str, types.CodeType], list[types.FunctionType]]


def functions_in(folder: Path) -> Functions:
    """All functions that are in memory, of the files below this folder."""
    found: Functions = {}
    for each in gc.get_objects():
        if type(each) is types.FunctionType and each.__code__.co_filename.startswith(f"{folder}/"):
            found.setdefault((each.__code__.co_filename, each.__code__), []).append(each)
    return found


def patch(functions: Functions, file: Path, before: str, after: str) -> None:
    """Give the functions whose code differs between the two texts of the file the code of the second."""
    for old, new in _changed(compiled(before, file), compiled(after, file), file):
        live = functions.get((str(file), old))
        if not live:
            raise CannotPatchError(f"{file.name}: no function in memory has the code of {old.co_qualname}")
        for each in live:
            each.__code__ = new


@cache  # several guards are in one file
def compiled(text: str, file: Path) -> types.CodeType:
    """The code of a file with this text."""
    return compile(text, str(file), "exec", dont_inherit=True)


def _changed(old: types.CodeType, new: types.CodeType, file: Path) -> Iterator[tuple[types.CodeType, types.CodeType]]:
    """The functions that differ, outermost first only."""
    if _without_lines(old, _without_lines) == _without_lines(new, _without_lines):
        return
    if old.co_flags & _OF_FUNCTIONS:
        yield old, new
        return
    if _without_lines(old, _same) != _without_lines(new, _same):
        raise CannotPatchError(f"{file.name}: the edit changes {old.co_qualname} beside its functions")
    for one, other in zip(_inner(old), _inner(new), strict=True):
        yield from _changed(one, other, file)


#: CO_OPTIMIZED: the locals of a function; modules and classes have a namespace.
_OF_FUNCTIONS = 1


def _inner(code: types.CodeType) -> list[types.CodeType]:
    return [each for each in code.co_consts if isinstance(each, types.CodeType)]


def _without_lines(code: types.CodeType, of_inner: Callable[..., object]) -> types.CodeType:
    """The code as it would be on other lines; ``of_inner`` stands for each code in it."""
    consts = tuple(of_inner(each, of_inner) if isinstance(each, types.CodeType) else each for each in code.co_consts)
    return code.replace(co_firstlineno=1, co_linetable=b"", co_consts=consts)


def _same(code: types.CodeType, _: object) -> str:
    return code.co_qualname
