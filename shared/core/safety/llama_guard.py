"""Llama Guard: the questions that it is asked, and how its answer is read.

Rules of this file:
1. A text in a question cannot end its own frame. Llama Guard's template delimits by special tokens in angle brackets
   and by lines that begin with a speaker; ``framed`` removes the characters that are needed for both.
2. Only the answer ``safe``, and nothing else, is safe. Any other answer, or none, is unsafe.
3. A chunk of a text always fits the model's context, in any script. Otherwise the rest would be dropped, or would push
   the instructions out.

The categories are those of the model cards of Llama Guard 3 and 4: MLCommons' hazards, S1 to S13, and S14.
"""

import re
import unicodedata
from collections.abc import Sequence

from shared.core.safety.chunks import chunks_of
from shared.core.safety.folding import hidden_in
from shared.core.safety.moderation import LLAMA_GUARD, Assessment, Category, Topic

#: Llama Guard's context has 8,192 tokens, of which its own template takes a thousand. Its tokenizer works on UTF-8
#: bytes, so no text has more tokens than bytes. English has a quarter as many.
CHUNK_BYTES = 7_000

#: Llama Guard has no severities: whatever it finds counts as high.
SEVERITY = 6

#: Llama Guard's categories -> ours.
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

_BRACKETS = str.maketrans({"<": "‹", ">": "›", "[": "(", "]": ")", "|": "¦"})  # noqa: RUF001  # look-alikes on purpose


def framed(text: str) -> str:
    """The text as one line without control characters, angle or square brackets, or bars.

    Invisible characters are left out, so that they separate no word. The text hidden in them is added at the end.
    """
    # NFKC first: a fullwidth bracket becomes an ASCII one, here and perhaps in the model's tokenizer.
    plain = unicodedata.normalize("NFKC", f"{text} {hidden_in(text)}")
    kept = "".join(_kept(char) for char in plain)
    # NFKC again: a removed character may have kept two others from combining.
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", kept)).translate(_BRACKETS).strip()


def _kept(char: str) -> str:
    category = unicodedata.category(char)
    if category == "Cf":
        return ""
    return " " if category.startswith("C") else char


def questions(text: str) -> list[dict[str, str]]:
    """The model's inputs for a text of any length by a user or a model: one prompt for each chunk.

    The model puts each into its own template. The list is empty if the text has no readable character.
    """
    plain = framed(text)
    widest = len(max(plain, default="").encode())
    chunks = (chunk.strip() for chunk in chunks_of(plain, CHUNK_BYTES // max(widest, 1)))
    return [{"prompt": chunk} for chunk in chunks if chunk]


def read(outputs: Sequence[str]) -> Assessment:
    """The assessment in an answer, whole or in chunks: no categories if it is safe, otherwise those that it names."""
    lines = "".join(outputs).strip().splitlines()
    if lines == ["safe"]:
        return Assessment({}, screeners=(LLAMA_GUARD,))
    named = lines[1].split(",") if len(lines) == 2 and lines[0] == "unsafe" else [""]
    found = {CATEGORIES.get(name.strip(), Topic.UNNAMED) for name in named}
    severities = {category: SEVERITY for category in found if isinstance(category, Category)}
    return Assessment(
        severities, frozenset(topic for topic in found if isinstance(topic, Topic)), screeners=(LLAMA_GUARD,)
    )
