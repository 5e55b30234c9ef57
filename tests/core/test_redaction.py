"""A stranger's sentence as operators read it: short, and without what is nobody's business."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.provider.redaction import MARK, SHOWN_CHARACTERS, redacted
from tests.timing import best_cpu_s

PROMPT = "A secret garden behind the house of my grandmother in Lisbon"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("CUDA out of memory. Tried to allocate 2.00 GiB", "CUDA out of memory. Tried to allocate 2.00 GiB"),
        (
            "404 Client Error: Not Found for url: https://ada:pw@pictures.example/holidays/ada.png?sig=abc&se=1",
            f"404 Client Error: Not Found for url: https://pictures.example/{MARK}",
        ),
        ("see (https://replicate.com/p/abc12345xyz)", f"see (https://replicate.com/{MARK})"),
        ("Bearer r8_abcdefghijklmnopqrstuvwxyz is no token", f"{MARK} is no token"),
        ("token r8_short", MARK),
        ("api_key=sk-12345 was refused", f"{MARK} was refused"),
        ("cannot open data:image/png;base64,iVBORw0KGgo= as a picture", f"cannot open {MARK} as a picture"),
        ("mail ada.lovelace+x@example.com", f"mail {MARK}"),
        ("hash 39ed52f2a78e934b3ba6e2a89f5b1c712de7dfea535525255b1aa35c5565e08b", f"hash {MARK}"),
        ("two\nlines\tand \x1b[31mcolour\x07", "two lines and [31mcolour"),
        ("half \ud800 of a pair", "half of a pair"),
        ("right\u202eto left", "right to left"),
    ],
)
def test_what_is_left_of_a_sentence(text: str, shown: str) -> None:
    """Addresses keep their host; secrets, data and mail addresses go; one line stays."""
    assert redacted(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"ValueError: prompt {PROMPT!r} is too long", f"ValueError: prompt '{MARK}' is too long"),
        ("no picture behind the house of my grandmother found", f"no picture {MARK} found"),
        ("A SECRET GARDEN, behind the fence", f"{MARK} fence"),
        ("CUDA out of memory", "CUDA out of memory"),
    ],
)
def test_what_a_user_wrote_is_left_out(text: str, shown: str) -> None:
    """Three words in a row of a prompt are enough to be left out, whatever stands around them."""
    assert redacted(text, [PROMPT]) == shown


def test_a_short_prompt_is_left_out_whole() -> None:
    """Two words are no run of three, but they are the whole prompt; one letter hides nothing."""
    assert redacted("token 'Red Fox' not in vocabulary", ["red fox"]) == f"{MARK}' not in vocabulary".replace(
        MARK, f"token '{MARK}"
    )
    assert redacted("a model failed", ["a"]) == "a model failed"


def test_what_is_long_is_cut() -> None:
    """A traceback of megabytes is a line."""
    shown = redacted("no such thing, " * 100_000)
    assert len(shown) == SHOWN_CHARACTERS
    assert shown.endswith("..")


@given(st.text(), st.lists(st.text()))
def test_whatever_comes_is_shown_safely(text: str, private: list[str]) -> None:
    """Any text gives one printable line within the bound, which any store takes."""
    shown = redacted(text, private)
    assert len(shown) <= SHOWN_CHARACTERS
    assert shown.isprintable()
    shown.encode()  # raises on half a pair


@pytest.mark.parametrize(
    "text", ["a." * 600, "://" * 400, "a@" * 600, "data:" * 240, "eyJ" * 400, "A" * 1200, "token " * 200]
)
def test_a_hostile_text_costs_no_time(text: str) -> None:
    """Redacting takes milliseconds, with a prompt of 10,000 words too."""
    assert best_cpu_s(lambda: redacted(text, ["word " * 10_000])) < 0.2
