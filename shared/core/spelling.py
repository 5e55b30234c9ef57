"""Spelling: the words that a folded text may be read as, whatever parts their letters or stands for them.

Rules of this file:
1. A reading is a stretch of the text with the letters that it may spell. A word is one; so is what is written with
   signs between its letters, with signs for letters, or one letter at a time. All of them stand side by side: who looks
   for a phrase goes from the end of one to the beginning of another.
2. Two words are compared by their keys: signs and digits as the letters they are read as, ``l`` as ``i`` (a one, a bar
   and a capital I are either), every run of a letter as one. ``fits`` then says whether the text has at least as many
   of each letter as the word: ``con`` is none of a term that has two of them.
3. Fragments of words are put together over signs, never over a blank, unless they are single letters: ``por no`` is two
   words of Spanish.
"""

import bisect
import re
from collections.abc import Iterator
from typing import NamedTuple

#: What is read as a letter. ``l`` and what looks like it is an ``i``, on both sides.
_SIGNS_AS = {"@": "a", "$": "s", "+": "t", "!": "i", "|": "i", "¢": "c", "£": "i", "¥": "y"}
_DIGITS_AS = dict(zip("0123456789", "oizeasgtbg", strict=True))
_READ = str.maketrans(_DIGITS_AS | _SIGNS_AS | {"l": "i", "ſ": "s"})
#: What is read as one of two letters, and the second of both: a long s looks like an f.
_SECOND = str.maketrans({"6": "b", "ſ": "f"})
_TWOFOLD = re.compile("[6ſ]")
_SIGNS = "".join(_SIGNS_AS)

#: Scripts that put no blanks between words: a word of another script ends where they begin.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_UNSPACED_WORD = re.compile(f"[{_UNSPACED}]")
_CHUNK = re.compile(r"\S+")
_WORD = re.compile(rf"[^\W_{_UNSPACED}]+|[{_UNSPACED}]+")
_LETTERS_AND_SIGNS = re.compile(rf"(?:[^\W_{_UNSPACED}]|[{re.escape(_SIGNS)}])+")
_RUN = re.compile(r"(.)\1+")
#: Two letters that look like one.
_PAIRS = re.compile("rn|vv")
_RUNS = re.compile(r"(.)\1*")

#: Single letters, each with a few signs before the next: "s e x", "(s)(e)(x)". An empty line ends it.
_SPACED = re.compile(r"(?<![^\W_])[^\W_](?:(?!\s*\n\s*\n)[\W_]{1,12}[^\W_](?![^\W_])){2,}")
_SPACED_SIGNS = re.compile(
    rf"(?<![^\W_])(?<![{re.escape(_SIGNS)}])(?:[^\W_]|[{re.escape(_SIGNS)}])"
    rf"(?:[^\w{re.escape(_SIGNS)}]{{1,12}}(?:[^\W_]|[{re.escape(_SIGNS)}])(?![^\W_])(?![{re.escape(_SIGNS)}])){{2,}}"
)
#: Signs around a word that stand for no letter.
_AROUND = ".,;:?\"'()[]{}<>"

#: Words of one letter, as folded, of English and its neighbours: one that stands before a spaced word is none of it.
_ONE_LETTER = frozenset("aieouybckия")

#: Bounds: the pieces of one chunk that are put together, and the length of what is.
_MOST_TOGETHER, _MOST_PIECES, _MOST_LETTERS = 6, 12, 60


class Reading(NamedTuple):
    """A stretch of a text, by its place, by the chunks that it begins and ends in, and what it spells."""

    start: int
    end: int
    chunk: int
    letters: str


def normal(word: str) -> str:
    """A word's letters as they are compared: signs and digits as letters. A number is none."""
    return word if word.isdecimal() else word.translate(_READ)


def key(letters: str) -> str:
    """What words that may be the same have in common."""
    return _RUN.sub(r"\1", letters)


def fits(letters: str, term: str) -> bool:
    """Whether a text's letters, of the same key as a term's, have at least as many of each."""
    if letters == term:
        return True
    if len(letters) < len(term):
        return False
    return all(
        len(run[0]) >= len(own[0]) for run, own in zip(_RUNS.finditer(letters), _RUNS.finditer(term), strict=True)
    )


