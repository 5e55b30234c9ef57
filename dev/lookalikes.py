"""Writes shared/core/safety/lookalikes.py from Unicode's confusable characters, as confusable-homoglyphs carries them.

    python3 -m dev.lookalikes            write it
    python3 -m dev.lookalikes --check    say whether the written file is up to date

The package has pairs without a direction. A pair's target is the ASCII character, else the character that many pairs
contain, else the older letter.
"""

import argparse
import json
import sys
import unicodedata
from collections.abc import Iterator
from importlib import metadata, resources
from pathlib import Path

FILE = Path(__file__).parents[1] / "shared" / "core" / "safety" / "lookalikes.py"

#: The Unicode version of the package's data: its release of January 2024 used confusables.txt of Unicode 15.1.
PACKAGE, UNICODE = "confusable-homoglyphs", "15.1"

#: Terms are written in these scripts. Characters that look like letters of any other script are left out.
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK")

_HEAD = '''"""Which characters look like which letters: made by ``python3 -m dev.lookalikes``, not to be edited.

From the confusable characters of Unicode {unicode} (UTS #39, confusables.txt), as {package} {version} carries them:
those that look like Latin, Cyrillic or Greek letters or digits. Left out is what NFKD decomposes to the same, and what
is ASCII itself. Copyright (c) Unicode, Inc.; Unicode License v3, https://www.unicode.org/license.txt
"""
# fmt: off

UNICODE_VERSION = "{unicode}"

#: For each letter, or letters, the characters that look so.
LOOKALIKES = {{
'''


def pairs() -> Iterator[tuple[str, str]]:
    """Pairs of a character that is not ASCII and the text that it looks like."""
    file = resources.files("confusable_homoglyphs") / "confusables.json"
    known = json.loads(file.read_text(encoding="utf-8"))
    for named, others in known.items():
        char = named.strip("\u200e")  # direction marks surround a letter that is written from right to left
        for other in others:
            end = other["c"]
            if len(char) == 1 and not char.isascii() and _is_end(end, named, len(known.get(end, ())), len(others)):
                yield char, end


def _is_end(end: str, char: str, ends_pairs: int, chars_pairs: int) -> bool:
    if end.isascii() or len(end) > 1 or ends_pairs != chars_pairs:
        return end.isascii() or len(end) > 1 or ends_pairs > chars_pairs
    return end < char


def table() -> dict[str, str]:
    """The characters, sorted and grouped by the text that they look like."""
    found: dict[str, set[str]] = {}
    for char, end in pairs():
        letters, name = _letters(end), unicodedata.name(char, "")
        # A living script's letter that looks like a digit is not taken as a digit: "3" and a Cyrillic letter both occur
        # in words.
        living = name.startswith(("CYRILLIC", "GREEK")) and letters.isdecimal()
        if letters and letters != _letters(char) and not living and not name.startswith("CJK"):
            found.setdefault(letters, set()).add(char)
    return {letters: "".join(sorted(found[letters])) for letters in sorted(found)}


def _letters(text: str) -> str:
    """The letters and digits of a text without their marks; empty if one is of another script."""
    plain = unicodedata.normalize("NFKD", text)
    kept = "".join(char for char in plain if unicodedata.category(char)[0] in "LN").replace("rn", "m")
    good = all(char.isascii() or unicodedata.name(char, "").startswith(_SCRIPTS) for char in kept)
    return kept if good else ""


def written() -> str:
    """The text of the generated module."""
    lines = [_HEAD.format(unicode=UNICODE, package=PACKAGE, version=metadata.version(PACKAGE))]
    for letters, chars in table().items():
        escaped = [char.encode("unicode_escape").decode() for char in chars]
        rows = ["".join(escaped[start : start + 10]) for start in range(0, len(escaped), 10)]
        body = f'"{rows[0]}",' if len(rows) == 1 else "(\n" + "".join(f'        "{row}"\n' for row in rows) + "    ),"
        lines.append(f"    {ascii(letters).replace(chr(39), chr(34))}: {body}\n")
    return "".join(lines) + "}\n"


def main() -> int:
    """Write or check the table of look-alike characters."""
    parser = argparse.ArgumentParser(description="Write the table of look-alike characters.")
    parser.add_argument("--check", action="store_true")
    if parser.parse_args().check:
        return int(FILE.read_text(encoding="utf-8") != written())
    FILE.write_text(written(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
