"""Spelling: the words that a folded text may be read as, whatever separates or replaces their letters.

Rules of this file:
1. A reading is a stretch of the text, and the letters that it may spell. A plain word is a reading. So is a word with
   signs between its letters, with signs for letters, or written one letter at a time. All readings are kept: a search
   for a phrase goes from the end of one reading to the beginning of the next.
2. Two words are compared by their keys: signs and digits become the letters that they are read as, ``l`` becomes ``i``
   (a one, a bar and a capital I may be either), and a run of a letter becomes one. ``fits`` then checks that the text
   has at least as many of each letter as the word: ``con`` does not match a term with two n, ``li`` not one with two i.
3. Parts of a word are joined over signs, but never over a blank, unless they are single letters: ``por no`` is two
   words of Spanish.
"""

import itertools
import re
from collections.abc import Iterator
from typing import NamedTuple

#: Signs that are read as a letter. ``l`` and its look-alikes become ``i``, in texts and in terms.
_SIGNS_AS = {"@": "a", "$": "s", "+": "t", "!": "i", "|": "i", "¢": "c", "£": "i", "¥": "y"}
_DIGITS_AS = dict(zip("0123456789", "oizeasgtbg", strict=True))
_READ = str.maketrans(_DIGITS_AS | _SIGNS_AS | {"\u017f": "s"})
#: Characters that are read as one of two letters, with the second of them: a long s looks like an f.
_SECOND = str.maketrans({"6": "b", "\u017f": "f"})
_TWOFOLD = re.compile("[6\u017f]")
SIGNS = "".join(_SIGNS_AS)

#: Scripts without blanks between words: a word of another script ends where they begin.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_UNSPACED_WORD = re.compile(f"[{_UNSPACED}]")
_CHUNK = re.compile(r"\S+")
_WORD = re.compile(rf"[^\W_{_UNSPACED}]+|[{_UNSPACED}]+")
_LETTERS_AND_SIGNS = re.compile(rf"(?:[^\W_{_UNSPACED}]|[{re.escape(SIGNS)}])+")
#: Empty brackets are read as an o.
_EMPTY = re.compile(r"\(\)|\[\]")
#: A word with one or two letters masked: "p*rn". The masked letter is a vowel, or the word would not be legible.
_MASKS = "*#\u2022"
_MASKED = re.compile(rf"(?<![^\W_])[^\W_]+[{_MASKS}][^\W_]+(?:[{_MASKS}][^\W_]+)?(?![^\W_])(?![{_MASKS}])")
_RUN = re.compile(r"(.)\1+")
_RUNS = re.compile(r"(.)\1*")

#: Single letters, each with a few signs before the next: "s e x", "(s)(e)(x)". An empty line ends the run.
_SPACED = re.compile(r"(?<![^\W_])[^\W_](?:(?!\s*\n\s*\n)[\W_]{1,12}[^\W_](?![^\W_])){2,}")
_SPACED_SIGNS = re.compile(
    rf"(?<![^\W_])(?<![{re.escape(SIGNS)}])(?:[^\W_]|[{re.escape(SIGNS)}])"
    rf"(?:[^\w{re.escape(SIGNS)}]{{1,12}}(?:[^\W_]|[{re.escape(SIGNS)}])(?![^\W_])(?![{re.escape(SIGNS)}])){{2,}}"
)
#: Signs around a word that stand for no letter.
_AROUND = ".,;:?\"'()[]{}<>"

#: One-letter words, as folded, of English and related languages. Before a spaced word they are not a part of it.
_ONE_LETTER = frozenset("aieouybckия")

#: Bounds: how many parts in a row are joined, in a chunk of up to how many parts (in a longer one: two), and the
#: letters of the joined word.
_MOST_TOGETHER, _MOST_PARTS, _MOST_LETTERS = 6, 12, 60

#: In a chunk with more parts than this, a single letter is not a word of its own.
_FEW = 3


class Reading(NamedTuple):
    """A stretch of a text, by its start and end, and the letters that it spells."""

    start: int
    end: int
    letters: str


def normal(word: str) -> str:
    """The letters of a word for comparison: signs and digits as letters. Empty for a number."""
    return word if word.isdecimal() else word.translate(_READ)


def key(letters: str) -> str:
    """The key of a word: words that may be the same have the same key."""
    alike = letters.replace("l", "i")
    return _RUN.sub(_once, alike) if _RUN.search(alike) else alike


