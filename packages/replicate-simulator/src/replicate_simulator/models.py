"""What a model is, and the models that are built in: FLUX, a Llama that streams, Llama Guard, a trainer.

Inputs are as on the models' API pages (flux-schnell, flux-dev, llama-3-8b, llama-guard: April 2026). A model's
`version` is one that the API accepts in place of its name, where one is known. Other models come from a catalog
(catalog.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Kind = Literal["string", "integer", "number", "boolean", "object", "array"]
#: What kind of file an input's address leads to; empty: the input is no address. An array is one of addresses.
Holds = Literal["", "image", "audio", "archive"]
Modality = Literal["image", "video", "audio", "text", "training"]
#: A list of addresses, a single one (or a text that comes whole), an object of them, a text in chunks, or a version and
#: the address of its weights.
Shape = Literal["list", "single", "object", "chunks", "version"]


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a model."""

    kind: Kind
    default: Any = None
    enum: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    required: bool = False
    holds: Holds = ""


@dataclass(frozen=True, slots=True)
class Model:
    """A model.

    Attributes:
        name: owner/name.
        version: 64 hex digits, where one is known.
        inputs: by name.
        modality: what it makes.
        output: the shape in which it gives that.
        official: whether it runs by its name; a community model runs by its version alone.
        step: what the sides of a picture of free size are rounded to, in pixels.
        duration: which input says how many seconds a film or a sound lasts.
    """

    name: str
    version: str | None
    inputs: Mapping[str, Input] = field(repr=False)
    modality: Modality = "image"
    output: Shape = "list"
    official: bool = True
    step: int = 1
    duration: str = "duration"

    @property
    def judges(self) -> bool:
        """Whether it is a Llama Guard: its text is a verdict on the prompt."""
        return "llama-guard" in self.name

    def given(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Its inputs with what was given, and the defaults for the rest."""
        return {name: inputs.get(name, each.default) for name, each in self.inputs.items()}


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """What kind of file an input asks for: pixels, `webp`, `jpg` or `png`, and 0 to 100."""

    width: int
    height: int
    extension: str
    quality: int


#: Pixels of one megapixel in each aspect ratio (replicate/cog-flux); a quarter megapixel halves both sides.
SIZES: Final[Mapping[str, tuple[int, int]]] = {
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
    "aspect_ratio": Input("string", "1:1", enum=tuple(SIZES)),
    "num_outputs": Input("integer", 1, minimum=1, maximum=4),
    "num_inference_steps": Input("integer", 4, minimum=1, maximum=4),
    "disable_safety_checker": Input("boolean", default=False),
    "go_fast": Input("boolean", default=True),
    "megapixels": Input("string", "1", enum=("1", "0.25")),
}

_DEV: Final[Mapping[str, Input]] = {
    **_SCHNELL,
    "image": Input("string", holds="image"),
    "prompt_strength": Input("number", 0.8, minimum=0, maximum=1),
    "num_inference_steps": Input("integer", 28, minimum=1, maximum=50),
    "guidance": Input("number", 3, minimum=0, maximum=10),
}

_PRO_RATIOS: Final = ("custom", "1:1", "16:9", "3:2", "2:3", "4:5", "5:4", "9:16", "3:4", "4:3")
_PRO: Final[Mapping[str, Input]] = {
    **_FORMAT,
    "prompt": Input("string", required=True),
    "image_prompt": Input("string", holds="image"),
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

_GUARD: Final[Mapping[str, Input]] = {
    "prompt": Input("string", "I forgot how to kill a process in Linux, can you help?"),
    "assistant": Input("string"),
}
_GUARD_VERSION: Final = "146d1220d447cdcc639bc17c5f6137416042abee6ae153a2615e6ef5749205c8"

#: The models that take predictions.
MODELS: Final[Mapping[str, Model]] = {
    model.name: model
    for model in (
        Model("black-forest-labs/flux-schnell", _SCHNELL_VERSION, _SCHNELL),
        Model("black-forest-labs/flux-dev", _DEV_VERSION, _DEV),
        Model("black-forest-labs/flux-1.1-pro", None, _PRO, output="single", step=32),
        Model("meta/meta-llama-3-8b-instruct", _LLAMA_VERSION, _LLAMA, modality="text", output="chunks"),
        Model("meta/llama-guard-3-8b", _GUARD_VERSION, _GUARD, modality="text", output="chunks", official=False),
    )
}

_TRAINING: Final[Mapping[str, Input]] = {
    "input_images": Input("string", required=True, holds="archive"),
    "trigger_word": Input("string", "TOK"),
    "autocaption": Input("boolean", default=True),
    "autocaption_prefix": Input("string"),
    "autocaption_suffix": Input("string"),
    "steps": Input("integer", 1000, minimum=3, maximum=6000),
    "learning_rate": Input("number", 0.0004),
    "batch_size": Input("integer", 1),
    "resolution": Input("string", "512,768,1024"),
    "lora_rank": Input("integer", 16, minimum=1, maximum=128),
    "caption_dropout_rate": Input("number", 0.05, minimum=0, maximum=1),
    "optimizer": Input("string", "adamw8bit"),
    "cache_latents_to_disk": Input("boolean", default=False),
    "layers_to_optimize_regex": Input("string"),
    "gradient_checkpointing": Input("boolean", default=False),
    "hf_repo_id": Input("string"),
    "hf_token": Input("string"),
}

#: The model that trains: it takes no predictions. Its version is made up, for it changes often.
TRAINER: Final = Model(
    "ostris/flux-dev-lora-trainer",
    "26dce37af90b9d997eeb970d92e47de3064d46c300504ae376c75bef6a9022d2",
    _TRAINING,
    modality="training",
    output="version",
    official=False,
)


def trained(name: str, version: str) -> Model:
    """Returns what a training has made of FLUX: a model of the account's own, which runs by its version."""
    inputs = {**_DEV, "lora_scale": Input("number", 1, minimum=-1, maximum=3)}
    return Model(name, version, inputs, official=False)
