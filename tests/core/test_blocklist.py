"""The blocklist: what it finds in any spelling, what it does not refuse, and how long a search takes."""

import json
import random
import re
import statistics
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.safety.blocklist import Blocklist, BlocklistError
from shared.core.safety.folding import folded
from shared.core.safety.moderation import Category, Topic
from shared.core.safety.spelling import of_chunk, spaced

FILE = Path(__file__).parents[2] / "shared" / "core" / "safety" / "blocklist.toml"
BLOCKLIST = Blocklist.parse(FILE.read_text(encoding="utf-8"))
CASES: list[dict[str, Any]] = tomllib.loads(
    Path(__file__).with_name("moderation_cases.toml").read_text(encoding="utf-8")
)["cases"]


def text_of(case: dict[str, Any]) -> str:
    """The text of a case: its text as often as the case says, and then its ending."""
    text: str = case["text"] * case.get("repeat", 1) + case.get("then", "")
    return text


def is_found(text: str) -> bool:
    """Whether the list refuses a text."""
    assessment = BLOCKLIST.look(text)
    return bool(assessment.severities or assessment.topics)


def test_there_are_cases_enough_of_every_kind() -> None:
    """There are at least 150 cases, and some of each trick."""
    kinds = [case["kind"] for case in CASES]
    assert len(CASES) >= 150
    for kind in ("safe", "unsafe", "leet", "homoglyph", "zero-width", "mixed", "innocent", "empty", "huge"):
        assert kinds.count(kind) >= 5, kind


@pytest.mark.parametrize("case", CASES, ids=[f"{case['kind']} {number}" for number, case in enumerate(CASES)])
def test_every_case_is_judged_as_it_should_be(case: dict[str, Any]) -> None:
    """The list alone decides; no service is asked."""
    assert is_found(text_of(case)) == (case["blocklist"] == "refused")


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("p0rn", Category.SEXUAL),
        ("kill myself", Category.SELF_HARM),
        ("sieg heil", Category.HATE),
        ("snuff film", Category.VIOLENCE),
    ],
)
def test_a_hit_has_its_category_at_high_severity(text: str, category: Category) -> None:
    """The hit says nothing of the other categories."""
    assert BLOCKLIST.look(text).severities == {category: 6}


def test_a_topic_is_found_beside_a_category() -> None:
    """One text may have both."""
    assessment = BLOCKLIST.look("child porn")
    assert assessment.topics == {Topic.MINORS}
    assert assessment.severities == {Category.SEXUAL: 6}


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    """No text raises an error, and folding twice equals folding once."""
    BLOCKLIST.look(text)
    assert folded(folded(text)) == folded(text)


@given(st.text("porn \u200b\u0301", max_size=60), st.text(max_size=60))
def test_what_stands_around_a_term_does_not_hide_it(before: str, after: str) -> None:
    """A blank line on both sides makes it a word of its own, whatever else is there."""
    assert is_found(f"{before}\n\nhentai\n\n{after}")


HOSTILE = {
    "stretched": "aaaa " * 100,
    "spaced": "a " * 250,
    "nearly spaced": "a. " * 166,
    "ones": "1l|!" * 125,
    "leet": "h3ll0 w0rld " * 41,
    "nearly a term": "how to make a " * 36,
    "nearly terms": "nude little young " * 28,
    "marks": "e\u0301\u0302\u0303" * 125,
    "look-alikes": "\u0430\u0435\u043e" * 166,
    "brackets": "(?:" * 166,
    "underscores": "_" * 500,
    "blanks": " " * 500,
}


def milliseconds(text: str, times: int) -> list[float]:
    """CPU milliseconds of each of so many searches; other processes do not count."""
    taken = []
    for _ in range(times):
        began = time.process_time()
        BLOCKLIST.look(text)
        taken.append((time.process_time() - began) * 1000)
    return taken


def test_500_characters_take_less_than_a_millisecond() -> None:
    """The median counts, because single searches are slower on a busy machine."""
    words = ["a", "beautiful", "sunset", "over", "highly", "detailed", "8k", "50mm", "by", "schöner", "Abend", "закат"]
    chosen = random.Random(1)
    prompts = [" ".join(chosen.choice(words) for _ in range(100))[:500] for _ in range(20)]
    assert statistics.median(ms for prompt in prompts for ms in milliseconds(prompt, 10)) < 1


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_texts_take_no_longer_than_their_length(kind: str) -> None:
    """Ten times the text takes about ten times as long, so no pattern explodes."""
    text = HOSTILE[kind]
    short, long = min(milliseconds(text, 5)), min(milliseconds(text * 10, 3))
    assert long < 40 * max(short, 0.05)
    assert long < 100


