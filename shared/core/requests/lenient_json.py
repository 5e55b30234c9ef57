"""JSON that somebody else wrote, read so that one bad value spoils nothing but itself.

Rules of this file:
1. Nothing is raised: what is no JSON is None. A page that is cut off is no JSON, and never a shorter page.
2. A whole number that is too long for Python is absent (None), and what is no UTF-8 within a text is U+FFFD.
3. A list is read entry by entry: of one that is nested too deep the deep field is absent, and the others are there.
"""

import json
import re

#: More digits than any number has that means something; Python itself refuses 4,300.
_DIGITS = 40

#: What the outline of a JSON text is made of.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]', re.DOTALL)


class _NoJsonError(Exception):
    """It is none; never leaves this file."""


def parsed(raw: bytes | str) -> object:
    """The value, or None where there is none."""
    try:
        return _read(raw)
    except (_NoJsonError, RecursionError):
        return None


def fields_of(raw: bytes, several: str) -> dict[str, object] | None:
    """The fields of an object that holds a list named ``several``; None where there is no such object.

    Where it is nested too deep to be read at once, its fields and the entries of that list are read one by one.
    """
    try:
        try:
            whole = _read(raw)
        except RecursionError:
            whole = _by_fields(raw.decode("utf-8", "replace").strip(), several)
    except (_NoJsonError, RecursionError):
        return None
    return whole if isinstance(whole, dict) else None


def _read(raw: bytes | str) -> object:
    """The value. Raises RecursionError where it is nested too deep."""
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


def _by_fields(text: str, several: str = "") -> dict[str, object]:
    """An object whose fields are read one by one; one that is too deep is absent."""
    if not text.startswith("{"):
        raise _NoJsonError
    found: dict[str, object] = {}
    for part in _parts(text):
        name = _TOKEN.match(part)
        if name is None or not name[0].startswith('"') or not part[name.end() :].lstrip().startswith(":"):
            raise _NoJsonError
        value = part[name.end() :].lstrip()[1:].strip()
        told = str(_read(name[0]))
        if told == several and value.startswith("["):
            found[told] = [_by_itself(entry) for entry in _parts(value)]
        else:
            found[told] = _or_absent(value)
    return found


def _by_itself(text: str) -> object:
    """An entry; an object that is too deep without the fields that are."""
    try:
        return _read(text)
    except RecursionError:
        return _by_fields(text) if text.startswith("{") else None


def _or_absent(text: str) -> object:
    try:
        return _read(text)
    except RecursionError:
        return None


def _parts(text: str) -> list[str]:
    """What stands between the outer brackets, cut at the commas between them."""
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
