"""The blocklist: terms that are refused wherever they occur as words. It costs nothing, so it is the first screener.

Rules of this file:
1. The list is data (blocklist.toml), checked completely when it is read. It is for terms that are never wanted. Terms
   that depend on their sense are for the other screeners.
2. A term is one or more whole words: with letters before or after it, it is another word. A term that overlaps an
   innocent phrase does not count.
3. Some words are harmless alone but not together. ``near`` names lists of words: one word of each list, in any order,
   within a number of words of a text, is a term.
4. A list becomes a tree of words when the first text is assessed. Each word of a text is looked up in it by its key, in
   every reading (spelling.py). So the time grows with the text, and hardly with the list.
"""

import itertools
import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from shared.core.safety.folding import faces, folded
from shared.core.safety.moderation import BLOCKLIST, MOST_SEVERE, Assessment, Category, Topic
from shared.core.safety.patterns import PatternError, parts
from shared.core.safety.spelling import Reading, chunks, fits, key, normal, of_chunk, spaced

#: Bounds of the list, which bound its time too.
_MOST_TERMS, _MOST_NEAR, _MOST_WITHIN = 2000, 4, 20

#: How many characters may stand between the words of a term.
_GAP = 5

#: A term of up to ``_MOST_JOINED`` words, with at least ``_JOINED`` letters, is found without gaps too.
_JOINED, _MOST_JOINED, _MOST_JOINED_PHRASES = 6, 3, 100

#: How many chunks of texts are cached with their readings, and the longest chunk that is cached.
_REMEMBERED_CHUNKS, _REMEMBERED_CHARACTERS = 5000, 24

#: How many words after the first hit of a near group are examined.
_MOST_NEAR_HITS = 50

_WORD = re.compile(r"[^\W_]+")
_INNOCENT = -1


#: A pattern in consecutive parts: for each part, the phrases that it stands for.
_Pattern = tuple[tuple[str, ...], ...]


class BlocklistError(ValueError):
    """The blocklist cannot be used. The text names the file and the place, never a term."""


@dataclass(frozen=True, slots=True)
class _Group:
    """The terms of one kind: the meaning of a hit, and the lists of patterns that all have to occur."""

    category: Category | None
    severity: int
    topic: Topic | None
    lists: tuple[tuple[_Pattern, ...], ...]
    within: int = 0


class _Hit(NamedTuple):
    """A phrase found in a text: its place, its group, and its list within the group."""

    start: int
    end: int
    group: int
    part: int


class _Word(NamedTuple):
    """A word of a text that is in the tree: its place, its letters, and their key."""

    start: int
    end: int
    letters: str
    key: str


class _Node:
    """A node in the tree of words: the phrases that end here, and the words that continue."""

    __slots__ = ("ends", "words")

    def __init__(self) -> None:
        self.ends: tuple[int, int] | None = None
        self.words: dict[str, list[tuple[str, _Node]]] = {}


def _letters(phrase: str) -> str:
    """The letters of a phrase, without the characters between them."""
    return "".join(_WORD.findall(phrase))


