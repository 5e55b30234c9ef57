"""Reading the tables of a TOML file: one function for each kind of value.

Rules of this file:
1. Each function checks its value completely, or raises CatalogError. The text names the place (``where``: the file and
   the entry), the field, and what is allowed.
2. A file that is laid over another changes it table by table and field by field.
"""

import math
import tomllib
from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from typing import Any, TypeVar

Table = Mapping[str, Any]
E = TypeVar("E", bound=StrEnum)


class CatalogError(ValueError):
    """The catalogue or the plans cannot be used. The text names the file, the model or plan, and the field."""


def read_toml(text: str, file: str, over: str = "", over_file: str = "") -> tuple[Table, str]:
    """The decoded file with another file laid over it, and the name that errors use.

    With ``replace = true``, the other file replaces the first.
    """
    return read_over(decoded(text, file), file, over, over_file)


def read_over(raw: Table, file: str, over: str, over_file: str) -> tuple[Table, str]:
    """The same for a file that is decoded already."""
    if not over:
        return raw, file
    added = decoded(over, over_file)
    return (added if added.get("replace") is True else laid(raw, added)), over_file


def decoded(text: str, file: str) -> Table:
    """The tables of a file. Raises CatalogError if it is not TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CatalogError(f"{file}: not TOML: {error}") from error


def laid(under: Table, over: Table) -> dict[str, Any]:
    """Table ``under`` with the fields of ``over`` laid on it. A list replaces a list."""
    result = dict(under)
    for name, value in over.items():
        below = result.get(name)
        result[name] = laid(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def check_known(where: str, table: Table, known: Collection[str]) -> None:
    """Check that a table has no field but the ``known`` ones: an unknown one may be a typing error."""
    for name in table:
        if name not in known:
            raise CatalogError(f"{where}, {name}: is not known; known are {', '.join(sorted(known))}")


def names(where: str, table: Table, field: str) -> tuple[str, ...]:
    """A list of names. Empty if it is left out."""
    value = table.get(field, [])
    texts = [name for name in value if isinstance(name, str)] if isinstance(value, list) else []
    if texts != value or len(set(texts)) != len(texts):
        raise CatalogError(f"{where}, {field}: must be a list of names, each once")
    return tuple(texts)


def text(where: str, table: Table, field: str) -> str:
    """A text. Empty if it is left out."""
    value = table.get(field, "")
    if not isinstance(value, str):
        raise CatalogError(f"{where}, {field}: must be a text")
    return value


def flag(where: str, table: Table, field: str) -> bool:
    """True or false. False if it is left out."""
    value = table.get(field, False)
    if not isinstance(value, bool):
        raise CatalogError(f"{where}, {field}: must be true or false")
    return value


def number(where: str, table: Table, field: str, default: float) -> float:
    """A number that is not NaN."""
    value = table.get(field, default)
    if not isinstance(value, (int, float)) or isinstance(value, bool) or math.isnan(value):
        raise CatalogError(f"{where}, {field}: must be a number")
    return value


def subtable(where: str, table: Table, field: str) -> Table:
    """A table within the table. Empty if it is left out."""
    value = table.get(field, {})
    if not isinstance(value, dict):
        raise CatalogError(f"{where}, {field}: must be a table")
    return value


def word(where: str, table: Table, field: str, words: Iterator[str] | Any) -> str:
    """One of the ``words``. It cannot be left out."""
    value = table.get(field)
    if value not in tuple(words):
        raise CatalogError(f"{where}, {field}: must be one of {', '.join(words)}")
    return str(value)


def choice(where: str, table: Table, field: str, kind: type[E], default: E | None) -> E:
    """A member of an enum. It can be left out only if there is a default."""
    if field not in table and default is not None:
        return default
    try:
        return kind(str(table.get(field)))
    except ValueError:
        raise CatalogError(f"{where}, {field}: must be one of {', '.join(kind)}") from None


def whole(where: str, table: Table, field: str, low: int, high: int) -> int:
    """A whole number within its bounds. It cannot be left out."""
    value = table.get(field) if isinstance(table, dict) else None
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise CatalogError(f"{where}, {field}: must be a whole number from {low} to {high}, not {value!r}")
    return value


def margin_percent(where: str, table: Table) -> int | None:
    """The least margin of a plan or a model, in per cent of what its credits are sold for. None: it is left out."""
    field = "min_margin_percent"
    return whole(where, table, field, 0, 99) if field in table else None
