"""Folding: a text as a reader sees it, whatever characters it was written with.

Rules of this file:
1. Folding is for comparing only. Screeners and models get what the user wrote. A screener that reads the sense also
   gets a second reading (unmasked.py).
2. The same function folds the terms and the text, so that both always match.
3. Each character is folded by itself, once: its look does not depend on the characters beside it. So the time grows
   only with the text's length, and the result for each character is cached.
4. Look-alikes are Unicode's own data (lookalikes.py, NFKD, the names of letters). The table below adds only letters
   that are read as Latin ones although Unicode does not list them as confusable.

A text has more than one face if a part of it is invisible or displayed elsewhere: letters in tag characters or in
variation selectors, and text in a right-to-left override. ``faces`` yields each.
"""

import re
import unicodedata
from collections.abc import Iterator

from shared.core.safety.lookalikes import LOOKALIKES

#: Letters that are read as the Latin letter before them and that UTS #39 does not list: they look alike in small
#: capitals, in handwriting, or upside down.
_READ_AS = {
    "a": "ᗩ",
    "b": "ьƅβ",
    "c": "ᑕ",
    "e": "єε€ꞓ",
    "f": "ғ",
    "k": "ĸκк",
    "m": "ʍᗰ",
    "n": "пπηᑎ∩",
    "q": "գᑫ",
    "r": "гᴦ",  # noqa: RUF001
    "s": "ᔕ",
    "w": "шω",
    "z": "ᘔ",
    "ſ": "ſ",  # noqa: RUF001  # read as one of two letters: spelling.py handles both
}

#: Invisible characters that Unicode classifies as letters or symbols.
_HIDDEN = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")

#: Categories that are left out: marks on letters, format characters (zero-width, directions, tags), controls,
#: unassigned and private characters.
_UNSEEN = frozenset({"Mn", "Me", "Cf", "Cc", "Cn", "Co", "Cs"})

#: Replaces unusual blanks. It may separate words or not, because such a blank may be too narrow to see.
_NARROW = "·"
_LINE_ENDS = frozenset("\u2028\u2029")
_NARROW_CONTROLS = frozenset("\x0b\x0c\x1c\x1d\x1e\x1f\x85")
_BLANKS = frozenset(" \t\n\r")

#: The name of a letter names its base letter: LATIN SMALL LETTER O WITH STROKE, REGIONAL INDICATOR SYMBOL LETTER P.
_NAMED = re.compile(r"(?:.*LATIN|REGIONAL).* LETTER (?:SMALL CAPITAL )?([A-Z])")

#: How many folded characters are cached. After that the cache starts again.
_MOST_KNOWN = 20_000

#: The most steps of one fold, so that a circle ends. The longest real fold has four.
_STEPS = 8


def folded(text: str) -> str:
    """The text in lower case, look-alikes as Latin letters, without marks and invisible characters."""
    if text.isascii() and text.isprintable():
        return text.lower()
    if len(_known) > _MOST_KNOWN:
        _known.clear()
    return text.translate(_known)


class _Known(dict[int, str]):
    """A cache of what each character folds to, filled on first use."""

    def __missing__(self, code: int) -> str:
        self[code] = found = _folded(chr(code))
        return found


_known = _Known()

_looks: dict[str, str] = {}


def _learn() -> None:
    for letters, chars in LOOKALIKES.items():
        _looks.update(dict.fromkeys(chars, letters))
    for letter, chars in _READ_AS.items():
        for char in chars:
            _looks[char] = letter


def _folded(char: str) -> str:
    """Fold one character, step by step, until it no longer changes."""
    if not _looks:
        _learn()
    text = char
    for _ in range(_STEPS):
        after = "".join(map(_step, text))
        if after == text:
            break
        text = after
    return text


def _step(char: str) -> str:
    if char.isascii():
        return char.lower() if char.isprintable() or char in _BLANKS else _unseen(char) or ""
    if char in _looks:
        return _looks[char]
    if (unseen := _unseen(char)) is not None:
        return unseen
    plain = unicodedata.normalize("NFKD", char)
    if plain != char:
        return _without_frame(char, plain)
    base = _by_name(char)
    return base if base != char else _cased(char)