def _once(run: re.Match[str]) -> str:
    return run[1]


def fits(letters: str, term: str) -> bool:
    """Whether letters with the key of ``term`` are the term: each run of a letter at least as long as the term's."""
    if letters == term:
        return True
    if len(letters) < len(term):
        return False
    at = own_at = 0
    for run, own in zip(_RUNS.finditer(letters.replace("l", "i")), _RUNS.finditer(term.replace("l", "i")), strict=True):
        until, own_until = at + len(run[0]), own_at + len(own[0])
        if not _is_longer(letters[at:until], term[own_at:own_until]):
            return False
        at, own_at = until, own_until
    return True


def _is_longer(run: str, own: str) -> bool:
    """Whether a run is at least as long as the term's, in the same letters or in one of them: "li" is not "ii"."""
    if len(run) <= len(own):
        return len(run) == len(own)
    groups, own_groups = ([group[0] for group in _RUNS.finditer(each)] for each in (run, own))
    if len(groups) == 1:
        return True
    return len(groups) == len(own_groups) and all(
        group[0] == other[0] and len(group) >= len(other) for group, other in zip(groups, own_groups, strict=True)
    )


def chunks(text: str) -> Iterator[re.Match[str]]:
    """The parts of a text between blanks."""
    return _CHUNK.finditer(text)


def of_chunk(chunk: str) -> list[Reading]:
    """All readings of a chunk. A plain word has one."""
    if chunk.isalpha() and chunk.isascii():
        return _spelt(0, len(chunk), chunk)
    if _EMPTY.search(chunk):
        chunk = _EMPTY.sub("0 ", chunk)  # two characters for two, so that the positions stay the same
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
        if chunk.count(sign) > 1:  # a sign that separates letters is not a letter itself
            found += _spelt(0, len(chunk), "".join(_LETTERS_AND_SIGNS.findall(chunk.replace(sign, ""))))
    return found


def _guesses(word: str) -> list[str]:
    """A masked word, once for each vowel."""
    guesses = [""]
    for char in word:
        guesses = [guess + own for guess in guesses for own in ("aeiou" if char in _MASKS else char)]
    return [normal(guess) for guess in guesses]


def spaced(text: str) -> Iterator[Reading]:
    """All readings of letters written one at a time."""
    for pattern, signs in ((_SPACED, ""), (_SPACED_SIGNS, SIGNS)):
        for match in pattern.finditer(text):
            yield from _run(match[0], match.start(), signs)


def _parts(pattern: re.Pattern[str], chunk: str) -> list[tuple[int, int, str]]:
    return [(match.start(), match.end(), match[0]) for match in pattern.finditer(chunk)]


def _put_together(parts: list[tuple[int, int, str]]) -> list[Reading]:
    """The words of a chunk, and several in a row as one, except for scripts without blanks."""
    few = len(parts) <= _FEW
    found = [reading for part in parts if few or len(part[2]) > 1 for reading in _spelt(*part)]
    parts = [part for part in parts if not _UNSPACED_WORD.match(part[2])]
    if len(parts) < 2:
        return found
    found += _spelt(parts[0][0], parts[-1][1], "".join(part[2] for part in parts))
    if all(len(part[2]) == 1 for part in parts):
        return found  # single letters are joined all or none; ``spaced`` reads their words
    most = _MOST_TOGETHER if len(parts) <= _MOST_PARTS else 2
    for first, (start, _, word) in enumerate(parts):
        for last in range(first + 1, min(first + most, len(parts))):
            word += parts[last][2]  # noqa: PLW2901  # joined to the next part
            if len(word) > _MOST_LETTERS:
                break
            found += _spelt(start, parts[last][1], word)
    return found


def _spelt(start: int, end: int, word: str) -> list[Reading]:
    """The readings of a word: as letters, without digits and signs around it, one letter as two, a six as a b."""
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
    """The places where letters are written one at a time, and the words that they form."""
    for pattern, signs in ((_SPACED, ""), (_SPACED_SIGNS, SIGNS)):
        for match in pattern.finditer(text):
            words = _words_of(match[0], signs)
            if words:
                yield match.start(), match.end(), ["".join(match[0][place] for place in word) for word in words]


def _words_of(run: str, signs: str) -> list[list[int]]:
    """The positions of the letters, word by word. A gap wider than the narrowest separates two words."""
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
    """The readings of a run of single letters: each of its words, and all of them joined."""
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
