"""Spelling: the words that a folded text may be read as, whatever parts their letters or stands for them.

Rules of this file:
1. A reading is a stretch of the text with the letters that it may spell. A word is one; so is what is written with
   signs between its letters, with signs for letters, or one letter at a time. All of them stand side by side: who looks
   for a phrase goes from the end of one to the beginning of another.
2. Two words are compared by their keys: signs and digits as the letters they are read as, ``l`` as ``i`` (a one, a bar
   and a capital I are either), every run of a letter as one. ``fits`` then says whether the text has at least as many
   of each letter as the word: ``con`` is none of a term with two of them, and ``li`` is no long ``i``.
3. Fragments of words are put together over signs, never over a blank, unless they are single letters: ``por no`` is two
   words of Spanish.
"""

import itertools
import re
from collections.abc import Iterator
from typing import NamedTuple

#: What is read as a letter. ``l`` and what looks like it is an ``i``, on both sides.
_SIGNS_AS = {"@": "a", "$": "s", "+": "t", "!": "i", "|": "i", "¢": "c", "£": "i", "¥": "y"}
_DIGITS_AS = dict(zip("0123456789", "oizeasgtbg", strict=True))
_READ = str.maketrans(_DIGITS_AS | _SIGNS_AS | {"\u017f": "s"})
#: What is read as one of two letters, and the second of both: a long s looks like an f.
_SECOND = str.maketrans({"6": "b", "\u017f": "f"})
_TWOFOLD = re.compile("[6\u017f]")
SIGNS = "".join(_SIGNS_AS)

#: Scripts that put no blanks between words: a word of another script ends where they begin.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_UNSPACED_WORD = re.compile(f"[{_UNSPACED}]")
_CHUNK = re.compile(r"\S+")
_WORD = re.compile(rf"[^\W_{_UNSPACED}]+|[{_UNSPACED}]+")
_LETTERS_AND_SIGNS = re.compile(rf"(?:[^\W_{_UNSPACED}]|[{re.escape(SIGNS)}])+")
#: Brackets with nothing in them are an o.
_EMPTY = re.compile(r"\(\)|\[\]")
#: A word in which one or two letters are masked: "p*rn". A vowel is what is masked, for then the word stays legible.
_MASKS = "*#\u2022"
_MASKED = re.compile(rf"(?<![^\W_])[^\W_]+[{_MASKS}][^\W_]+(?:[{_MASKS}][^\W_]+)?(?![^\W_])(?![{_MASKS}])")
_RUN = re.compile(r"(.)\1+")
_RUNS = re.compile(r"(.)\1*")

#: Single letters, each with a few signs before the next: "s e x", "(s)(e)(x)". An empty line ends it.
_SPACED = re.compile(r"(?<![^\W_])[^\W_](?:(?!\s*\n\s*\n)[\W_]{1,12}[^\W_](?![^\W_])){2,}")
_SPACED_SIGNS = re.compile(
    rf"(?<![^\W_])(?<![{re.escape(SIGNS)}])(?:[^\W_]|[{re.escape(SIGNS)}])"
    rf"(?:[^\w{re.escape(SIGNS)}]{{1,12}}(?:[^\W_]|[{re.escape(SIGNS)}])(?![^\W_])(?![{re.escape(SIGNS)}])){{2,}}"
)
#: Signs around a word that stand for no letter.
_AROUND = ".,;:?\"'()[]{}<>"

#: Words of one letter, as folded, of English and its dependencies: one that stands before a spaced word is none of it.
_ONE_LETTER = frozenset("aieouybckия")

#: Bounds: the pieces of one chunk that are put together, and the length of what is.
_MOST_TOGETHER, _MOST_PIECES, _MOST_LETTERS = 6, 12, 60

#: In a chunk of more parts than these a single letter is no word of its own.
_FEW = 3


class Reading(NamedTuple):
    """A stretch of a text, by its place, and what it spells."""

    start: int
    end: int
    dead_letters: str


def normal(word: str) -> str:
    """A word's letters as they are compared: signs and digits as letters. A number is none."""
    return word if word.isdecimal() else word.translate(_READ)


def key(dead_letters: str) -> str:
    """What words that may be the same have in common."""
    alike = dead_letters.replace("l", "i")
    return _RUN.sub(_once, alike) if _RUN.search(alike) else alike


def _once(run: re.Match[str]) -> str:
    return run[1]


def fits(dead_letters: str, term: str) -> bool:
    """Whether a text's letters, of the same key as a term's, are the term's: some more often, but none seldomer."""
    if dead_letters == term:
        return True
    if len(dead_letters) < len(term):
        return False
    at = own_at = 0
    for run, own in zip(
        _RUNS.finditer(dead_letters.replace("l", "i")), _RUNS.finditer(term.replace("l", "i")), strict=True
    ):
        until, own_until = at + len(run[0]), own_at + len(own[0])
        if not _is_longer(dead_letters[at:until], term[own_at:own_until]):
            return False
        at, own_at = until, own_until
    return True


def _is_longer(run: str, own: str) -> bool:
    """Whether a run is as long as a term's, or longer: then by the same letters, or by one of them: "li" is no "ii"."""
    if len(run) <= len(own):
        return len(run) == len(own)
    groups, own_groups = ([group[0] for group in _RUNS.finditer(each)] for each in (run, own))
    if len(groups) == 1:
        return True
    return len(groups) == len(own_groups) and all(
        group[0] == other[0] and len(group) >= len(other) for group, other in zip(groups, own_groups, strict=True)
    )


