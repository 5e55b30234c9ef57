"""Long texts in chunks: split for a screener without losing a word at the seams, and joined again from a model."""

from collections.abc import Iterable

#: Content Safety's limit for one text, in characters (learn.microsoft.com/azure/ai-services/content-safety/overview).
TEXT_CHARACTERS = 10_000

#: How much of a chunk is repeated in the next: longer than any word, and enough context for its sense.
OVERLAP_CHARACTERS = 200


def chunks_of(text: str, most: int = TEXT_CHARACTERS) -> list[str]:
    """Split a text into chunks of at most ``most`` characters. Each chunk begins with the end of the one before."""
    # Undocumented: whether a character beyond U+FFFF counts once or, as in UTF-16, twice. Half is safe.
    length = most if max(text, default="") <= "\uffff" else most // 2
    starts = range(0, max(1, len(text) - OVERLAP_CHARACTERS), length - OVERLAP_CHARACTERS)
    return [text[start : start + length] for start in starts]


def joined(chunks: Iterable[str]) -> str:
    """The text that a model returned in chunks.

    JSON may split a character beyond U+FFFF into two chunks, a surrogate in each: joined, it is whole again. A single
    surrogate is not valid text, and becomes U+FFFD.
    """
    text = "".join(chunks)
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
