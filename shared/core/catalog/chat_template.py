"""Chat templates: a user's text cannot contain the marks of a chat template.

Rules of this file:
1. A chat model learns who speaks from marks in its input: special tokens in angle brackets, ``[INST]`` and its
   relatives, ``### Instruction:``. A text with such marks could speak as the system, or as the model. Words alone
   ("User:") are ordinary text to the models on offer, and stay.
2. Every text that becomes part of a text model's input goes through ``plain``: it removes the marks of every family,
   whichever model the text is for. A model may have a template of its own at the provider, and a fallback has another.
3. A template in the catalogue may have marks of no family, such as ``USER:``. For a model with such a template its own
   marks are removed too, because to this model they say who speaks.
4. Nothing is dropped and no request is refused: the first character of a mark is replaced by one that looks like it.
   A text without a mark is not changed at all.
"""

import re
from collections.abc import Iterable
from functools import cache

#: The first character of a mark, and its replacement.
_INSTEAD = str.maketrans({"<": "‹", "[": "⁅", "＜": "‹", "［": "⁅", "#": "♯"})  # noqa: RUF001  # look-alikes on purpose

#: The same for a mark of a template's own, wherever the character is in it.
_INSTEAD_ANYWHERE = _INSTEAD | str.maketrans({">": "›", "]": "⁆", "|": "¦", ":": "꞉"})  # noqa: RUF001  # look-alikes

#: Invisible characters, which a tokenizer may drop. A mark with one of them inside would become a mark again.
_UNSEEN = (
    r"[\u00ad\u034f\u061c\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    r"\U000e0000-\U000e0fff]*"
)

#: Names of turns and texts in angle brackets without bars: those of Gemma, Llama 2, Mistral and others.
_NAMES = (
    "s", "bos", "eos", "pad", "unk", "mask", "start_of_turn", "end_of_turn", "start_of_image", "end_of_image",
    "sys", "system", "user", "human", "assistant", "bot", "model", "tool", "tool_call", "tool_calls", "tool_response",
    "tools", "think", "thinking", "observation", "image", "image_soft_token", "eod", "endoftext", "sep", "cls",
    "bos_token", "eos_token", "sop", "eop", "audio", "video",
)  # fmt: skip

#: Names in square brackets: Mistral's.
_SQUARE = (
    "inst", "system_prompt", "available_tools", "tool_calls", "tool_results", "tool_content", "args", "img",
    "img_break", "img_end", "audio", "begin_audio", "prefix", "suffix", "middle", "think", "model_settings", "gmask",
)  # fmt: skip


def _loosely(name: str) -> str:
    """A pattern for the name with invisible characters anywhere in it."""
    return _UNSEEN.join(re.escape(sign) for sign in name)


#: The first characters of all marks. A text without any of them has no mark and needs no further check.
_FIRST = re.compile(r"[<＜\[［#]")  # noqa: RUF001


@cache
def _mark() -> re.Pattern[str]:
    """A mark, from its first character on. Compiled for the first text that may have one: that takes 150 ms.

    ``<|...|>`` is a mark whatever its name, since each family chooses its own names (``<|eot_id|>``, ``<|im_start|>``,
    ``<|header_start|>``, ``<|channel|>``). DeepSeek's has wide bars.
    """
    return re.compile(
        rf"[<＜](?={_UNSEEN}[|｜¦])"  # noqa: RUF001  # DeepSeek's bar is a wide one
        rf"|[<＜](?={_UNSEEN}/?{_UNSEEN}(?:{'|'.join(map(_loosely, _NAMES))}){_UNSEEN}[>＞])"  # noqa: RUF001
        rf"|[<＜](?={_UNSEEN}[<＜]{_UNSEEN}/?{_UNSEEN}{_loosely('sys')})"  # noqa: RUF001
        rf"|[<＜](?={_UNSEEN}(?:{_loosely('extra_id_')}|{_loosely('unused')}|{_loosely('reserved')}))"  # noqa: RUF001
        rf"|[\[［](?={_UNSEEN}/?{_UNSEEN}(?:{'|'.join(map(_loosely, _SQUARE))}){_UNSEEN}[\]］])"  # noqa: RUF001
        rf"|(?<!#)#(?=##{_UNSEEN}[ \t]*(?:instruction|response|system|human|user|assistant|input)s?[ \t]*:)",
        re.IGNORECASE,
    )


#: A word of a template that may be a mark: one with a sign of marks in it, or one that ends with a colon.
_OWN_MARK = re.compile(r"[^\s{}]*[<>\[\]|#][^\s{}]*|[^\s{}]+:")


@cache
def _own_marks(template: str) -> re.Pattern[str] | None:
    """The marks of a template that no family has (rule 3). None if there are none."""
    words = {mark for part in re.split(r"\{(?:system_)?prompt\}", template) for mark in _OWN_MARK.findall(part)}
    own = sorted((word for word in words if plain(word) == word), key=len, reverse=True)
    return re.compile("|".join(map(_loosely, own)), re.IGNORECASE) if own else None


def _unlike(mark: re.Match[str]) -> str:
    """A mark of a template with another sign in it that looks like its own."""
    return mark[0].translate(_INSTEAD_ANYWHERE)


def plain(text: str, templates: Iterable[str] = ()) -> str:
    """The text without the marks of any chat template, and without those that only ``templates`` have.

    A text without marks is returned as it is.
    """
    for template in templates:
        if (own := _own_marks(template)) is not None:
            text = own.sub(_unlike, text)
    if not _FIRST.search(text):
        return text
    return _mark().sub(lambda mark: mark[0].translate(_INSTEAD), text)
