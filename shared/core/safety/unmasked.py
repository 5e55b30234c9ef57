"""A text without its disguises, for a screener that reads the sense.

Rules of this file:
1. It is screened in addition to what the user wrote, never instead: it may be wrong, and then costs one more call.
2. A text without a disguise has no such reading, and no call is made. A word of one script stays as it is, with its
   accents, in any language. So do numbers, units, abbreviations and emoji.
3. A disguised text is folded (folding.py) word by word: look-alikes, invisible characters between letters, signs for
   letters, letters one at a time, stretched letters. Hidden text is shown in its place.
"""

import functools
import re
import unicodedata

from shared.core.safety.folding import faces, folded, is_unseen
from shared.core.safety.spelling import SIGNS, normal, spaced_runs

_CHUNK = re.compile(r"\S+")

#: A sign or a digit between letters: "p0rn". A number before or after letters is a unit, a name or a year.
_SIGN_WITHIN = re.compile(rf"[^\W\d_][0-9{re.escape(SIGNS)}]+(?=[^\W\d_])")
#: A mail or web address: it has signs, digits and runs of letters of its own.
_ADDRESS = re.compile(r"\S*(?:@\S+\.|www\.|://)\S*")
#: An id, a digest, a colour: digits and the letters a to f. No word of the list is written with these.
_HEX = re.compile(r"[#({\[]?(?:[0-9a-f]{6,}|[0-9a-f]{4,}(?:-[0-9a-f]{4,})+)[)}\]]?[.,;:!?]?", re.IGNORECASE)
#: A word with signs in it has at least this many letters; fewer are a name, such as b2b.
_LEAST_LETTERS = 3
_STRETCHED = re.compile(r"([^\W\d_])\1\1+")

#: Scripts that are not mixed in one word. A word with letters of several is written to look like another.
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
#: Alphabets whose words can look entirely Latin, and in which people write.
_LIVING = frozenset({"CYRILLIC", "GREEK", "ARMENIAN"})

#: What the name of a styled character says.
_FANCY = re.compile(
    r"^(?:MATHEMATICAL|FULLWIDTH LATIN|(?:NEGATIVE )?(?:CIRCLED|SQUARED) LATIN|PARENTHESIZED LATIN|DOUBLE-STRUCK|"
    r"REGIONAL INDICATOR|SCRIPT (?:SMALL|CAPITAL)|BLACK-LETTER)|SMALL CAPITAL|^(?:SUB|SUPER)SCRIPT LATIN|"
    r"^MODIFIER LETTER SMALL"
)

#: How many characters are cached with their alphabet.
_REMEMBERED = 4096

#: Letters written one at a time are a word from this number on; three may be an abbreviation.
_LEAST_SPACED = 4


def unmasked(text: str) -> str:
    """The text without its disguises. Empty if it has none."""
    # The first face that differs: with hidden text in its place, or as it is displayed.
    face = next((face for face in faces(text) if face != text), text)
    latin = _is_mostly_latin(face)
    words = _CHUNK.sub(lambda chunk: _unmasked(chunk[0], latin=latin), face)
    made = _together(words)
    return "" if made == text else made


def _unmasked(chunk: str, *, latin: bool) -> str:
    """One chunk without its disguise. A chunk that is not odd stays as it is."""
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
    letters = [char for char in text if char.isalpha()]
    return 2 * sum(char <= "\u024f" for char in letters) > len(letters)


def _is_odd(chunk: str, *, latin: bool) -> bool:
    """Whether a chunk is written unlike any language: letters of several alphabets or of none, or invisible ones."""
    composed = unicodedata.normalize("NFC", chunk)
    letters = [char for char in composed if char.isalpha()]
    alphabets = {_alphabet(char) for char in letters} - {""}
    if len(alphabets) > 1 or _is_fancy(composed):
        return True
    if not alphabets:
        return False
    if _has_unseen_within(composed):
        return True
    plain = folded(composed)
    whole = alphabets != {"LATIN"} and plain.isascii() and len(letters) > 2
    return whole and (latin or not alphabets & _LIVING)


@functools.lru_cache(maxsize=_REMEMBERED)
def _alphabet(char: str) -> str:
    if char.isascii():
        return "LATIN"
    first = unicodedata.name(char, "").partition(" ")[0]
    return first if first in _ALPHABETS else ""


def _is_fancy(chunk: str) -> bool:
    """Whether two or more characters are styled letters: mathematical, fullwidth, in circles."""
    return sum(map(_is_fancy_character, chunk)) > 1


@functools.lru_cache(maxsize=_REMEMBERED)
def _is_fancy_character(char: str) -> bool:
    return not char.isascii() and _FANCY.search(unicodedata.name(char, "")) is not None


def _has_unseen_within(chunk: str) -> bool:
    places = [place for place, char in enumerate(chunk) if char.isalpha()]
    between = chunk[places[0] : places[-1] + 1] if places else ""
    return any(is_unseen(char) for char in between)


def _together(text: str) -> str:
    """Letters written one at a time, joined to words."""
    made, at = [], 0
    for start, end, words in spaced_runs(text):
        if max(map(len, words)) >= _LEAST_SPACED and start >= at and folded("".join(words)).isascii():
            made += [text[at:start], " ".join(words)]
            at = end
    return "".join(made) + text[at:] if made else text
