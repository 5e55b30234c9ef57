# ruff: noqa: RUF001  # letters that look alike are what this is about
"""The reading of a text for services that read the sense: without its disguises, and none where it has none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.safety.unmasked import unmasked


def hidden(text: str, first: int) -> str:
    """A text in characters that nobody sees."""
    return "".join(chr(first + ord(char)) for char in text)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a p0rn star", "a porn star"),
        ("h3nt4i and more", "hentai and more"),
        ("g o r e everywhere", "gore everywhere"),
        ("(n)(u)(d)(e)", "(nude)"),
        ("n.u.d.e picture", "nude picture"),
        ("k i l l   m e", "kill me"),
        ("nuuuude", "nude"),
        ("\u0440\u043ern on a beach", "porn on a beach"),
        ("\u13e2\u13be\u13d2\u039d", "porn"),
        ("\U0001d561\U0001d560\U0001d563\U0001d55f star", "porn star"),
        ("\uff50\uff4f\uff52\uff4e", "porn"),
        ("\u24dd\u24e4\u24d3\u24d4", "nude"),
        ("po\u200brn", "porn"),
        ("p\u0336o\u0336r\u0336n\u0336", "porn"),
        ("\u202enrop\u202c", "porn"),
        ("a cat" + hidden(" and gore", 0xE0000), "a cat and gore"),
        ("po" + hidden("rn", 0xE0100 - 16), "porn"),
        ("\u0441\u043e\u0441\u043a on a plate, in high detail", "cock on a plate, in high detail"),
    ],
)
def test_a_disguise_is_taken_off(text: str, read: str) -> None:
    """Word by word: what stands beside it stays as it is."""
    assert unmasked(text) == read


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A beautiful sunset, 8k, 50mm f/1.8, 35mm, 1980s, 2nd floor, mp3!!!",
        "U.S.A. and e.g. this, 5 a.m., I. P. Pavlov and J. R. R. Tolkien",
        "Ein schöner Sonnenuntergang über den Bergen, Straße 5",
        "Dvořák, Łódź, Ærø, naïve, İstanbul, Việt Nam phở",
        "Красивый закат над горами, сорт Москва, рис и сок",
        "С Новым годом, iPhone 15",
        "Ένα ελληνικό νησί",
        "Հայաստան",
        "ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ",
        "山の上の美しい夕日、日本のAnimeスタイル",
        "아름다운 산 위의 일몰",
        "می\u200cخواهم یک کوه",
        "नदी के किनारे एक मंदिर",
        "נוף הרים יפה",
        "👩\u200d👩\u200d👧 family ❤️ 🏴\U000e0067\U000e0062\U000e007f"[:-3],
        "C++ and C#, ada@example.com, www.example.com, https://example.com/a1b, $5, b2b, R2D2, h264",
        "x² + y³, ½, ™, №5, ﬁne, 1ª",
        "rock'n'roll, mother-in-law, and/or",
    ],
)
def test_what_is_no_disguise_is_read_once(text: str) -> None:
    """Any language, units, names, emoji, addresses: nobody is asked a second time."""
    assert unmasked(text) == ""


@given(st.text(max_size=80))
def test_any_text_has_a_reading(text: str) -> None:
    """Nothing that a user can write raises."""
    assert isinstance(unmasked(text), str)


@pytest.mark.parametrize("word", ["3f9a1c7e", "d005-4e1b-9c3d-000000000000", "#ff8800,", "(deadbeef00)."])
def test_an_id_or_a_digest_is_no_disguise(word: str) -> None:
    """Digits and the letters that are digits too: whoever writes one does not pay for a second look."""
    assert unmasked(f"a lighthouse, number {word} of many") == ""