def readings(text: str) -> Iterator[Reading]:
    """All that a folded text may be read as. A plain word is one reading."""
    chunks: list[int] = []
    for number, chunk in enumerate(_CHUNK.finditer(text)):
        chunks.append(chunk.start())
        whole = chunk[0]
        if whole.isalpha() and whole.isascii():
            yield Reading(chunk.start(), chunk.end(), number, whole.translate(_READ))
            if _PAIRS.search(whole):
                yield Reading(chunk.start(), chunk.end(), number, _paired(whole))
        else:
            yield from _chunk(whole, chunk.start(), number)
    for pattern, signs in ((_SPACED, ""), (_SPACED_SIGNS, _SIGNS)):
        for match in pattern.finditer(text):
            yield from _run(match[0], match.start(), bisect.bisect_right(chunks, match.start()) - 1, signs)


def _paired(word: str) -> str:
    return word.replace("rn", "m").replace("vv", "w").translate(_READ)


def _chunk(chunk: str, at: int, number: int) -> Iterator[Reading]:
    """The words of a chunk that is not plain: parted by its signs, together without them, and with them as letters."""
    yield from _put_together(_parts(_WORD, chunk, at), number)
    inner = chunk.strip(_AROUND)
    signs = [sign for sign in _SIGNS if sign in inner]
    if not signs or not any(map(str.isalnum, inner)):
        return
    if "()" in chunk:
        chunk = chunk.replace("()", "0 ")  # one sign for two, and the places stay
    yield from _put_together(_parts(_LETTERS_AND_SIGNS, chunk, at), number)
    for sign in signs:
        if chunk.count(sign) > 1:  # a sign that parts all letters is none itself
            yield from _spelt(at, at + len(chunk), number, "".join(_LETTERS_AND_SIGNS.findall(chunk.replace(sign, ""))))


def _parts(pattern: re.Pattern[str], chunk: str, at: int) -> list[tuple[int, int, str]]:
    return [(match.start() + at, match.end() + at, match[0]) for match in pattern.finditer(chunk)]


def _put_together(parts: list[tuple[int, int, str]], number: int) -> Iterator[Reading]:
    """The words of a chunk; and several in a row as one, but for those of scripts that need no blanks."""
    for start, end, word in parts:
        if _UNSPACED_WORD.match(word):
            yield Reading(start, end, number, word)
    parts = [part for part in parts if not _UNSPACED_WORD.match(part[2])]
    most = _MOST_TOGETHER if len(parts) <= _MOST_PIECES else 2
    for first, (start, end, word) in enumerate(parts):
        yield from _spelt(start, end, number, word)
        for last in range(first + 1, min(first + most, len(parts))):
            word += parts[last][2]  # noqa: PLW2901  # it grows
            if len(word) > _MOST_LETTERS:
                break
            yield from _spelt(start, parts[last][1], number, word)
    if len(parts) > most:
        yield from _spelt(parts[0][0], parts[-1][1], number, "".join(part[2] for part in parts))


def _spelt(start: int, end: int, number: int, word: str) -> Iterator[Reading]:
    """A word with signs and digits in it: as letters; without those around it; a six as one of two letters."""
    yield Reading(start, end, number, normal(word))
    if _PAIRS.search(word):
        yield Reading(start, end, number, _paired(word))
    if _TWOFOLD.search(word):
        yield Reading(start, end, number, word.translate(_SECOND).translate(_READ))
    if word.isalpha():
        return
    bare = word.strip("0123456789")
    if bare and len(bare) < len(word):
        yield Reading(start, end, number, bare.translate(_READ))
    core = bare.strip(_SIGNS)
    if core and len(core) < len(bare):
        yield Reading(start, end, number, core.translate(_READ))


def _run(run: str, at: int, number: int, signs: str) -> Iterator[Reading]:
    """Words written one letter at a time. A wider gap than the narrowest parts two of them."""
    places = [place for place, char in enumerate(run) if char.isalnum() or char in signs]
    narrowest = min(after - before for before, after in zip(places, places[1:], strict=False))
    words: list[list[int]] = [[places[0]]]
    for before, after in zip(places, places[1:], strict=False):
        if after - before > narrowest:
            words.append([])
        words[-1].append(after)
    if not any(run[place].isalnum() for place in places):
        return
    for word in [*words, places] if len(words) > 1 else [places]:
        for spelt in _without_one_letter_words(word, run):
            letters = "".join(run[place] for place in spelt)
            yield from _spelt(at + spelt[0], at + spelt[-1] + 1, number, letters)


def _without_one_letter_words(word: list[int], run: str) -> Iterator[list[int]]:
    yield word
    for first in range(1, 3):
        if len(word) <= first + 2 or run[word[first - 1]] not in _ONE_LETTER:
            break
        yield word[first:]