def chunks(text: str) -> Iterator[re.Match[str]]:
    """What stands between blanks."""
    return _CHUNK.finditer(text)


def of_chunk(chunk: str) -> list[Reading]:
    """All that a chunk may be read as. A plain word is one reading."""
    if chunk.isalpha() and chunk.isascii():
        return _spelt(0, len(chunk), chunk)
    if _EMPTY.search(chunk):
        chunk = _EMPTY.sub("0 ", chunk)  # one sign for two, and the places stay
    found = _put_together(_parts(_WORD, chunk))
    found += [
        Reading(match.start(), match.end(), word) for match in _MASKED.finditer(chunk) for word in _guesses(match[0])
    ]
    inner = chunk.strip(_AROUND)
    signs = [sign for sign in SIGNS if sign in inner]
    if not signs or not any(map(str.isalnum, inner)):
        return found
    found += _put_together(_parts(_LETTERS_AND_SIGNS, chunk))
    for sign in signs:
        if chunk.count(sign) > 1:  # a sign that parts all letters is none itself
            found += _spelt(0, len(chunk), "".join(_LETTERS_AND_SIGNS.findall(chunk.replace(sign, ""))))
    return found


def _guesses(word: str) -> list[str]:
    """A word with stars in it, with a vowel for each."""
    guesses = [""]
    for char in word:
        guesses = [guess + own for guess in guesses for own in ("aeiou" if char in _MASKS else char)]
    return [normal(guess) for guess in guesses]


def spaced(text: str) -> Iterator[Reading]:
    """All that is written one letter at a time."""
    for pattern, signs in ((_SPACED, ""), (_SPACED_SIGNS, SIGNS)):
        for match in pattern.finditer(text):
            yield from _run(match[0], match.start(), signs)


def _parts(pattern: re.Pattern[str], chunk: str) -> list[tuple[int, int, str]]:
    return [(match.start(), match.end(), match[0]) for match in pattern.finditer(chunk)]


def _put_together(parts: list[tuple[int, int, str]]) -> list[Reading]:
    """The words of a chunk; and several in a row as one, but for those of scripts that need no blanks."""
    few = len(parts) <= _FEW
    found = [reading for part in parts if few or len(part[2]) > 1 for reading in _spelt(*part)]
    parts = [part for part in parts if not _UNSPACED_WORD.match(part[2])]
    if len(parts) < 2:
        return found
    found += _spelt(parts[0][0], parts[-1][1], "".join(part[2] for part in parts))
    if all(len(part[2]) == 1 for part in parts):
        return found  # as one, or not at all; and ``spaced`` looks at the letters too
    most = _MOST_TOGETHER if len(parts) <= _MOST_PIECES else 2
    for first, (start, _, word) in enumerate(parts):
        for last in range(first + 1, min(first + most, len(parts))):
            word += parts[last][2]  # noqa: PLW2901  # it grows
            if len(word) > _MOST_LETTERS:
                break
            found += _spelt(start, parts[last][1], word)
    return found


def _spelt(start: int, end: int, word: str) -> list[Reading]:
    """A word as letters; without the digits and signs around it; two letters as one; a six as another letter."""
    found = [Reading(start, end, normal(word))]
    if "rn" in word or "vv" in word:
        found.append(Reading(start, end, word.replace("rn", "m").replace("vv", "w").translate(_READ)))
    if _TWOFOLD.search(word):
        found.append(Reading(start, end, word.translate(_SECOND).translate(_READ)))
    if not word.isalpha():
        bare = word.strip("0123456789")
        core = bare.strip(SIGNS)
        found += [Reading(start, end, less.translate(_READ)) for less in {bare, core} - {"", word}]
    return found


def spaced_runs(text: str) -> Iterator[tuple[int, int, list[str]]]:
    """Where letters are written one at a time, and the words that they make."""
    for pattern, signs in ((_SPACED, ""), (_SPACED_SIGNS, SIGNS)):
        for match in pattern.finditer(text):
            words = _words_of(match[0], signs)
            if words:
                yield match.start(), match.end(), ["".join(match[0][place] for place in word) for word in words]


def _words_of(run: str, signs: str) -> list[list[int]]:
    """The places of letters, word by word: a wider gap than the narrowest parts two of them."""
    places = [place for place, char in enumerate(run) if char.isalnum() or char in signs]
    if not any(run[place].isalnum() for place in places):
        return []
    narrowest = min(after - before for before, after in itertools.pairwise(places))
    words: list[list[int]] = [[places[0]]]
    for before, after in itertools.pairwise(places):
        if after - before > narrowest:
            words.append([])
        words[-1].append(after)
    return words


def _run(run: str, at: int, signs: str) -> Iterator[Reading]:
    """What a run of single letters may be read as: each of its words, and all of them together."""
    words = _words_of(run, signs)
    together = [[place for word in words for place in word]] if len(words) > 1 else []
    for word in [*words, *together]:
        for spelt in _without_one_letter_words(word, run):
            yield from _spelt(at + spelt[0], at + spelt[-1] + 1, "".join(run[place] for place in spelt))


def _without_one_letter_words(word: list[int], run: str) -> Iterator[list[int]]:
    yield word
    for first in range(1, 3):
        if len(word) <= first + 2 or run[word[first - 1]] not in _ONE_LETTER:
            break
        yield word[first:]