class _Tree:
    """The phrases of a list as a tree of words, with a cache of the readings of each chunk of text."""

    __slots__ = ("_chunks", "_keys", "_shared", "innocent", "root")

    def __init__(self, groups: Sequence[_Group], innocent: Iterable[_Pattern]) -> None:
        self.root = _Node()
        self._keys: set[str] = set()
        self._chunks: dict[str, tuple[_Word, ...]] = {}
        self._shared: dict[tuple[int, str], _Node] = {}
        known: dict[str, tuple[str, str]] = {}
        for number, group in enumerate(groups):
            for part, own in enumerate(group.lists):
                self._grow(own, (number, part), known, joined=len(group.lists) == 1)
        self._grow(innocent, (_INNOCENT, 0), known, joined=False)
        self.innocent = {_letters(folded(phrase)) for pattern in innocent for phrase in _whole(pattern)}

    def _grow(
        self, own: Iterable[_Pattern], end: tuple[int, int], known: dict[str, tuple[str, str]], *, joined: bool
    ) -> None:
        for pattern in own:
            node = self.root
            for number, part in enumerate(pattern, start=1):
                # One phrase begins many patterns: they share its nodes, or each pattern would be walked separately.
                if len(part) == 1 and part[0].isascii() and number < len(pattern):
                    node = self._begun(node, _WORD.findall(part[0].lower()), known)
                    continue
                after = _Node()
                for phrase in part:
                    for words in _written(phrase):
                        self._link(node, words, after, known)
                node = after
            node.ends = end
            if joined and _count(pattern) <= _MOST_JOINED_PHRASES:
                for phrase in _whole(pattern):
                    for words in _written(phrase):
                        if 1 < len(words) <= _MOST_JOINED and sum(map(len, words)) >= _JOINED:
                            self._link(self.root, ("".join(words),), node, known)

    def _begun(self, node: _Node, words: Sequence[str], known: dict[str, tuple[str, str]]) -> _Node:
        """The node after words with which other phrases may begin too."""
        for word in words:
            after = self._shared.get((id(node), word))
            if after is None:
                after = self._shared[id(node), word] = _Node()
                self._link(node, (word,), after, known)
            node = after
        return node

    def _link(self, node: _Node, words: Sequence[str], after: _Node, known: dict[str, tuple[str, str]]) -> None:
        """Add words that lead from one node to another."""
        for number, word in enumerate(words, start=1):
            found = known.get(word)
            if found is None:
                letters = normal(word)
                found = known[word] = (letters, key(letters))
                self._keys.add(found[1])
            target = after if number == len(words) else _Node()
            node.words.setdefault(found[1], []).append((found[0], target))
            node = target

    def words(self, text: str) -> Iterator[_Word]:
        """The readings of a text that are words of the tree."""
        for chunk in chunks(text):
            known = self._chunks.get(chunk[0])
            if known is None:
                known = tuple(self._among(of_chunk(chunk[0])))
                if len(chunk[0]) <= _REMEMBERED_CHARACTERS:
                    if len(self._chunks) >= _REMEMBERED_CHUNKS:
                        self._chunks.clear()
                    self._chunks[chunk[0]] = known
            at = chunk.start()
            for start, end, letters, own in known:
                yield _Word(start + at, end + at, letters, own)
        yield from self._among(spaced(text))

    def _among(self, found: Iterable[Reading]) -> Iterator[_Word]:
        for start, end, letters in dict.fromkeys(found):
            own = key(letters)
            if own in self._keys:
                yield _Word(start, end, letters, own)

    def hits(self, text: str) -> Iterator[_Hit]:
        """All phrases of the tree that occur in a text."""
        words = list(self.words(text))
        starts: dict[int, list[_Word]] = {}
        for word in words:
            starts.setdefault(word.start, []).append(word)
        nearby: dict[int, list[_Word]] = {}
        for first in words:
            ways = [(after, first) for own, after in self.root.words.get(first.key, ()) if fits(first.letters, own)]
            seen: set[tuple[int, int]] = set()
            while ways:
                node, last = ways.pop()
                if (id(node), last.end) in seen:
                    continue
                seen.add((id(node), last.end))
                if node.ends is not None:
                    yield _Hit(first.start, last.end, *node.ends)
                if node.words:
                    if last.end not in nearby:
                        nearby[last.end] = _after(starts, last.end)
                    ways += _on(node, nearby[last.end])


def _after(starts: Mapping[int, Sequence[_Word]], end: int) -> list[_Word]:
    """The words that begin within a few characters after a place."""
    return [word for place in range(end, end + _GAP + 1) for word in starts.get(place, ())]


def _on(node: _Node, nearby: Iterable[_Word]) -> Iterator[tuple[_Node, _Word]]:
    for word in nearby:
        for own, after in node.words.get(word.key, ()):
            if fits(word.letters, own):
                yield after, word


def _count(pattern: _Pattern) -> int:
    return math.prod(map(len, pattern))


def _whole(pattern: _Pattern) -> Iterator[str]:
    """All phrases that a pattern stands for."""
    return map(" ".join, itertools.product(*pattern))


def _written(phrase: str) -> Iterable[tuple[str, ...]]:
    """The folded words of a phrase. A non-ASCII letter may fold differently in upper case: both forms count."""
    if phrase.isascii():
        return (tuple(_WORD.findall(phrase.lower())),)
    return dict.fromkeys(tuple(_WORD.findall(folded(case))) for case in (phrase, phrase.upper(), phrase.title()))