def _unseen(char: str) -> str | None:
    """The replacement of an invisible character; None for a visible one."""
    category = unicodedata.category(char)
    if char in _LINE_ENDS:
        return "\n"
    if char in _NARROW_CONTROLS:
        return _NARROW
    if category == "Zs":
        return _NARROW
    return "" if category in _UNSEEN or char in _HIDDEN else None


def is_unseen(char: str) -> bool:
    """Whether a character is invisible."""
    return not char.isascii() and _unseen(char) == ""


def _without_frame(char: str, plain: str) -> str:
    """A decomposed character without its frame: a letter in brackets, or with a dot after it, becomes the letter."""
    kept = "".join(part for part in plain if unicodedata.category(part)[0] in "LN")
    framed = kept and unicodedata.category(char)[0] in "SN"
    return kept if framed else plain


def _by_name(char: str) -> str:
    """The base letter in a character's name, or the character itself if its name has none."""
    name = unicodedata.name(char, "")
    without = name.partition(" WITH ")[0]
    if found := _NAMED.fullmatch(without):
        return found[1].lower()
    if without == name:
        return char
    try:
        return unicodedata.lookup(without)
    except KeyError:
        return char


def _cased(char: str) -> str:
    """The lower-case letter. If only its capital looks like a Latin letter, that Latin letter."""
    small = char.casefold()
    if small != char:
        return small
    capital = _looks.get(char.upper(), "")
    return capital.lower() if capital.isascii() and capital.isalpha() else char


# ---------------------------------------------------------------------------------------------------------------- faces

#: Unicode's tag characters. They are invisible, but a language model may read each as an ASCII character.
_TAGS = re.compile("[\U000e0020-\U000e007e]+")
_TAG = 0xE0000

#: Variation selectors as bytes: the first sixteen are 0 to 15, those of plane 14 follow from 16.
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]+")

#: The controls that open and close nested directions.
_OVERRIDE, _OPENS, _CLOSES = "\u202e", "\u202a\u202b\u202d\u202e\u2066\u2067\u2068", "\u202c\u2069"


def hidden_in(text: str) -> str:
    """The text hidden in tag characters or variation selectors. Empty for nearly every text."""
    if text.isascii():
        return ""
    tags = [_tagged(run) for run in _TAGS.findall(text)]
    numbers = [_numbered(run) for run in _SELECTORS.findall(text)]
    return " ".join(filter(None, [*tags, "".join(numbers)]))


def _tagged(run: str) -> str:
    return "".join(chr(ord(char) - _TAG) for char in run)


def _numbered(run: str) -> str:
    codes = (ord(char) for char in run)
    number = bytes(code - 0xFE00 if code <= 0xFE0F else code - 0xE0100 + 16 for code in codes)
    return "".join(char for char in number.decode("utf-8", "ignore") if char.isprintable())


def faces(text: str) -> Iterator[str]:
    """The text itself. If it hides text: also with it in place, the hidden text alone, and as displayed."""
    yield text
    if text.isascii():
        return
    hidden = hidden_in(text)
    if hidden:
        yield _TAGS.sub(lambda run: _tagged(run[0]), _SELECTORS.sub(lambda run: _numbered(run[0]), text))
        yield hidden
        yield hidden.replace(" ", "")
    if _OVERRIDE in text:
        yield _turned(text)


def _turned(text: str) -> str:
    """The text as displayed: the characters of a right-to-left override are reversed, line by line."""
    lines = []
    for line in text.splitlines(keepends=True):
        levels: list[tuple[bool, list[str]]] = [(False, [])]
        for char in line:
            if char in _OPENS:
                levels.append((char == _OVERRIDE, []))
            elif char not in _CLOSES:
                levels[-1][1].append(char)
            elif len(levels) > 1:
                _close(levels)
        while len(levels) > 1:
            _close(levels)
        lines.append("".join(levels[0][1]))
    return "".join(lines)


def _close(levels: list[tuple[bool, list[str]]]) -> None:
    turned, chars = levels.pop()
    levels[-1][1].extend(reversed(chars) if turned else chars)
