"""PURE: what a prediction is billed by, under the names that Replicate's metrics have (replicate/cog-flux, billing)."""

import math

from replicate_simulator.forms import lasts_s
from replicate_simulator.schemas import Order

#: How many tokens a word is, about.
_TOKENS_PER_WORD = 4 / 3


def counted(order: Order, outputs: tuple[str, ...]) -> dict[str, float]:
    """Returns the counts of a prediction that has succeeded."""
    model = order.target.model
    match model.modality:
        case "image":
            return {"image_count": len(outputs), "image_output_count": len(outputs)}
        case "video":
            return {"video_output_count": len(outputs), "video_output_duration_seconds": lasts_s(order)}
        case "audio":
            return {"audio_output_count": len(outputs), "audio_output_duration_seconds": lasts_s(order)}
        case "text":
            return {"input_token_count": _tokens_in(order), "output_token_count": _tokens_out(order, outputs)}
        case "training":
            return {"training_step_count": int(model.given(order.input).get("steps") or 1000)}


def _tokens_in(order: Order) -> int:
    texts = (order.input.get(name, "") for name in ("prompt", "system_prompt", "assistant"))
    return math.ceil(sum(len(str(text).split()) for text in texts) * _TOKENS_PER_WORD)


def _tokens_out(order: Order, outputs: tuple[str, ...]) -> int:
    """A piece of a text is a token here; a text that comes whole has some in each word."""
    if order.target.model.output == "chunks":
        return len(outputs)
    return math.ceil(sum(len(text.split()) for text in outputs) * _TOKENS_PER_WORD)
