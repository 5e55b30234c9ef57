"""The own term list: words that are refused wherever they stand as words. It costs nothing and runs first.

Rules of this file:
1. The list is data (terms.toml), checked whole when it is read. It is for what is never wanted; what depends on the
   sense is for the other screeners.
2. A term is a word of its own: letters before or after it make it another word. An innocent phrase that contains a
   term is taken out before anything is looked for.
3. A pattern cannot explode: literals, ``?``, ``|``, ``(?:...)`` and ``[...]`` are all there is. Without repetition the
   steps at one place of the text are bounded by the pattern alone, whatever a stranger writes.
4. One expression of all terms is made when the list is read, which is the first thing that a new worker waits for;
   those of the kinds when a text has a term, which is rare. So a list costs 7 ms, and not 16.
"""

import functools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.core.folding import folded, readings
from shared.core.moderation import MOST_SEVERE, TERMS, Category, Topic, Verdict

#: What a pattern may be made of; a blank stands for one to three signs that are no letters.
_PATTERN = re.compile(r"(?:\(\?:|[^\W_]|[ '|?)-]|\[[^\W\d_]+\])+")
_GAP, _NO_GAP_OR_ONE = r"[\W_]{1,3}", r"[\W_]{0,3}"

#: A ``?`` with nothing before it that could be there or not.
_STRAY = re.compile(r"(?:^|[|?]|\(\?:)\?")

#: Bounds of the list, so that its time is bounded as well.
_MOST_TERMS, _MOST_CHARACTERS = 2000, 300


class TermsError(ValueError):
    """The term list cannot be used; the text names the file and the place, and no term."""


@dataclass(frozen=True, slots=True)
class _Group:
    """The terms of one kind: what a hit means, and the patterns."""

    category: Category | None
    severity: int
    topic: Topic | None
    words: tuple[str, ...]

    @property
    def expression(self) -> re.Pattern[str]:
        """One expression for all of them, made when it is first asked for."""
        return _expression(self.words)


@dataclass(frozen=True, slots=True)
class TermList:
    """All terms, ready to be looked for."""

    version: str
    groups: tuple[_Group, ...]
    anything: re.Pattern[str]
    innocent: re.Pattern[str] | None

    @classmethod
    def parse(cls, text: str, file: str = "terms.toml") -> "TermList":
        """Read a term list from TOML; TermsError on the first thing that is wrong."""
        try:
            raw = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise TermsError(f"{file}: not TOML: {error}") from error
        version, terms = raw.get("version"), raw.get("terms")
        if not isinstance(version, str) or not version or not isinstance(terms, list) or not terms:
            raise TermsError(f"{file}: version must be a text, and terms a list of tables")
        patterns: dict[tuple[Category | None, int, Topic | None], list[str]] = {}
        places: dict[str, list[str]] = {}
        for number, table in enumerate(terms, start=1):
            where = f"{file}, terms {number}"
            places[where] = _words(where, table)
            patterns.setdefault(_meaning(where, table), []).extend(places[where])
        where = f"{file}, innocent"
        innocent = places[where] = _words(where, {"words": raw.get("innocent", [])}, may_be_empty=True)
        groups = tuple(_Group(*meaning, tuple(words)) for meaning, words in patterns.items())
        anything = _expression(tuple(word for group in groups for word in group.words))
        harmless = _expression(tuple(innocent)) if innocent else None
        if anything.search("") or (harmless and harmless.search("")):
            raise _found_everywhere(places)
        return cls(version, groups, anything, harmless)

    def look(self, text: str) -> Verdict:
        """What of the list stands in a text: a severity only for categories that were found, and topics."""
        severities: dict[Category, int] = {}
        topics: set[Topic] = set()
        for reading in readings(text):
            if self.anything.search(reading) is None:
                continue  # nearly always: the groups are asked only where there is something to find
            cleared = self.innocent.sub(" ", reading) if self.innocent else reading
            for group in self.groups:
                if group.expression.search(cleared) is None:
                    continue
                if group.topic is not None:
                    topics.add(group.topic)
                if group.category is not None:
                    severities[group.category] = max(group.severity, severities.get(group.category, 0))
        return Verdict(severities, frozenset(topics), screeners=(TERMS,))


def _meaning(where: str, table: Mapping[str, Any]) -> tuple[Category | None, int, Topic | None]:
    """What a hit of these terms means: a category with a severity, or a topic."""
    if "topic" in table:
        topics = {topic.value: topic for topic in Topic}
        if table["topic"] not in topics:
            raise TermsError(f"{where}, topic: must be one of {', '.join(sorted(topics))}")
        return None, 0, topics[table["topic"]]
    categories = {category.value: category for category in Category}
    if table.get("category") not in categories:
        raise TermsError(f"{where}, category: must be one of {', '.join(categories)}, or there must be a topic")
    severity = table.get("severity")
    if not isinstance(severity, int) or isinstance(severity, bool) or not 1 <= severity <= MOST_SEVERE:
        raise TermsError(f"{where}, severity: must be from 1 to {MOST_SEVERE}")
    return categories[table["category"]], severity, None


def _words(where: str, table: object, *, may_be_empty: bool = False) -> list[str]:
    words = table.get("words") if isinstance(table, dict) else None
    if not isinstance(words, list) or not (words or may_be_empty) or len(words) > _MOST_TERMS:
        raise TermsError(f"{where}, words: must be a list of 1 to {_MOST_TERMS} patterns")
    for number, word in enumerate(words, start=1):
        if not isinstance(word, str) or len(word) > _MOST_CHARACTERS or not _PATTERN.fullmatch(word):
            raise TermsError(
                f"{where}, word {number}: may hold letters, digits, blanks, ' - ? | (?:...) and [...] only"
            )
        if not _is_whole(word):
            raise TermsError(f"{where}, word {number}: a bracket or a ? stands where it means nothing")
    return words


def _is_whole(word: str) -> bool:
    """Whether a pattern is one by itself: as one of many it must not end what another has begun."""
    depth = 0
    for bracket in re.findall(r"[()]", word):
        depth += 1 if bracket == "(" else -1
        if depth < 0:
            return False
    return depth == 0 and not _STRAY.search(word)


def _found_everywhere(places: Mapping[str, list[str]]) -> TermsError:
    """Says which pattern also stands for nothing at all."""
    for where, words in places.items():
        for number, word in enumerate(words, start=1):
            if _expression((word,)).search(""):
                return TermsError(f"{where}, word {number}: would be found everywhere")
    raise AssertionError("one of them is found in nothing, or all together would not be")


@functools.lru_cache(maxsize=64)
def _expression(words: tuple[str, ...]) -> re.Pattern[str]:
    """One expression for all words, folded as the text will be, between places where a word begins and ends."""
    alternatives = "|".join(folded(word).replace(" ?", _NO_GAP_OR_ONE).replace(" ", _GAP) for word in words)
    return re.compile(rf"(?<![^\W_])(?:{alternatives})(?![^\W_])")
