"""The models that the simulator runs: three FLUX models, a Llama that streams, a trainer; as their schemas have them.

Inputs as on the models' API pages (flux-schnell, flux-dev: April 2026); picture sizes as in replicate/cog-flux. A
model's `version` is one that the API accepts in place of its name, where one is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Kind = Literal["string", "integer", "number", "boolean", "object"]
#: What a model makes: pictures, a text in pieces, or a version of another model.
Making = Literal["pictures", "text", "version"]


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a model."""

    kind: Kind
    default: Any = None
    enum: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    required: bool = False


@dataclass(frozen=True, slots=True)
class Model:
    """A model: `array` says whether its output is a list or one text."""

    name: str
    array: bool
    version: str | None
    inputs: Mapping[str, Input] = field(repr=False)
    makes: Making = "pictures"


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """What kind of file an input asks for: pixels, `webp`, `jpg` or `png`, and 0 to 100."""

    width: int
    height: int
    extension: str
    quality: int


#: Pixels of one megapixel in each aspect ratio; a quarter megapixel halves both sides.
_SIZES: Final[Mapping[str, tuple[int, int]]] = {
    "1:1": (1024, 1024),
    "16:9": (1344, 768),
    "21:9": (1536, 640),
    "3:2": (1216, 832),
    "2:3": (832, 1216),
    "4:5": (896, 1088),
    "5:4": (1088, 896),
    "3:4": (896, 1152),
    "4:3": (1152, 896),
    "9:16": (768, 1344),
    "9:21": (640, 1536),
}

_FORMAT: Final[Mapping[str, Input]] = {
    "seed": Input("integer"),
    "output_format": Input("string", "webp", enum=("webp", "jpg", "png")),
    "output_quality": Input("integer", 80, minimum=0, maximum=100),
}

_SCHNELL: Final[Mapping[str, Input]] = {
    **_FORMAT,
    "prompt": Input("string", required=True),
    "aspect_ratio": Input("string", "1:1", enum=tuple(_SIZES)),
    "num_outputs": Input("integer", 1, minimum=1, maximum=4),
    "num_inference_steps": Input("integer", 4, minimum=1, maximum=4),
    "disable_safety_checker": Input("boolean", default=False),
    "go_fast": Input("boolean", default=True),
    "megapixels": Input("string", "1", enum=("1", "0.25")),
}

_DEV: Final[Mapping[str, Input]] = {
    **_SCHNELL,
    "image": Input("string"),
    "prompt_strength": Input("number", 0.8, minimum=0, maximum=1),
    "num_inference_steps": Input("integer", 28, minimum=1, maximum=50),
    "guidance": Input("number", 3, minimum=0, maximum=10),
}

_PRO_RATIOS: Final = ("custom", "1:1", "16:9", "3:2", "2:3", "4:5", "5:4", "9:16", "3:4", "4:3")
_PRO: Final[Mapping[str, Input]] = {
    **_FORMAT,
    "prompt": Input("string", required=True),
    "image_prompt": Input("string"),
    "aspect_ratio": Input("string", "1:1", enum=_PRO_RATIOS),
    "width": Input("integer", minimum=256, maximum=1440),
    "height": Input("integer", minimum=256, maximum=1440),
    "safety_tolerance": Input("integer", 2, minimum=1, maximum=6),
    "prompt_upsampling": Input("boolean", default=False),
}

_SCHNELL_VERSION: Final = "c846a69991daf4c0e5d016514849d14ee5b2e6846ce6b9d6f21369e564cfe51e"
_DEV_VERSION: Final = "6e4a938f85952bdabcc15aa329178c4d681c52bf25a0342403287dc26944661d"

_LLAMA: Final[Mapping[str, Input]] = {
    "prompt": Input("string", "", required=True),
    "prompt_template": Input("string", "{prompt}"),
    "max_tokens": Input("integer", 512),
    "min_tokens": Input("integer", 0),
    "temperature": Input("number", 0.6),
    "top_p": Input("number", 0.9),
    "top_k": Input("integer", 50),
    "presence_penalty": Input("number", 1.15),
    "frequency_penalty": Input("number", 0.2),
}
_LLAMA_VERSION: Final = "5a6809ca6288247d06daf6365557e5e429063f32a21146b2a807c682652136b8"

MODELS: Final[Mapping[str, Model]] = {
    model.name: model
    for model in (
        Model("black-forest-labs/flux-schnell", array=True, version=_SCHNELL_VERSION, inputs=_SCHNELL),
        Model("black-forest-labs/flux-dev", array=True, version=_DEV_VERSION, inputs=_DEV),
        Model("black-forest-labs/flux-1.1-pro", array=False, version=None, inputs=_PRO),
        Model("meta/meta-llama-3-8b-instruct", array=True, version=_LLAMA_VERSION, inputs=_LLAMA, makes="text"),
    )
}

#: The model that trains: it takes no predictions. Its version is made up, for it changes often.
TRAINER: Final = Model(
    "ostris/flux-dev-lora-trainer",
    array=False,
    version="26dce37af90b9d997eeb970d92e47de3064d46c300504ae376c75bef6a9022d2",
    inputs={
        "input_images": Input("string", required=True),
        "trigger_word": Input("string", "TOK"),
        "steps": Input("integer", 1000, minimum=3, maximum=6000),
        "learning_rate": Input("number", 0.0004),
        "lora_rank": Input("integer", 16, minimum=1, maximum=128),
        "autocaption": Input("boolean", default=True),
    },
    makes="version",
)


def picture_format(model: Model, given: Mapping[str, Any]) -> PictureFormat:
    """Returns the file that a checked input asks this model for."""
    values = {name: given.get(name, each.default) for name, each in model.inputs.items()}
    width, height = _size(values)
    return PictureFormat(width, height, values["output_format"], int(values["output_quality"]))


def _size(values: Mapping[str, Any]) -> tuple[int, int]:
    if values["aspect_ratio"] == "custom":
        # The model rounds to a multiple of 32; its default side is 1024.
        return _round_to_32(values["width"] or 1024), _round_to_32(values["height"] or 1024)
    width, height = _SIZES[values["aspect_ratio"]]
    if values.get("megapixels") == "0.25":
        return width // 2, height // 2
    return width, height


def _round_to_32(pixels: float) -> int:
    return round(pixels / 32) * 32
