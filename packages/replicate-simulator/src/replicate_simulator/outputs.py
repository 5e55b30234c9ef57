"""What a prediction makes: addresses of files, a text, or a version; and the content of the files."""

import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from replicate_simulator import pictures
from replicate_simulator.forms import extension_of, film_format, lasts_s, picture_format
from replicate_simulator.schemas import Order
from replicate_simulator.sounds import sound
from replicate_simulator.texts import text_of
from replicate_simulator.videos import film
from replicate_simulator.weights import weights

#: Content type of each extension.
CONTENT_TYPES: Final[Mapping[str, str]] = {
    **pictures.CONTENT_TYPES,
    "mp4": "video/mp4",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "tar": "application/x-tar",
}
_ALPHABET: Final = string.ascii_lowercase + string.digits


@dataclass(frozen=True, slots=True)
class Made:
    """What a prediction will have made: its outputs, and which of them each delivery path leads to."""

    outputs: tuple[str, ...]
    files: Mapping[str, int] = field(default_factory=dict)


def made_by(order: Order, base_url: str, unsafe: Mapping[str, Any] | None) -> Made:
    """Returns what an order will give, under new, unguessable paths; `unsafe` is what makes a text unsafe."""
    model = order.target.model
    if model.modality == "text":
        return Made(text_of(order, unsafe))
    folder = f"/delivery/xezq/{new_id(40)}"
    if model.modality == "training":
        path = f"{folder}/trained_model.tar"
        return Made((f"{order.destination}:{secrets.token_hex(32)}", f"{base_url}{path}"), {path: 1})
    count = int(model.given(order.input).get("num_outputs") or 1) if model.output == "list" else 1
    paths = [f"{folder}/out-{index}.{extension_of(order)}" for index in range(count)]
    return Made(tuple(f"{base_url}{path}" for path in paths), {path: index for index, path in enumerate(paths)})


def content_of(order: Order, scene: pictures.Scene) -> bytes:
    """Returns a file of an order's: slow, so not to be called on the event loop."""
    match order.target.model.modality:
        case "video":
            return film(scene, film_format(order), lasts_s(order))
        case "audio":
            return sound(scene.prompt, scene.seed, lasts_s(order), extension_of(order), scene.size_bytes)
        case "training":
            given = order.target.model.given(order.input)
            word, steps = given.get("trigger_word") or "TOK", given.get("steps") or 1000
            return weights(str(word), int(steps), scene.seed, scene.size_bytes)
        case _:
            return pictures.render(scene, picture_format(order.target.model, order.input))


def new_id(length: int) -> str:
    """Returns an id as Replicate's are."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
