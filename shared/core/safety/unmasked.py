"""A text for a service that reads the sense: as it would have been written without a disguise.

Rules of this file:
1. It is read beside what the user wrote, and never instead of it: a reading may be wrong, and then it costs one look.
2. Where nothing is disguised there is no other reading, and nothing is asked: a word of one script stays as it is, with
   its accents, whatever language it is of; so do numbers, units, abbreviations and emoji.
3. What is disguised is folded (folding.py) word by word: look-alikes, what is not seen between letters, signs for
   letters, letters one at a time, letters stretched; what is hidden stands in its place.
"""

import functools
import re
import unicodedata

from shared.core.safety.folding import faces, folded, is_unseen
from shared.core.safety.spelling import SIGNS, normal, spaced_runs

_CHUNK = re.compile(r"\S+")

#: A sign or a digit between letters: "p0rn". A number before or after them is a unit, a name, a year.
_SIGN_WITHIN = re.compile(rf"[^\W\d_][0-9{re.escape(SIGNS)}]+(?=[^\W\d_])")
#: What has signs, digits and runs of its own: an address, of mail or of the web.
_ADDRESS = re.compile(r"\S*(?:@\S+\.|www\.|://)\S*")
#: An id, a digest, a colour: digits and the letters that are digits too. No word of the list is written with these.
_HEX = re.compile(r"[#({\[]?(?:[0-9a-f]{6,}|[0-9a-f]{4,}(?:-[0-9a-f]{4,})+)[)}\]]?[.,;:!?]?", re.IGNORECASE)
#: So many letters are a word with signs in it; fewer are a name, such as b2b.
_LEAST_LETTERS = 3
_STRETCHED = re.compile(r"([^\W\d_])\1\1+")

#: Scripts that a word is either of or not; what stands in several of them is written to look like one.
_ALPHABETS = (
    "LATIN",
    "CYRILLIC",
    "GREEK",
    "ARMENIAN",
    "COPTIC",
    "CHEROKEE",
    "LISU",
    "CANADIAN",
    "DESERET",
    "OSAGE",
    "GOTHIC",
)
#: Those in which whole words look Latin, and in which people write.
_LIVING = frozenset({"CYRILLIC", "GREEK", "ARMENIAN"})

#: What the name of such a character says.
_FANCY = re.compile(
    r"^(?:MATHEMATICAL|FULLWIDTH LATIN|(?:NEGATIVE )?(?:CIRCLED|SQUARED) LATIN|PARENTHESIZED LATIN|DOUBLE-STRUCK|"
    r"REGIONAL INDICATOR|SCRIPT (?:SMALL|CAPITAL)|BLACK-LETTER)|SMALL CAPITAL|^(?:SUB|SUPER)SCRIPT LATIN|"
    r"^MODIFIER LETTER SMALL"
)

#: Of so many characters it is remembered what they are.
_REMEMBERED = 4096

#: So many letters one at a time are a word; three may be an abbreviation.
_LEAST_SPACED = 4


def unmasked(text: str) -> str:
    """The text without its disguises; empty where it has none."""
    # Of several faces the first that differs: with what is hidden in its place, or as it is turned.
    face = next((face for face in faces(text) if face != text), text)
    latin = _is_mostly_latin(face)
    words = _CHUNK.sub(lambda chunk: _unmasked(chunk[0], latin=latin), face)
    made = _together(words)
    return "" if made == text else made


def _unmasked(chunk: str, *, latin: bool) -> str:
    """One chunk; as it is where nothing of it is odd."""
    if not (_is_spelt_oddly(chunk) or (not chunk.isascii() and _is_odd(chunk, latin=latin))):
        return chunk
    plain = _STRETCHED.sub(r"\1", folded(chunk))
    return normal(plain) if _SIGN_WITHIN.search(plain) else plain


def _is_spelt_oddly(chunk: str) -> bool:
    """Whether signs stand for letters, or letters are stretched."""
    if (
        not (_SIGN_WITHIN.search(chunk) or _STRETCHED.search(chunk))
        or _ADDRESS.fullmatch(chunk)
        or _HEX.fullmatch(chunk)
    ):
        return False
    return sum(map(str.isalpha, chunk)) >= _LEAST_LETTERS


def _is_mostly_latin(text: str) -> bool:
    if text.isascii():
        return True
    dead_letters = [char for char in text if char.isalpha()]
    return 2 * sum(char <= "\u024f" for char in dead_letters) > len(dead_letters)


def _is_odd(chunk: str, *, latin: bool) -> bool:
    """Whether a chunk is not written as its language writes: letters of several alphabets or of none, or unseen."""
    composed = unicodedata.normalize("NFC", chunk)
    dead_letters = [char for char in composed if char.isalpha()]
    alphabets = {_alphabet(char) for char in dead_letters} - {""}
    if len(alphabets) > 1 or _is_fancy(composed):
        return True
    if not alphabets:
        return False
    if _has_unseen_within(composed):
        return True
    plain = folded(composed)
    whole = alphabets != {"LATIN"} and plain.isascii() and len(dead_letters) > 2
    return whole and (latin or not alphabets & _LIVING)


@functools.lru_cache(maxsize=_REMEMBERED)
def _alphabet(char: str) -> str:
    if char.isascii():
        return "LATIN"
    first = unicodedata.name(char, "").partition(" ")[0]
    return first if first in _ALPHABETS else ""


def _is_fancy(chunk: str) -> bool:
    """Two or more characters that stand for a letter by a look of their own: mathematical, fullwidth, in circles."""
    return sum(map(_is_fancy_character, chunk)) > 1


@functools.lru_cache(maxsize=_REMEMBERED)
def _is_fancy_character(char: str) -> bool:
    return not char.isascii() and _FANCY.search(unicodedata.name(char, "")) is not None


def _has_unseen_within(chunk: str) -> bool:
    places = [place for place, char in enumerate(chunk) if char.isalpha()]
    between = chunk[places[0] : places[-1] + 1] if places else ""
    return any(is_unseen(char) for char in between)


def _together(text: str) -> str:
    """Letters written one at a time, as words."""
    made, at = [], 0
    for start, end, words in spaced_runs(text):
        if max(map(len, words)) >= _LEAST_SPACED and start >= at and folded("".join(words)).isascii():
            made += [text[at:start], " ".join(words)]
            at = end
    return "".join(made) + text[at:] if made else text