@dataclass(frozen=True, slots=True)
class Blocklist:
    """All terms, ready to assess texts."""

    version: str
    groups: tuple[_Group, ...]
    innocent: tuple[_Pattern, ...]
    _tree: list[_Tree] = field(default_factory=list)

    @classmethod
    def parse(cls, text: str, file: str = "blocklist.toml") -> "Blocklist":
        """Read a blocklist from TOML. Raises BlocklistError for the first problem."""
        try:
            raw = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise BlocklistError(f"{file}: not TOML: {error}") from error
        version, terms, near = raw.get("version"), raw.get("terms"), raw.get("near", [])
        if not isinstance(version, str) or not version or not isinstance(terms, list) or not terms:
            raise BlocklistError(f"{file}: version must be a text, and terms a list of tables")
        if not isinstance(near, list):
            raise BlocklistError(f"{file}: near must be a list of tables")
        groups = [_single(f"{file}, terms {number}", table) for number, table in enumerate(terms, start=1)]
        groups += [_together(f"{file}, near {number}", table) for number, table in enumerate(near, start=1)]
        innocent = _words(f"{file}, innocent", {"words": raw.get("innocent", [])}, may_be_empty=True)
        return cls(version, tuple(groups), innocent)

    def look(self, text: str) -> Assessment:
        """Assess a text: a severity for each category that was found, and the topics."""
        severities: dict[Category, int] = {}
        topics: set[Topic] = set()
        for face in faces(text):
            for group in self._found(folded(face)):
                if group.topic is not None:
                    topics.add(group.topic)
                if group.category is not None:
                    severities[group.category] = max(group.severity, severities.get(group.category, 0))
        return Assessment(severities, frozenset(topics), screeners=(BLOCKLIST,))

    def _found(self, text: str) -> set[_Group]:
        if not self._tree:
            self._tree.append(_Tree(self.groups, self.innocent))
        hits = list(self._tree[0].hits(text))
        # An innocent word counts only as it is written: with an extra letter it is the term that it disguises.
        innocent = [
            hit
            for hit in hits
            if hit.group == _INNOCENT and _letters(text[hit.start : hit.end]) in self._tree[0].innocent
        ]
        guilty: dict[int, list[_Hit]] = {}
        for hit in hits:
            if hit.group != _INNOCENT and not any(hit.start < own.end and hit.end > own.start for own in innocent):
                guilty.setdefault(hit.group, []).append(hit)
        return {self.groups[number] for number, own in guilty.items() if _is_whole(self.groups[number], own, text)}


def _is_whole(group: _Group, hits: list[_Hit], text: str) -> bool:
    """Whether a hit of each list of a group is there, within the group's number of words."""
    if len(group.lists) == 1:
        return True
    ordered = sorted(hits)
    for number, hit in enumerate(ordered):
        there, end = {hit.part}, hit.end
        for other in ordered[number + 1 : number + 1 + _MOST_NEAR_HITS]:
            if other.part in there or other.start < end:
                continue
            if len(text[hit.end : other.start].split()) > group.within:
                break
            there.add(other.part)
            end = other.end
        if len(there) == len(group.lists):
            return True
    return False


def _single(where: str, table: object) -> _Group:
    words = _words(where, table)
    return _Group(*_meaning(where, table), (words,))


def _together(where: str, table: object) -> _Group:
    lists = table.get("all") if isinstance(table, dict) else None
    if not isinstance(table, dict) or not isinstance(lists, list) or not 2 <= len(lists) <= _MOST_NEAR:
        raise BlocklistError(f"{where}, all: must be 2 to {_MOST_NEAR} lists of patterns")
    within = table.get("within")
    if not isinstance(within, int) or isinstance(within, bool) or not 1 <= within <= _MOST_WITHIN:
        raise BlocklistError(f"{where}, within: must be from 1 to {_MOST_WITHIN} words")
    lists_ = tuple(_words(f"{where}, list {number}", {"words": own}) for number, own in enumerate(lists, start=1))
    return _Group(*_meaning(where, table), lists_, within)


def _meaning(where: str, raw: object) -> tuple[Category | None, int, Topic | None]:
    """The meaning of a hit of these terms: a category with a severity, or a topic."""
    table: Mapping[str, Any] = raw if isinstance(raw, dict) else {}
    if "topic" in table:
        topics = {topic.value: topic for topic in Topic}
        if table["topic"] not in topics:
            raise BlocklistError(f"{where}, topic: must be one of {', '.join(sorted(topics))}")
        return None, 0, topics[table["topic"]]
    categories = {category.value: category for category in Category}
    if table.get("category") not in categories:
        raise BlocklistError(f"{where}, category: must be one of {', '.join(categories)}, or there must be a topic")
    severity = table.get("severity")
    if not isinstance(severity, int) or isinstance(severity, bool) or not 1 <= severity <= MOST_SEVERE:
        raise BlocklistError(f"{where}, severity: must be from 1 to {MOST_SEVERE}")
    return categories[table["category"]], severity, None


def _words(where: str, table: object, *, may_be_empty: bool = False) -> tuple[_Pattern, ...]:
    words = table.get("words") if isinstance(table, dict) else None
    if not isinstance(words, list) or not (words or may_be_empty) or len(words) > _MOST_TERMS:
        raise BlocklistError(f"{where}, words: must be a list of 1 to {_MOST_TERMS} patterns")
    found: list[_Pattern] = []
    for number, word in enumerate(words, start=1):
        try:
            found.append(tuple(map(tuple, parts(word if isinstance(word, str) else ""))))
        except PatternError as error:
            raise BlocklistError(f"{where}, word {number}: {error}") from None
    return tuple(found)
