"""Llama Guard: what it is asked, and how its answer is read.

Rules of this file:
1. A text that is asked about cannot end its own frame: what Llama Guard's template delimits with, special tokens in
   angle brackets and lines that begin with a speaker, cannot be written with what is left of it.
2. Only an answer that says ``safe`` and nothing else is safe. Anything else, or nothing, is unsafe.
3. No piece of a text can be longer than what the model reads, whatever it is written in: what runs over would be
   dropped, or would push the instructions out.

The categories are those of the model cards of Llama Guard 3 and 4: MLCommons' hazards, S1 to S13, and S14.
"""

import re
import unicodedata
from collections.abc import Sequence

from shared.core.safety.chunks import pieces_of
from shared.core.safety.folding import hidden_in
from shared.core.safety.moderation import LLAMA_GUARD, Assessment, Category, Topic

#: Llama Guard says of itself: 8,192 tokens of context, of which its own template takes a thousand. Its tokenizer works
#: on bytes (UTF-8), so no text has more tokens than bytes; English has four times fewer.
CHUNK_BYTES = 7_000

#: Llama Guard knows no severities: what it finds counts as high.
SEVERITY = 6

#: Each of its categories as one of ours.
CATEGORIES: dict[str, Category | Topic] = {
    "S1": Category.VIOLENCE,
    "S2": Topic.CRIME,
    "S3": Category.SEXUAL,
    "S4": Topic.MINORS,
    "S5": Topic.DEFAMATION,
    "S6": Topic.ADVICE,
    "S7": Topic.PRIVACY,
    "S8": Topic.RIGHTS,
    "S9": Topic.WEAPONS,
    "S10": Category.HATE,
    "S11": Category.SELF_HARM,
    "S12": Category.SEXUAL,
    "S13": Topic.ELECTIONS,
    "S14": Topic.CODE,
}

_BRACKETS = str.maketrans({"<": "‹", ">": "›", "[": "(", "]": ")", "|": "¦"})  # noqa: RUF001  # that is the point


def framed(text: str) -> str:
    """The text as one line without control characters, angle or square brackets, or bars.

    What is not seen is left out, so that it parts no word; what is hidden in it stands at the end.
    """
    # NFKC first: a fullwidth bracket becomes a real one, here and perhaps in the model's tokenizer.
    plain = unicodedata.normalize("NFKC", f"{text} {hidden_in(text)}")
    kept = "".join(_kept(char) for char in plain)
    # Once more: what is left out may have kept two characters from becoming one.
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", kept)).translate(_BRACKETS).strip()


def _kept(char: str) -> str:
    category = unicodedata.category(char)
    if category == "Cf":
        return ""
    return " " if category.startswith("C") else char


def questions(text: str) -> list[dict[str, str]]:
    """The model's inputs for a text of any length that a user or a model wrote, a piece of it in each.

    The model puts each into its own template. None where nothing is left of the text that could be read.
    """
    plain = framed(text)
    widest = len(max(plain, default="").encode())
    pieces = (piece.strip() for piece in pieces_of(plain, CHUNK_BYTES // max(widest, 1)))
    return [{"prompt": piece} for piece in pieces if piece]


def read(outputs: Sequence[str]) -> Assessment:
    """The assessment in an answer, which comes whole or in pieces: no categories where it is safe, else those named."""
    lines = "".join(outputs).strip().splitlines()
    if lines == ["safe"]:
        return Assessment({}, screeners=(LLAMA_GUARD,))
    named = lines[1].split(",") if len(lines) == 2 and lines[0] == "unsafe" else [""]
    found = {CATEGORIES.get(name.strip(), Topic.UNNAMED) for name in named}
    severities = {category: SEVERITY for category in found if isinstance(category, Category)}
    return Assessment(
        severities, frozenset(topic for topic in found if isinstance(topic, Topic)), screeners=(LLAMA_GUARD,)
    )
