"""Disguises: which of them the blocklist sees through, and which texts it does not refuse.

The disguises are made by dev/disguises.py, which shares nothing with what is tested. The fixed seed is one of many:
``python3 -m dev disguises --seed N`` takes any other.
"""

import unicodedata
from pathlib import Path

import pytest

from dev import disguises, lookalikes
from shared.core.safety.blocklist import Blocklist
from shared.core.safety.folding import folded
from shared.core.safety.lookalikes import LOOKALIKES

BLOCKLIST = Blocklist.parse(disguises.BLOCKLIST_FILE.read_text(encoding="utf-8"))
SEED, COUNT = 20261128, 1000


def test_at_most_forty_of_a_thousand_disguises_pass() -> None:
    """All tricks are played, alone and in pairs, on terms of each kind and language."""
    passed = [case for case in disguises.disguises(SEED, COUNT) if not disguises.is_found(BLOCKLIST, case[2])]
    assert len(passed) <= 40, passed[:10]


def test_every_trick_is_played_and_every_term_is_one() -> None:
    """Each term is on the list and each trick changes it; otherwise the rate would measure nothing."""
    cases = list(disguises.disguises(SEED, COUNT))
    assert {name for names, _, _ in cases for name in names.split("+")} == {*disguises.TRICKS}
    assert all(disguises.is_found(BLOCKLIST, term) for term in (*disguises.FORBIDDEN, *disguises.RUSSIAN))
    assert len({text for *_, text in cases}) > COUNT * 0.9


@pytest.mark.long
def test_harmless_sentences_of_ten_languages_are_not_hit() -> None:
    """The 5,000 sentences are other people's, less those that plainly contain a word of the list."""
    found = disguises.harmless(SEED, 5000)
    if not found:
        pytest.skip("apt-get install fortunes fortunes-de fortunes-es ...: not here")
    assert len(found) >= 10
    assert sum(map(len, found.values())) >= 4500
    hit = [text for own in found.values() for text in own if disguises.is_found(BLOCKLIST, text)]
    assert [text for text in hit if not disguises.says_plainly(text)] == []
    assert len(hit) <= 10


HARMLESS = Path(__file__).with_name("harmless.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("text", HARMLESS)
def test_names_places_and_medicine_are_not_hit(text: str) -> None:
    """Words that look like terms, or are parts of disguises, in many languages; written for this project."""
    assert not disguises.is_found(BLOCKLIST, text)


@pytest.mark.parametrize(
    "text",
    [
        "(p o r n)", '"p.o.r.n"', "*p*o*r*n*", "p   o   r   n", "(p)(o)(r)(n)", "\u24ab\u24aa\u24ad\u24a9",
        "po\U000e0072\U000e006e", "p\U000e0101\U000e010forn", "po\U000e0162\U000e015e", "p\u00f8rn",
        "\u0111ild\u00f8", "kik\u0115\u0336", "fa\u01e5\u01e5ot", "\u13e2\u13be\u13d2\u039d",
        "\u2ca3\u2c9f\u2c85\u2c9b", "\ua4d1\ua4f3\ua4e3\ua4e0", "\u146d\u041e\u1587N", "henta!", "henta|", "porn1",
        "porn69", "2porn", "porn_3", "ppoorrnn", "poorrn", "p\x07o\x07rn", "p\u0378orn", "p\ue000orn",
        "p\u2603o\u2603r\u2603n", "p\u2764\ufe0forn", "\u202enrop\u202c", "a \u202enrop\u202c film",
        "p\u2009o\u2009r\u2009n", "po\u200arn", "p@o@r@n", "p/o/r/n", "p\u00b7o\u00b7r\u00b7n", "p-o-r-n site",
        "p*rn", "f*gg*t", "p()rn", "childporn", "child.porn", "k i l l  m y s e l f", "s i e g h e i l",
        "\u5c71porn\u5c71", "rnasturbating",
    ],
    ids=ascii,
)  # fmt: skip
def test_each_disguise_by_itself_is_seen_through(text: str) -> None:
    """There is one of each kind that once passed, and of similar kinds."""
    assert disguises.is_found(BLOCKLIST, text)


def test_the_table_is_what_the_package_has() -> None:
    """The table equals what its command makes, so it was not edited by hand."""
    assert lookalikes.FILE.read_text(encoding="utf-8") == lookalikes.written()


def test_every_look_alike_of_a_letter_is_folded_to_it() -> None:
    """The look-alikes are the single characters that Unicode lists as confusable with a Latin letter."""
    straight = {*"il1|!"}  # one stroke: spelling.py takes all of them for one
    for letter, chars in disguises.LOOKALIKES.items():
        alike = {letter, "\u017f"} | (straight if letter in straight else set())
        alike |= {"0"} if letter == "o" else set()
        assert [ascii(char) for char in chars if folded(char) not in alike] == [], letter


@pytest.mark.parametrize("letter", ["\u0430", "\u0416", "\u03c9", "\u00e9", "\u5c71"])
def test_folding_ends(letter: str) -> None:
    """Folding a folded text changes nothing, and no table contradicts another."""
    assert folded(folded(letter)) == folded(letter)
    for chars in LOOKALIKES.values():
        assert all(folded(folded(char)) == folded(char) for char in chars)
    assert unicodedata.unidata_version
