"""Texts in chunks: nothing is lost at a seam, and the parts of a streamed text are joined."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.safety.chunks import OVERLAP_CHARACTERS, chunks_of, joined


@given(
    st.integers(0, 3000),
    st.integers(1, OVERLAP_CHARACTERS),
    st.integers(600, 2000),
    st.sampled_from("a\u00e9\U0001f5fc"),
)
def test_what_is_not_longer_than_the_overlap_is_whole_in_one_chunk(at: int, length: int, most: int, char: str) -> None:
    """This holds at any place and in any script, and no chunk is longer than its limit."""
    text = char * at + "x" * length + char * 700
    chunks = chunks_of(text, most)
    assert any("x" * length in chunk for chunk in chunks)
    assert all(len(chunk) <= most for chunk in chunks)


@given(st.lists(st.text(max_size=8), max_size=8))
def test_whole_parts_are_only_joined(parts: list[str]) -> None:
    """Nothing is added between them, and nothing is changed."""
    assert joined(parts) == "".join(parts)


@given(st.text(st.characters(categories=["Cs", "Lu"]) | st.sampled_from("a\U0001f5fc"), max_size=20))
def test_no_half_of_a_character_is_left(text: str) -> None:
    """The result can be stored and sent, and keeps every whole character."""
    whole = joined(text)
    whole.encode()
    left = iter(whole)
    assert all(char in left for char in text if not "\ud800" <= char <= "\udfff")  # in their order


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ('["a \\ud83d", "\\uddfc at night"]', "a \U0001f5fc at night"),
        ('["go", "ry"]', "gory"),
        ('["a \\ud83d", "b"]', "a \ufffdb"),
        ('["\\uddfc"]', "\ufffd"),
        ("[]", ""),
    ],
)
def test_a_character_that_was_parted_is_whole_again(said: str, read: str) -> None:
    """JSON may have half of it in each of two parts; a half alone is replaced."""
    assert joined(json.loads(said)) == read
