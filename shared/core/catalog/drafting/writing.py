"""Writing an operator's catalogue file: an entry as TOML, and a file with one entry added, replaced or changed.

Rules of this file:
1. All that is not the entry stays as it is, comments too.
2. The result is read back: it must be the old file's content with exactly this entry changed. A file in which an entry
   cannot be found by its headers (an inline table, a dotted key) is refused, and never guessed at.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from shared.core.catalog.reading import CatalogError

#: The tables of an entry that have a header of their own.
_TABLES = ("inputs", "settable", "marks")

_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def with_entry(text: str, name: str, entry: Mapping[str, Any], comments: tuple[str, ...] = ()) -> str:
    """The file with this entry, in place of one with this name if there is one. Raises CatalogError (rule 2).

    Without ``comments`` those above the old entry stay.
    """
    before = _decoded(text)
    wanted = {**before, "models": {**_models(before), name: _plain(entry)}}
    rest, above = _without(text, name)
    rest = rest.rstrip("\n")
    written = f"{rest}\n\n" if rest else ""
    result = written + entry_text(name, entry, comments or above)
    try:
        good = tomllib.loads(result) == wanted
    except tomllib.TOMLDecodeError:  # such as a model that is declared twice
        good = False
    if not good:
        raise CatalogError(f"the entry {name} cannot be written without changing another: write it by hand")
    return result


def changed_entry(text: str, name: str) -> Mapping[str, Any]:
    """What the file says of a model. Empty if it says nothing."""
    found = _models(_decoded(text)).get(name)
    return found if isinstance(found, dict) else {}


def entry_text(name: str, entry: Mapping[str, Any], comments: tuple[str, ...] = ()) -> str:
    """An entry as the catalogue writes it: the model, then its inputs and what can be set, then its open marks."""
    tables = {key: entry[key] for key in _TABLES if isinstance(entry.get(key), Mapping) and entry[key]}
    lines = [f"# {_one_line(comment)}" for comment in comments]
    lines.append(f"[models.{_key(name)}]")
    lines += [f"{_key(key)} = {value_text(value)}" for key, value in _plain(entry).items() if key not in tables]
    for table, inner in tables.items():
        lines += ["", f"[models.{_key(name)}.{table}]"]
        lines += [f"{_key(key)} = {value_text(value)}" for key, value in inner.items()]
    return "\n".join(lines) + "\n"


def _decoded(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CatalogError(f"the catalogue file is not TOML: {error}") from None


def _models(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    found = raw.get("models", {})
    if not isinstance(found, dict):
        raise CatalogError("the catalogue file, models: must be a table")
    return found


def _plain(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The entry as it is read back: without empty tables."""
    return {key: value for key, value in entry.items() if not (key in _TABLES and value in ({}, None))}


def _without(text: str, name: str) -> tuple[str, tuple[str, ...]]:
    """The file without the lines of one model and the comments right above it; and these comments."""
    kept: list[str] = []
    removed: list[str] = []
    above: list[str] = []  # comments that belong to the header below them
    skipping = False
    for line in text.splitlines():
        if header := _header(line):
            skipping = header[:2] == ["models", name]
            removed += above if skipping else []
        elif line.startswith("#"):
            above.append(line)
            continue
        if not skipping:
            kept += [*above, line]
        above = []
    lines = [*kept, *([] if skipping else above)]
    return "\n".join(lines) + "\n" if lines else "", tuple(line.lstrip("# ") for line in removed)


def _header(line: str) -> list[str]:
    """The keys of a table's header. Empty for any other line."""
    if not line.lstrip().startswith("["):
        return []
    try:
        return list(_path(tomllib.loads(line)))
    except tomllib.TOMLDecodeError:
        return []


def _path(table: object) -> Iterator[str]:
    while isinstance(table, dict) and len(table) == 1:
        key, table = next(iter(table.items()))
        yield key


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _string(name)


def value_text(value: Any) -> str:
    """A value as TOML writes it. Raises CatalogError for a type that TOML does not have."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return _string(value)
        case int() | float():
            return repr(value)
        case date():
            return value.isoformat()
        case Mapping():
            inner = ", ".join(f"{_key(str(key))} = {value_text(each)}" for key, each in value.items())
            return f"{{ {inner} }}" if inner else "{}"
        case list() | tuple():
            return f"[{', '.join(map(value_text, value))}]"
        case _:
            raise CatalogError(f"a value of the type {type(value).__name__} cannot be written as TOML")


def _string(text: str) -> str:
    """A basic string: JSON's escapes are TOML's, but for the delete character and characters outside of UTF-8."""
    return json.dumps(text.encode("utf-8", "replace").decode(), ensure_ascii=False).replace("\x7f", "\\u007F")


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)
