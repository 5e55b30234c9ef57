"""Lenient reading of foreign JSON: one bad value loses only itself.

Rules of this file:
1. Nothing is raised: bytes that are not JSON become None. A truncated page is not JSON, and never a shorter page.
2. An integer too long for Python is absent (None). Invalid UTF-8 within a text becomes U+FFFD.
3. A list is read entry by entry. If an entry is nested too deep, only its deep field is absent; the others are there.
"""

import json
import re

#: More digits than any meaningful number has. Python itself refuses 4,300.
_DIGITS = 40

#: The tokens that give a JSON text its outline.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]', re.DOTALL)


class _NoJsonError(Exception):
    """The text is not JSON. Never leaves this file."""


def parsed(raw: bytes | str) -> object:
    """The value, or None if the text is not JSON."""
    try:
        return _read(raw)
    except (_NoJsonError, RecursionError):
        return None


def fields_of(raw: bytes, several: str) -> dict[str, object] | None:
    """The fields of an object that has a list named ``several``; None if there is no such object.

    If it is nested too deep to be read at once, its fields and the entries of that list are read one by one.
    """
    try:
        try:
            whole = _read(raw)
        except RecursionError:
            whole = _read_by_fields(raw.decode("utf-8", "replace").strip(), several)
    except (_NoJsonError, RecursionError):
        return None
    return whole if isinstance(whole, dict) else None


def _read(raw: bytes | str) -> object:
    """The value. Raises RecursionError if it is nested too deep, _NoJsonError if it is not JSON."""
    try:
        return json.loads(raw)
    except ValueError:
        text = raw if isinstance(raw, str) else raw.decode("utf-8", "replace")
    try:
        return json.loads(text, parse_int=_whole)
    except ValueError:
        raise _NoJsonError from None


def _whole(digits: str) -> int | None:
    return int(digits) if len(digits) <= _DIGITS else None


def _read_by_fields(text: str, several: str = "") -> dict[str, object]:
    """An object, its fields read one by one. A field that is nested too deep is absent."""
    if not text.startswith("{"):
        raise _NoJsonError
    found: dict[str, object] = {}
    for part in _split(text):
        name = _TOKEN.match(part)
        if name is None or not name[0].startswith('"') or not part[name.end() :].lstrip().startswith(":"):
            raise _NoJsonError
        value = part[name.end() :].lstrip()[1:].strip()
        field = str(_read(name[0]))
        if field == several and value.startswith("["):
            found[field] = [_read_entry(entry) for entry in _split(value)]
        else:
            found[field] = _read_or_none(value)
    return found


def _read_entry(text: str) -> object:
    """One entry of a list. If it is nested too deep, it is read field by field."""
    try:
        return _read(text)
    except RecursionError:
        return _read_by_fields(text) if text.startswith("{") else None


def _read_or_none(text: str) -> object:
    try:
        return _read(text)
    except RecursionError:
        return None


def _split(text: str) -> list[str]:
    """The text between the outer brackets, split at the commas of that level."""
    depth, start, parts = 0, 1, list[str]()
    for token in _TOKEN.finditer(text):
        match token[0]:
            case "{" | "[":
                depth += 1
            case "}" | "]":
                depth -= 1
                if depth == 0:
                    if token.end() != len(text):
                        raise _NoJsonError
                    last = text[start : token.start()].strip()
                    return [*parts, last] if parts or last else []
            case "," if depth == 1:
                parts.append(text[start : token.start()].strip())
                start = token.end()
    raise _NoJsonError
