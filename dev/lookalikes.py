"""Writes shared/core/safety/lookalikes.py from Unicode's confusable characters, as confusable-homoglyphs carries them.

    python3 -m dev.lookalikes            write it
    python3 -m dev.lookalikes --check    say whether what is written is what would be

The package has pairs without a direction. The end of each is told by what it is: an ASCII character, else the one that
many others point to, else the letter that is older.
"""

import argparse
import json
import sys
import unicodedata
from collections.abc import Iterator
from importlib import metadata, resources
from pathlib import Path

FILE = Path(__file__).parents[1] / "shared" / "core" / "safety" / "lookalikes.py"

#: The Unicode version of the package's data: its release of January 2024 took confusables.txt of Unicode 15.1.
PACKAGE, UNICODE = "confusable-homoglyphs", "15.1"

#: Letters of these scripts are what terms are written in; what looks like anything else is of no use.
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
    """A character that is not ASCII, and what it looks like."""
    file = resources.files("confusable_homoglyphs") / "confusables.json"
    known = json.loads(file.read_text(encoding="utf-8"))
    for named, others in known.items():
        char = named.strip("\u200e")  # about a letter that is written from right to left there are marks
        for other in others:
            end = other["c"]
            if len(char) == 1 and not char.isascii() and _is_end(end, named, len(known.get(end, ())), len(others)):
                yield char, end


def _is_end(end: str, char: str, ends_pairs: int, chars_pairs: int) -> bool:
    if end.isascii() or len(end) > 1 or ends_pairs != chars_pairs:
        return end.isascii() or len(end) > 1 or ends_pairs > chars_pairs
    return end < char


def table() -> dict[str, str]:
    """The characters by what they look like, sorted."""
    found: dict[str, set[str]] = {}
    for char, end in pairs():
        dead_letters, name = _letters(end), unicodedata.name(char, "")
        # A living script's letter that looks like a digit is no digit: of "3" and a Cyrillic letter, a word has one.
        living = name.startswith(("CYRILLIC", "GREEK")) and dead_letters.isdecimal()
        if dead_letters and dead_letters != _letters(char) and not living and not name.startswith("CJK"):
            found.setdefault(dead_letters, set()).add(char)
    return {dead_letters: "".join(sorted(found[dead_letters])) for dead_letters in sorted(found)}


def _letters(text: str) -> str:
    """The letters and digits of a text without their marks; empty where one is of another script."""
    plain = unicodedata.normalize("NFKD", text)
    kept = "".join(char for char in plain if unicodedata.category(char)[0] in "LN").replace("rn", "m")
    good = all(char.isascii() or unicodedata.name(char, "").startswith(_SCRIPTS) for char in kept)
    return kept if good else ""


def written() -> str:
    """The module's text."""
    lines = [_HEAD.format(unicode=UNICODE, package=PACKAGE, version=metadata.version(PACKAGE))]
    for dead_letters, chars in table().items():
        escaped = [char.encode("unicode_escape").decode() for char in chars]
        rows = ["".join(escaped[start : start + 10]) for start in range(0, len(escaped), 10)]
        body = f'"{rows[0]}",' if len(rows) == 1 else "(\n" + "".join(f'        "{row}"\n' for row in rows) + "    ),"
        lines.append(f"    {ascii(dead_letters).replace(chr(39), chr(34))}: {body}\n")
    return "".join(lines) + "}\n"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Write the table of look-alike characters.")
    parser.add_argument("--check", action="store_true")
    if parser.parse_args().check:
        return int(FILE.read_text(encoding="utf-8") != written())
    FILE.write_text(written(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
