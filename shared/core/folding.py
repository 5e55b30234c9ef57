"""Folding: a text as a reader sees it, whatever characters it was written with.

Rules of this file:
1. Folding is for comparing only. What a screener or a model gets is what the user wrote.
2. The same function folds the terms and the text, so that both always meet.
3. Each reading is made in one pass per character: its time grows with the text's length and nothing else.

The confusable characters are a part of Unicode's own table (UTS #39, https://www.unicode.org/Public/security/latest/
confusables.txt): the letters of Cyrillic, Greek, Armenian, Cherokee and the phonetic blocks that look like Latin ones
in common fonts. What NFKC folds already (fullwidth, mathematical, circled letters) is not in it. The digits and signs
that are read as letters ("leet") are the common ones of https://en.wikipedia.org/wiki/Leet#Orthography.
"""
# ruff: noqa: RUF001  # look-alike letters are what this file is about

import re
import unicodedata
from collections.abc import Iterator

#: Letters that look like the Latin letter before them. Case-folded: capitals that look alike are here in lower case.
_LOOKALIKES = {
    "a": "аαаɑᴀ⍺",
    "b": "вьβʙᏏƅ",
    "c": "сϲᴄⅽᏟ",
    "d": "ԁɗᴅⅾ",
    "e": "еєεҽᴇ℮",
    "f": "ƒϝꞙքғꜰ",
    "g": "ɡցԍɢ",
    "h": "һнհʜ",
    "i": "іιıɪӏⅰ",
    "j": "јϳᴊ",
    "k": "кκᴋ",
    "l": "ⅼʟ",
    "m": "мⅿᴍ",
    "n": "пոռɴη",
    "o": "оοσօᴏ๐ዐ",
    "p": "рρᴘ",
    "q": "ԛգ",
    "r": "гᴦʀ",
    "s": "ѕꜱƽ",
    "t": "тτᴛ",
    "u": "υսцᴜ",
    "v": "ѵνᴠⅴ",
    "w": "ԝωшᴡ",
    "x": "хχⅹ",
    "y": "уүγʏ",
    "z": "ᴢʐ",
}

#: Ⓐ, 🅐, 🅰 and the flag letters: NFKC folds only the first of these alphabets.
_ALPHABETS = (0x1F150, 0x1F170, 0x1F1E6)

#: Blanks that are letters or signs to Unicode, so that neither NFKC nor their category tells.
_HIDDEN = (0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0)

_CONFUSABLES: dict[int, str | None] = {
    **{ord(char): letter for letter, chars in _LOOKALIKES.items() for char in chars},
    **{first + index: chr(ord("a") + index) for first in _ALPHABETS for index in range(26)},
    **dict.fromkeys(_HIDDEN, None),
    0x2019: "'",  # the typographer's apostrophe
}

#: What is read as a letter inside a word. A one may be an i or an l: each has its own reading.
_LEET = {"0": "o", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g", "@": "a", "$": "s", "€": "e", "+": "t"}
_ONES = "1!|"
_LEET_AS = {one: str.maketrans(_LEET | dict.fromkeys(_ONES, one)) for one in "il"}
_LEET_CHARS = frozenset({*_LEET, *_ONES})

#: Punctuation around a word, which is none of its letters.
_AROUND = "!|+.,;:?\"'()[]{}<>…“”‘’«»-"

#: Single letters with one or two signs between them: "s e x", "s.e.x". Then any other token.
_TOKEN = re.compile(r"(?P<spaced>(?<![^\W_])[^\W_](?:[\W_]{1,2}[^\W_](?![^\W_])){2,})|\S+")
_SEPARATORS = re.compile(r"[\W_]+")
#: Words of one letter, as folded, of English and its neighbours: one that stands before a spaced word is none of it.
_ONE_LETTER = frozenset("aieouybckия")
_MEASURE = re.compile(r"\d+[a-z]{1,2}")
_RUN = re.compile(r"(.)\1\1+")

#: Unicode's tag characters: nobody sees them, and each is an ASCII character to a language model that knows them.
_TAGS = re.compile("[\U000e0020-\U000e007e]+")
_TAG = 0xE0000


def folded(text: str) -> str:
    """The text in small Latin letters as far as it looks like them: without marks and without what is not seen."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_CONFUSABLES)
    apart = unicodedata.normalize("NFD", plain)
    kept = "".join(char for char in apart if unicodedata.category(char) not in _UNSEEN)
    # Once more: a letter may have become a look-alike only without its mark. What is left is put together again.
    return unicodedata.normalize("NFC", kept).translate(_CONFUSABLES)


#: Marks upon letters, enclosing marks, and format characters (zero-width ones, directions, soft hyphens, tags).
_UNSEEN = frozenset({"Mn", "Me", "Cf"})


def hidden_in(text: str) -> str:
    """What is written in a text with tag characters; empty for nearly every text."""
    if text.isascii():
        return ""
    return " ".join("".join(chr(ord(char) - _TAG) for char in run) for run in _TAGS.findall(text))


def readings(text: str) -> Iterator[str]:
    """The ways to read a text, each once.

    As it is folded; where something in it is disguised, without the disguises; and what is hidden in it.
    """
    hidden = hidden_in(text)
    yield from _readings(folded(text))
    if hidden:
        yield from _readings(folded(hidden))


def _readings(plain: str) -> Iterator[str]:
    yield plain
    tokens = list(_TOKEN.finditer(plain))
    if not any(_is_disguised(match) for match in tokens):
        return
    seen = {plain}
    for one in "il":
        reading = " ".join(_undisguised(match, one) for match in tokens)
        stretched = _RUN.search(reading) is not None
        for each in (_RUN.sub(r"\1", reading), _RUN.sub(r"\1\1", reading)) if stretched else (reading,):
            if each not in seen:
                seen.add(each)
                yield each


def _is_disguised(match: re.Match[str]) -> bool:
    token = match[0]
    return match["spaced"] is not None or _is_leet(token) or _RUN.search(token) is not None


def _is_leet(token: str) -> bool:
    """Letters and such signs in one word. Digits alone are a number, and so they are before a unit (8k, 50mm)."""
    if _LEET_CHARS.isdisjoint(token):
        return False
    word = token.strip(_AROUND)
    return any(char.isalpha() for char in word) and not _LEET_CHARS.isdisjoint(word) and not _MEASURE.fullmatch(word)


def _undisguised(match: re.Match[str], one: str) -> str:
    token = match[0]
    if match["spaced"] is not None:
        token = _SEPARATORS.sub("", token)
        token = f"{token} {token[1:]}" if token[0] in _ONE_LETTER else token
    if _is_leet(token):
        token = token.strip(_AROUND).translate(_LEET_AS[one])
    return token
