"""Data URIs, read as browsers read them."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.provider.data_uris import TooLargeError, content_of

PICTURE = bytes(range(250))
B64 = base64.b64encode(PICTURE).decode()
LINES = "\r\n".join(B64[start : start + 76] for start in range(0, len(B64), 76))


@pytest.mark.parametrize(
    "uri",
    [
        f"data:image/png;base64,{B64}",
        f"DATA:IMAGE/PNG;BASE64,{B64}",
        f" data:image/png;base64,{B64}\n",
        f"data:image/png;base64,{LINES}",
        f"data:image/png;base64, {B64} ",
        f"data:image/png; base64,{B64}",
        f"data:image/png;\tbase64 ,{B64}",
        f"data:image/png;charset=utf-8;base64,{B64}",
        f"data:;base64,{B64.rstrip('=')}",
        f"data:;base64,{B64.replace('=', '%3D').replace('+', '%2B').replace('/', '%2f')}",
        f"data:;base64,{LINES.replace('=', '%3d')}%0A",
        f"data:;base64,{B64}#fragment",
    ],
)
def test_base64_is_read_as_a_browser_reads_it(uri: str) -> None:
    """Line ends, blanks, missing padding, escapes, a blank before base64 and a fragment are accepted."""
    assert B64.endswith("=")
    assert content_of(uri, len(PICTURE)) == PICTURE


@pytest.mark.parametrize(
    ("uri", "content"),
    [
        ("data:,a%20text%00", b"a text\x00"),
        ("data:text/plain;charset=utf-8,f%C3%BCr\u00fc", "fürü".encode()),
        ("data:text/plain,a+b", b"a+b"),
        ("data:text/plain;base64=no,YQ==", b"YQ=="),
        ("data:,", b""),
    ],
)
def test_text_is_percent_decoded(uri: str, content: bytes) -> None:
    """Content without base64 is text with escapes."""
    assert content_of(uri, 100) == content


@pytest.mark.parametrize(
    "uri",
    [
        "data:no comma",
        "data:;base64,a",
        "data:;base64,a*bc",
        "data:;base64,ü",
        "data:,\ud800",
        "data:;base64,\ud800",
        "https://x/a,b",
    ],
)
def test_what_no_browser_reads_is_no_data_uri(uri: str) -> None:
    """The error does not quote the text."""
    assert content_of(uri, 100) is None


@pytest.mark.parametrize(
    "uri", [f"data:;base64,{B64}", "data:," + "a" * 250, "data:,%61" * 250, f"data:;base64,{LINES}"]
)
def test_what_is_too_large_is_refused(uri: str) -> None:
    """The size of the content counts, not that of the address."""
    with pytest.raises(TooLargeError):
        content_of(uri, 249)


@given(st.text(), st.integers(0, 64))
def test_whatever_comes_is_content_none_or_too_large(rest: str, most_bytes: int) -> None:
    """No text raises another error, and no content is larger than the limit."""
    for uri in (rest, f"data:{rest}", f"data:;base64,{rest}"):
        try:
            content = content_of(uri, most_bytes)
        except TooLargeError:
            continue
        assert content is None or len(content) <= most_bytes


@given(st.binary())
def test_what_was_encoded_is_decoded(content: bytes) -> None:
    """This holds for any content, with and without padding."""
    encoded = base64.b64encode(content).decode()
    for text in (encoded, encoded.rstrip("=")):
        assert content_of(f"data:;base64,{text}", len(content)) == content
