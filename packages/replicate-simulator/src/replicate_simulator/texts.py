"""PURE: what a language model writes: a few words and the prompt; and what Llama Guard answers.

Llama Guard finds what a test has put into the prompt:

    "... unsafe S1 ..."  or  "... unsafe S2,S9 ..."     it answers `unsafe`, and these categories on a second line
    anything else                                       it answers `safe`

The fault `unsafe_text` makes the answer to any prompt unsafe: Llama Guard's by the category that is nearest to the
fault's, any other model's by a word that the Content Safety simulator knows for this category and severity.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from replicate_simulator.content_safety import WORDS
from replicate_simulator.schemas import Order

_MARK: Final = re.compile(r"\bunsafe (S\d{1,2}(?:, ?S\d{1,2})*)\b")
#: MLCommons' hazards for the categories of Azure AI Content Safety.
_HAZARDS: Final[Mapping[str, str]] = {"Hate": "S10", "SelfHarm": "S11", "Sexual": "S12", "Violence": "S1"}
#: What a model writes at most where the input says nothing of it.
_MOST_TOKENS: Final = 512
_LIMITS: Final = ("max_tokens", "max_new_tokens", "max_completion_tokens", "max_length")


def text_of(order: Order, unsafe: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Returns a text in chunks of a word each; `unsafe` are the parameters of the fault, if there is one."""
    model, given = order.target.model, order.target.model.given(order.input)
    prompt = str(given.get("prompt") or "")
    answer = f"Here is what I know of it:\n{prompt}"
    if model.judges:
        answer = _verdict(f"{prompt} {given.get('assistant') or ''}", unsafe)
    elif unsafe is not None:
        answer = f"{_word(unsafe)}. {answer}"
    if model.output != "chunks":
        return (answer,)
    most = next((int(given[name]) for name in _LIMITS if given.get(name)), _MOST_TOKENS)
    return tuple(re.findall(r"\s*\S+", answer)[:most])


def _verdict(text: str, unsafe: Mapping[str, Any] | None) -> str:
    if unsafe is not None:
        return f"unsafe\n{_HAZARDS[unsafe['category']]}"
    found = _MARK.search(text)
    return f"unsafe\n{found[1].replace(' ', '')}" if found else "safe"


def _word(unsafe: Mapping[str, Any]) -> str:
    words = WORDS[unsafe["category"]]
    return next(word for word, severity in words.items() if severity == unsafe["severity"])
