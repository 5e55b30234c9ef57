"""Patterns of a blocklist, and the phrases that each stands for.

Rules of this file:
1. A pattern cannot explode. It has only literals, ``?``, ``|``, ``(?:...)`` and ``[...]``, and each of its parts stands
   for a bounded number of phrases of bounded length. So the list bounds the time of a search, whatever the text is.
2. A pattern cannot be empty: an empty one would be found everywhere.
"""

import re

#: The syntax of a pattern. A blank stands for a few characters that are not letters.
_PATTERN = re.compile(r"(?:\(\?:|[^\W_]|[ '|?)-]|\[[^\W\d_]+\])+")

#: The tokens of a pattern: a bracket, a set of letters, a single sign, a run of literals without a ``?`` after it.
_TOKENS = re.compile(r"\(\?:|\[[^\]]+\]|[|?)]|[^\W_](?=\?)|[ '-](?=\?)|(?:[^\W_ '-](?!\?)|[ '-](?!\?))+|.")

#: A pattern that is a single phrase of plain words.
_PLAIN = re.compile(r"(?=.{1,300}$)[^\W_]+(?: [^\W_]+)*")

#: Where a pattern may be split, or must not be. A blank with a ``?`` after it is optional, so it does not split.
_JOINTS = re.compile(r"([()|]| (?!\?))")
_LETTER = re.compile(r"[^\W_]")

#: A ``?`` with nothing optional before it.
_STRAY = re.compile(r"(?:^|[|?]|\(\?:)\?")

#: Bounds of one pattern: its characters, and the phrases that it stands for.
MOST_CHARACTERS, MOST_PHRASES = 300, 2000


class PatternError(ValueError):
    """A pattern that cannot be used. The text says what is wrong, and quotes nothing of the pattern."""


def parts(pattern: str) -> list[list[str]]:
    """Split a pattern into consecutive parts, each with the phrases that it stands for. Raises PatternError.

    It is split at its mandatory blanks: the phrases of the parts are few, while those of the whole would be many.
    """
    if _PLAIN.fullmatch(pattern):
        return [[word] for word in pattern.split(" ")]
    if len(pattern) > MOST_CHARACTERS or not _PATTERN.fullmatch(pattern):
        raise PatternError("may hold letters, digits, blanks, ' - ? | (?:...) and [...] only")
    split = _split(pattern)
    if len(split) > 1:
        try:
            return [_phrases(part) for part in split]
        except PatternError:
            pass  # a part may be empty even if the whole is not
    return [_phrases(pattern)]


def _split(pattern: str) -> list[str]:
    split, depth = [""], 0
    for sign in _JOINTS.split(pattern):
        depth += (sign == "(") - (sign == ")")
        if sign == "|" and depth == 0:
            return [pattern]  # a bar at the top level applies to the whole pattern
        if sign == " " and depth == 0:
            split.append("")
        else:
            split[-1] += sign
    return split


def _phrases(pattern: str) -> list[str]:
    """All phrases that a part stands for. Raises PatternError if its syntax is wrong or a phrase has no letter."""
    if _STRAY.search(pattern):
        raise PatternError("a bracket or a ? stands where it means nothing")
    tokens = _TOKENS.findall(pattern)
    found = _alternatives(tokens)
    if tokens:
        raise PatternError("a bracket or a ? stands where it means nothing")
    if not all(map(_LETTER.search, found)):
        raise PatternError("would be found everywhere")
    return found


def _alternatives(tokens: list[str]) -> list[str]:
    """The phrases of alternatives between bars, up to a closing bracket or the end. Consumes ``tokens``."""
    found = _sequence(tokens)
    while tokens and tokens[0] == "|":
        tokens.pop(0)
        found += _sequence(tokens)
        _bound(len(found))
    return list(dict.fromkeys(found))


def _sequence(tokens: list[str]) -> list[str]:
    found = [""]
    while tokens and tokens[0] not in {"|", ")"}:
        options = _item(tokens)
        if tokens and tokens[0] == "?":
            tokens.pop(0)
            options = ["", *options]
        _bound(len(found) * len(options))
        found = [before + option for before in found for option in options]
    return found


def _item(tokens: list[str]) -> list[str]:
    part = tokens.pop(0)
    if part == "(?:":
        options = _alternatives(tokens)
        if not tokens:
            raise PatternError("a bracket or a ? stands where it means nothing")
        tokens.pop(0)
        return options
    return list(part[1:-1]) if part[0] == "[" else [part]


def _bound(count: int) -> None:
    if count > MOST_PHRASES:
        raise PatternError(f"stands for more than {MOST_PHRASES} phrases")
