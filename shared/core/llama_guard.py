"""Llama Guard: what it is asked, and how its answer is read.

Rules of this file:
1. A text that is asked about cannot end its own frame: what Llama Guard's template delimits with, special tokens in
   angle brackets and lines that begin with a speaker, cannot be written with what is left of it.
2. Only an answer that says ``safe`` and nothing else is safe. Anything else, or nothing, is unsafe.

The categories are those of the model cards of Llama Guard 3 and 4: MLCommons' hazards, S1 to S13, and S14.
"""

import re
import unicodedata
from collections.abc import Sequence

from shared.core.moderation import LLAMA_GUARD, Category, Topic, Verdict

#: What Llama Guard says of itself: 8,192 tokens of context, of which its own template takes a thousand.
TEXT_CHARACTERS = 8_000

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
    """The text as one line without control characters, angle or square brackets, or bars."""
    # NFKC first: a fullwidth bracket becomes a real one, here and perhaps in the model's tokenizer.
    plain = unicodedata.normalize("NFKC", text)
    kept = "".join(char if not unicodedata.category(char).startswith("C") else " " for char in plain)
    return re.sub(r"\s+", " ", kept).translate(_BRACKETS).strip()


def inputs_for(text: str) -> dict[str, str]:
    """The input of the model for a text that a user wrote. The model puts it into its own template."""
    return {"prompt": framed(text)}


def read(outputs: Sequence[str]) -> Verdict:
    """The verdict in an answer, which comes whole or in pieces: no categories where it is safe, else those named."""
    lines = "".join(outputs).strip().splitlines()
    if lines == ["safe"]:
        return Verdict({}, screeners=(LLAMA_GUARD,))
    named = lines[1].split(",") if len(lines) == 2 and lines[0] == "unsafe" else [""]
    found = {CATEGORIES.get(name.strip(), Topic.UNNAMED) for name in named}
    severities = {category: SEVERITY for category in found if isinstance(category, Category)}
    return Verdict(
        severities, frozenset(topic for topic in found if isinstance(topic, Topic)), screeners=(LLAMA_GUARD,)
    )
