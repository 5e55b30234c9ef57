"""Patterns of a term list, and the phrases that each stands for.

Rules of this file:
1. A pattern cannot explode: literals, ``?``, ``|``, ``(?:...)`` and ``[...]`` are all there is, and each of its parts
   stands for a bounded number of phrases, each of a bounded length. So the time of a look is bounded by the list,
   whatever a stranger writes.
2. Nothing stands for nothing: a pattern that may be empty would be found everywhere.
"""

import re

#: What a pattern may be made of; a blank stands for a few signs that are no letters.
_PATTERN = re.compile(r"(?:\(\?:|[^\W_]|[ '|?)-]|\[[^\W\d_]+\])+")

#: The pieces of a pattern: a bracket, a set of letters, a sign of its own, a run of literals with no ``?`` behind it.
_PIECES = re.compile(r"\(\?:|\[[^\]]+\]|[|?)]|[^\W_](?=\?)|[ '-](?=\?)|(?:[^\W_ '-](?!\?)|[ '-](?!\?))+|.")

#: A pattern that is one phrase, of words alone.
_PLAIN = re.compile(r"(?=.{1,300}$)[^\W_]+(?: [^\W_]+)*")

#: Where a pattern may be parted, or is held together; a blank with a ``?`` behind it need not be there.
_JOINTS = re.compile(r"([()|]| (?!\?))")
_LETTER = re.compile(r"[^\W_]")

#: A ``?`` with nothing before it that could be there or not.
_STRAY = re.compile(r"(?:^|[|?]|\(\?:)\?")

#: Bounds of one pattern: its length, and the phrases that it stands for.
MOST_CHARACTERS, MOST_PHRASES = 300, 2000


class PatternError(ValueError):
    """A pattern that cannot be used; the text says what is wrong, and nothing of the pattern."""


def parts(pattern: str) -> list[list[str]]:
    """A pattern in parts, one after the other, and the phrases that each stands for; PatternError where it is none.

    It is parted at the blanks that have to be there: so the parts are few, and all phrases would be many.
    """
    if _PLAIN.fullmatch(pattern):
        return [[word] for word in pattern.split(" ")]
    if len(pattern) > MOST_CHARACTERS or not _PATTERN.fullmatch(pattern):
        raise PatternError("may hold letters, digits, blanks, ' - ? | (?:...) and [...] only")
    pieces = _parted(pattern)
    if len(pieces) > 1:
        try:
            return [_phrases(piece) for piece in pieces]
        except PatternError:
            pass  # a part may be empty where the whole is not
    return [_phrases(pattern)]


def _parted(pattern: str) -> list[str]:
    pieces, depth = [""], 0
    for sign in _JOINTS.split(pattern):
        depth += (sign == "(") - (sign == ")")
        if sign == "|" and depth == 0:
            return [pattern]  # what stands beside the bar is the whole of it
        if sign == " " and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += sign
    return pieces


def _phrases(pattern: str) -> list[str]:
    """All phrases that a part stands for; PatternError where it is none, or one of them would be no word."""
    if _STRAY.search(pattern):
        raise PatternError("a bracket or a ? stands where it means nothing")
    pieces = _PIECES.findall(pattern)
    found = _alternatives(pieces)
    if pieces:
        raise PatternError("a bracket or a ? stands where it means nothing")
    if not all(map(_LETTER.search, found)):
        raise PatternError("would be found everywhere")
    return found


def _alternatives(pieces: list[str]) -> list[str]:
    """The phrases of what stands between bars, up to a closing bracket or the end; ``pieces`` are used up."""
    found = _sequence(pieces)
    while pieces and pieces[0] == "|":
        pieces.pop(0)
        found += _sequence(pieces)
        _bound(len(found))
    return list(dict.fromkeys(found))


def _sequence(pieces: list[str]) -> list[str]:
    found = [""]
    while pieces and pieces[0] not in {"|", ")"}:
        options = _item(pieces)
        if pieces and pieces[0] == "?":
            pieces.pop(0)
            options = ["", *options]
        _bound(len(found) * len(options))
        found = [before + option for before in found for option in options]
    return found


def _item(pieces: list[str]) -> list[str]:
    piece = pieces.pop(0)
    if piece == "(?:":
        options = _alternatives(pieces)
        if not pieces:
            raise PatternError("a bracket or a ? stands where it means nothing")
        pieces.pop(0)
        return options
    return list(piece[1:-1]) if piece[0] == "[" else [piece]


def _bound(count: int) -> None:
    if count > MOST_PHRASES:
        raise PatternError(f"stands for more than {MOST_PHRASES} phrases")
