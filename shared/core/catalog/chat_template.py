"""Chat templates: a user's text cannot say what the template of a chat says.

Rules of this file:
1. A chat model tells who speaks by marks in its input: special tokens in angle brackets, ``[INST]`` and its siblings,
   ``### Instruction:``. A text that brings such marks along would speak as the system, or as the model. What is a mark
   by its words alone ("User:") is ordinary text to the models there are, and stays.
2. Whatever becomes part of a text model's input goes through ``plain``: no mark of any family is left in it, whichever
   model it is for. A model may have a template of its own on the other side, and a fallback has another one.
3. Nothing is dropped, and nobody is refused: the mark's first sign becomes one that looks like it and is no mark. A
   text without a mark stays as it is, to the letter.
"""

import re
from functools import cache

#: The first sign of a mark, and what it becomes.
_INSTEAD = str.maketrans({"<": "‹", "[": "⁅", "＜": "‹", "［": "⁅", "#": "♯"})  # noqa: RUF001  # that they look so is the point

#: Signs that nobody sees, which a tokenizer may leave out: a mark with one of them in it would be one behind it.
_UNSEEN = (
    r"[\u00ad\u034f\u061c\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    r"\U000e0000-\U000e0fff]*"
)

#: Names of turns and texts in angle brackets without bars: Gemma's, Llama 2's and Mistral's, and those of others.
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
    """The name with what is not seen anywhere in it."""
    return _UNSEEN.join(re.escape(sign) for sign in name)


#: The first signs of all marks. A text without any of them has no mark, and needs no more than this look.
_FIRST = re.compile(r"[<＜\[［#]")  # noqa: RUF001


@cache
def _mark() -> re.Pattern[str]:
    """A mark, from its first sign on: compiled at the first text that may have one, for that takes 150 ms of a start.

    ``<|...|>`` is a mark whatever its name: the families name theirs as they like (``<|eot_id|>``, ``<|im_start|>``,
    ``<|header_start|>``, ``<|channel|>``), and DeepSeek's has wide bars.
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


def plain(text: str) -> str:
    """The text without marks of any chat template; the text itself where there are none."""
    if not _FIRST.search(text):
        return text
    return _mark().sub(lambda mark: mark[0].translate(_INSTEAD), text)
