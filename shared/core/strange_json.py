"""JSON that somebody else wrote, read so that one bad value spoils nothing but itself.

Rules of this file:
1. Nothing is raised: what is no JSON is None.
2. A whole number that is too long for Python is absent (None), as is what is no UTF-8 within a text (U+FFFD).
3. A list is read entry by entry: one that is nested too deep is left out, and the others are there.
"""

import json
import re
from collections.abc import Iterator

#: More digits than any number has that means something; Python itself refuses 4,300.
_DIGITS = 40

#: What the outline of a JSON text is made of.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]', re.DOTALL)


def parsed(raw: bytes | str) -> object:
    """The value, or None where there is none."""
    try:
        return json.loads(raw)
    except RecursionError:
        return None
    except ValueError:
        text = raw if isinstance(raw, str) else raw.decode("utf-8", "replace")
    try:
        return json.loads(text, parse_int=_whole)
    except (ValueError, RecursionError):
        return None


def _whole(digits: str) -> int | None:
    return int(digits) if len(digits) <= _DIGITS else None


def fields_of(raw: bytes, several: str) -> dict[str, object] | None:
    """The fields of an object that holds a list named ``several``; None where there is no such object.

    Where it cannot be read at once, each field and each entry of that list is read by itself.
    """
    whole = parsed(raw)
    if whole is not None:
        return whole if isinstance(whole, dict) else None
    text = raw.decode("utf-8", "replace").strip()
    if not (text.startswith("{") and text.endswith("}")):
        return None
    found: dict[str, object] = {}
    for name, value in _members(text):
        entries = _entries(value) if name == several and value.startswith("[") else None
        found[name] = parsed(value) if entries is None else [parsed(entry) for entry in entries]
    return found or None


def _members(text: str) -> Iterator[tuple[str, str]]:
    """The names and values of an object, the values as they are written."""
    for part in _entries(text):
        name = _TOKEN.match(part)
        if name is None or not name[0].startswith('"'):
            continue
        colon = part.find(":", name.end())
        read = parsed(name[0])
        if colon >= 0 and isinstance(read, str):
            yield read, part[colon + 1 :].strip()


def _entries(text: str) -> list[str]:
    """What stands between the outer brackets, cut at the commas between them."""
    depth, start, parts = 0, 1, list[str]()
    for token in _TOKEN.finditer(text):
        match token[0]:
            case "{" | "[":
                depth += 1
            case "}" | "]":
                depth -= 1
                if depth == 0:
                    parts.append(text[start : token.start()].strip())
                    break
            case "," if depth == 1:
                parts.append(text[start : token.start()].strip())
                start = token.end()
    return [part for part in parts if part]
