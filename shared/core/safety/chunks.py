"""Long texts in pieces: as a screener takes them, without losing a word at the seams; and as a model gives them."""

from collections.abc import Iterable

#: Content Safety's limit for one text, in characters (learn.microsoft.com/azure/ai-services/content-safety/overview).
TEXT_CHARACTERS = 10_000

#: How much of a piece is repeated in the next: longer than any word, and enough for its sense.
OVERLAP_CHARACTERS = 200


def pieces_of(text: str, most: int = TEXT_CHARACTERS) -> list[str]:
    """The text in pieces of at most ``most`` characters, each beginning with the end of the one before."""
    # It is not said whether a character beyond the basic plane counts once or, as in UTF-16, twice: half is safe.
    length = most if max(text, default="") <= "\uffff" else most // 2
    starts = range(0, max(1, len(text) - OVERLAP_CHARACTERS), length - OVERLAP_CHARACTERS)
    return [text[start : start + length] for start in starts]


def joined(pieces: Iterable[str]) -> str:
    """The pieces in which a model gave a text, as the text that will be read.

    JSON may part a character beyond the basic plane between two pieces, half of it in each: it is whole again here.
    A half alone is no text that anybody takes, and becomes the replacement character.
    """
    text = "".join(pieces)
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