@pytest.mark.parametrize(
    ("chunk", "read"),
    [
        ("kite", {"kite"}),
        ("kite,", {"kite"}),
        ("8k!", {"bk", "k", "bki", "ki"}),
        ("h3nny", {"henny"}),
        ("s6", {"sg", "sb", "s"}),
        ("burn", {"burn", "bum"}),
        ("ki-te", {"ki", "te", "kite"}),
        ("n()t", {"no", "n", "t", "not"}),
        ("n*t", {"n", "t", "nt", "nat", "net", "nit", "not", "nut"}),
        ("(k)(i)t", {"k", "i", "t", "kit"}),
        ("k@i@t@e", {"kite", "kaiatae"}),
        ("山kite山", {"山", "kite"}),
    ],
)
def test_a_chunk_is_read_in_each_way(chunk: str, read: set[str]) -> None:
    """A plain text is read once; a text that may be disguised is also read without its disguises."""
    assert {reading.letters for reading in of_chunk(chunk)} == read


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a kite", set()),
        ("n o s h", {"nosh"}),
        ("a n.o.s.h", {"anosh", "nosh"}),
        ("n   o   s   h", {"nosh"}),
        ("n o s h  p o t", {"nosh", "pot", "noshpot"}),
        ("n 0 s $", {"nos", "noss"}),
    ],
)
def test_what_is_written_one_letter_at_a_time_is_put_together(text: str, read: set[str]) -> None:
    """A wider gap ends a word, and an article before the word may not belong to it."""
    assert {reading.letters for reading in spaced(text)} == read


def listed(terms: str, innocent: str = "[]") -> str:
    """A term list with these groups."""
    return f'version = "1"\ninnocent = {innocent}\n{terms}'


GROUP = '[[terms]]\ntopic = "crime"\nwords = '


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("version = 1", "version"),
        ('version = "1"', "terms"),
        ("[[[", "not TOML"),
        (listed(GROUP + "[]"), "terms 1, words"),
        (listed(GROUP + '["a+"]'), "word 1"),
        (listed(GROUP + '["ok", "(a*)*"]'), "word 2"),
        (listed(GROUP + '["a{9}"]'), "word 1"),
        (listed(GROUP + '["(a"]'), "word 1"),
        (listed(GROUP + '["a)", "(?:b"]'), "word 1"),
        (listed(GROUP + '["ok", "(?:a", "b)"]'), "word 2"),
        (listed(GROUP + '["a)(?:b"]'), "word 1"),
        (listed(GROUP + '["ok", "?a"]'), "word 2"),
        (listed(GROUP + '["a|?b"]'), "word 1"),
        (listed(GROUP + '["(?:?a)"]'), "word 1"),
        (listed(GROUP + '["a??"]'), "word 1"),
        (listed(GROUP + '["a?"]'), "found everywhere"),
        (listed(GROUP + '["ok"]\n' + GROUP + '["ok", "(?:a|(?:b?c?))"]'), "terms 2, word 2: would be found everywhere"),
        (listed(GROUP + '["ok"]', '["b", "c|"]'), "innocent, word 2: would be found everywhere"),
        (listed(GROUP + '["\\\\w"]'), "word 1"),
        (listed(GROUP + '["."]'), "word 1"),
        (listed('[[terms]]\nwords = ["a"]'), "category"),
        (listed('[[terms]]\ntopic = "weather"\nwords = ["a"]'), "topic"),
        (listed('[[terms]]\ncategory = "Hate"\nwords = ["a"]'), "severity"),
        (listed('[[terms]]\ncategory = "Hate"\nseverity = 8\nwords = ["a"]'), "severity"),
        (listed(GROUP + '["a"]', '["b*"]'), "innocent"),
    ],
)
def test_a_bad_list_names_its_place_and_never_a_term(text: str, named: str) -> None:
    """The error names the place, and patterns that could explode are refused."""
    with pytest.raises(BlocklistError) as caught:
        Blocklist.parse(text, file="mine.toml")
    assert str(caught.value).startswith("mine.toml")
    assert named in str(caught.value)


@given(st.lists(st.sampled_from(["a", "b", " ", "'", "-", "?", "|", "(?:", ")", "[xy]"]), min_size=1, max_size=8))
def test_an_accepted_term_is_a_valid_expression(parts: list[str]) -> None:
    """Any combination of the allowed signs is refused with its place, or compiles and searches."""
    word = "".join(parts)
    refused = ""
    try:
        terms = Blocklist.parse(listed(GROUP + json.dumps([word, "marker"])))
    except BlocklistError as error:
        refused = str(error)
    if refused:
        assert "word 1" in refused
        return
    assert re.fullmatch(word, "") is None
    assert terms.look("a marker in it").topics == {Topic.CRIME}


def test_a_blank_is_up_to_five_signs_and_may_be_none_where_it_says_so() -> None:
    """Words may have signs between them or nothing, because a model understands words that are run together."""
    terms = Blocklist.parse(listed(GROUP + '["bad thing", "bad ?word"]'))
    assert all(terms.look(text).topics for text in ("bad thing", "bad -_-_thing", "badthing", "badword", "bad.word"))
    assert not any(
        terms.look(text).topics for text in ("bad\n\n\n\n\n\nthing", "bad, sad thing", "bad" + " ." * 4 + "word")
    )


def test_the_tree_is_made_for_the_first_text() -> None:
    """The tree is built once, for the first text, so a process that screens none does not pay for it."""
    terms = Blocklist.parse(listed(GROUP + '["uncommon"]'))
    assert terms._tree == []
    terms.look("a lighthouse")
    tree = terms._tree[0]
    assert terms.look("an uncommon lighthouse").topics == {Topic.CRIME}
    assert terms._tree == [tree]


def test_an_innocent_phrase_hides_only_itself() -> None:
    """The rest of the text is searched as usual."""
    assert not is_found("an anti-porn poster")
    assert is_found("an anti-porn poster, and porn")
    assert not is_found("en kyss")
    assert is_found("kkyyss, kid")
