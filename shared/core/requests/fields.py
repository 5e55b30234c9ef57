"""The table of request fields: everything that is known about a field is here, once.

Rules of this file:
1. The parser, the command line, the JSON Schema, the table of docs/requests.md, the screened text, the views and the
   redaction of errors are made from this table. None of them lists fields by hand: such a list forgets the next field.
2. Every text says whether it is ``written``. A written text is in the user's own words, and a model may get it: it is
   screened, shown only on request, and redacted from errors. Any other text is a name or a choice: Darkroom or the
   catalogue compares it with known values, and no model gets it as free text.
3. Fields stand in the order in which help and views list them. Written texts stand in the order in which a model reads
   them, because they are screened as one text in this order.
4. Numbers are bounded so that every store accepts them. The catalogue knows the bounds of each model.
5. The ids and ``type`` of a message are not in this table: they say whose message it is, not what it asks for.
"""

from shared.core.modality import Modality
from shared.core.requests.field_patterns import LORA_PATTERN, OWNER_NAME, UPLOAD, UPLOAD_RULE
from shared.core.requests.field_types import Addresses, Field, Flag, Inputs, Number, Pairs, Text

#: What Darkroom can make.
MODALITIES: tuple[str, ...] = tuple(Modality)


def _name(most: int, **rest: tuple[str, ...] | str) -> Text:
    return Text(most, False, **rest)  # type: ignore[arg-type]  # noqa: FBT003  # as Text has them


def _written(most: int | None, form: str = "") -> Text:
    return Text(most, True, form=form)  # noqa: FBT003  # the name of the function says it


_NONE_YET = "No model that is offered takes it yet; one of your own catalogue may."

FIELDS: tuple[Field, ...] = (
    Field(
        "system_prompt",
        _written(20_000),
        "How a text model should behave.",
        "You answer in one sentence.",
        ("text",),
        "TEXT",
        "It stands before the prompt, in the model's own template. Control tokens of chat templates (`<|eot_id|>`, "
        "`[INST]`, `<start_of_turn>` and the like) in it or in the prompt of a text model are disarmed: a character "
        "that looks the same replaces the first one, so that a text cannot pose as another speaker.",
    ),
    Field(
        "prompt",
        _written(None, "not blank, 3 to 500 characters unless the model has other bounds"),
        "What to make. Every request but a training needs one.",
        "A lighthouse at night",
        MODALITIES,
        "PROMPT",
    ),
    Field(
        "modality",
        _name(20, choices=MODALITIES),
        "The kind of output, if no model is named.",
        "image",
        (),
        "|".join(MODALITIES),
        "Default: `image`, or `training` if the request has a `destination`.",
        shown=True,
    ),
    Field(
        "kind",
        _name(20),
        "What the model is for within its modality, such as music or speech.",
        "music",
        (),
        "KIND",
        "Default: the kind of the plan's default model. Without a `modality`, it is the one that has this kind.",
        shown=True,
    ),
    Field(
        "model",
        _name(200),
        "A model of the catalogue. Default: chosen by the user's plan.",
        "flux-schnell",
        (),
        "MODEL",
        "Its name in the catalogue, or Replicate's `owner/name`.",
        shown=True,
    ),
    Field(
        "quality",
        _name(20),
        "Choose the model by quality: economy, standard or premium.",
        "standard",
        (),
        "QUALITY",
        shown=True,
    ),
    Field(
        "width",
        Number(64, 8192),
        "The wanted width.",
        1024,
        ("image", "video"),
        "PIXELS",
        "In pixels; mapped to the nearest size that the model has.",
        shown=True,
    ),
    Field(
        "height",
        Number(64, 8192),
        "The wanted height.",
        768,
        ("image", "video"),
        "PIXELS",
        "In pixels; mapped to the nearest size that the model has.",
        shown=True,
    ),
    Field(
        "aspect_ratio",
        _name(20),
        "The ratio of width to height, such as 16:9.",
        "16:9",
        ("image", "video"),
        "W:H",
        "With width and height, it decides the shape and they decide the size. If their shape differs from it, they "
        "are ignored. `custom`: width and height decide both.",
        shown=True,
    ),
    Field(
        "num_outputs", Number(1, 100), "The number of pictures.", 2, ("image",), "N", "Each one is charged.", shown=True
    ),
    Field(
        "seed",
        Number(0, 2**32 - 1),
        "The same seed gives the same result.",
        7,
        ("image", "video", "audio"),
        "N",
        "Default: Darkroom chooses a seed and records it.",
    ),
    Field(
        "output_format",
        _name(10),
        "The file format, such as webp, png, jpg, mp3 or wav.",
        "png",
        ("image", "audio"),
        "FORMAT",
    ),
    Field("negative_prompt", _written(2000), "What the picture must not show.", "fog", ("image",), "TEXT"),
    Field("num_inference_steps", Number(1, 1000), "The number of inference steps.", 28, ("image",), "N"),
    Field(
        "guidance_scale",
        Number(0, 100, whole=False),
        "How closely the model follows the prompt.",
        3.5,
        ("image", "audio"),
        "X",
    ),
    Field(
        "image_url",
        _name(8192),  # an address signed with a role's token is long
        "The https address of a picture to start from.",
        "https://pictures.example.com/ada/beach.jpg",
        ("image", "video"),
        "URL",
        "Darkroom fetches and screens the picture; the model gets Darkroom's copy.",
    ),
    Field(
        "image_urls",
        Addresses(13, 8192),
        "The https addresses of more pictures to start from.",
        ["https://pictures.example.com/ada/hat.jpg"],
        ("image",),
        "URL",
        "They follow the picture of `image_url`. Each is fetched and screened like that one.",
    ),
    Field(
        "mask_url",
        _name(8192),
        "The https address of a mask: a picture that is white where `image_url` may change.",
        "https://pictures.example.com/ada/mask.png",
        ("image",),
        "URL",
        "It has the size of the picture. Darkroom fetches and screens it too.",
    ),
    Field(
        "end_image_url",
        _name(8192),
        "The https address of the picture with which a video ends.",
        "https://pictures.example.com/ada/sunset.jpg",
        ("video",),
        "URL",
        "Darkroom fetches and screens it too.",
    ),
    Field(
        "prompt_strength",
        Number(0, 1, whole=False),
        "How far the result may differ from the picture of `image_url`, 0 to 1.",
        0.7,
        ("image",),
        "X",
    ),
    Field(
        "lora_weights",
        _name(
            512,
            pattern=LORA_PATTERN,
            rule="lora_weights must be a version that your account has trained, or an https address",
            form="`owner/name:version`, or an https address",
        ),
        "A LoRA that the model loads: a version that the account has trained, or an address.",
        "https://weights.example.com/ada/lighthouses.safetensors",
        ("image",),
        "WEIGHTS",
        "The address must be on a host that the policy lists (`lora_hosts`). As shipped it lists none.",
    ),
    Field("lora_scale", Number(-1, 3, whole=False), "How strongly the LoRA acts.", 1, ("image",), "X"),
    Field(
        "duration_s",
        Number(1, 3600),
        "The length of a video or a sound.",
        5,
        ("video", "audio"),
        "SECONDS",
        "In seconds.",
        shown=True,
    ),
    Field(
        "resolution",
        _name(20),
        "A resolution by the model's own name, such as 1 MP or 720p.",
        "1 MP",
        ("image", "video", "training"),
        "NAME",
        "A size such as `1920x1080` is a width and a height.",
        shown=True,
    ),
    Field(
        "max_tokens",
        Number(1, 1_000_000),
        "The maximum length of the text.",
        200,
        ("text",),
        "N",
        "In tokens.",
        shown=True,
    ),
    Field(
        "temperature",
        Number(0, 10, whole=False),
        "How random the result is.",
        0.8,
        ("audio", "text"),
        "X",
        shown=True,
    ),
    Field(
        "top_k",
        Number(0, 1_000_000),
        "Choose each token among this many of the likeliest.",
        250,
        ("audio", "text"),
        "N",
        "0: among all.",
        shown=True,
    ),
    Field(
        "top_p",
        Number(0, 1, whole=False),
        "Choose each token among the likeliest that have this probability together, 0 to 1.",
        0.9,
        ("audio", "text"),
        "X",
        shown=True,
    ),
    Field("fps", Number(1, 240), "The frames per second of a video.", 30, ("video",), "N", _NONE_YET, shown=True),
    Field(
        "motion",
        Number(0, 255, whole=False),
        "How much moves in a video.",
        127.0,
        ("video",),
        "X",
        f"On the model's own scale. {_NONE_YET}",
        shown=True,
    ),
    Field(
        "continuation",
        Flag(),
        "Continue the sound of the input file.",
        example=True,
        modalities=("audio",),
        more="It needs an `input_file`.",
        shown=True,
    ),
    Field(
        "input_file",
        _name(
            512,
            pattern=UPLOAD,
            rule=UPLOAD_RULE,
            form="`<account_id>/<user_id>/<name>`",
        ),
        "A sound, or a training's archive, by the name that `upload` printed.",
        "ada/ada/melody.wav",
        ("audio", "training"),
        "NAME",
        "Your app puts the file into the container `uploads`.",
        shown=True,
    ),
    Field(
        "destination",
        _name(
            140,
            pattern=OWNER_NAME,
            rule="destination must be owner/name of a model: small letters, digits and . _ -",
            form="`owner/name`",
        ),
        "The model that a training adds a version to.",
        "darkroom-local/ada-portraits",
        ("training",),
        "OWNER/NAME",
        "It exists at Replicate, and belongs to the account that pays. Small letters, digits and `. _ -`.",
        shown=True,
    ),
    Field("trigger_word", _written(60), "The word for the trained subject.", "ADAPRT", ("training",), "WORD"),
    Field("training_steps", Number(1, 100_000), "The number of training steps.", 1000, ("training",), "N", shown=True),
    Field(
        "inputs",
        Inputs(20, 8192, 14, 2**53, 32_768, r"[A-Za-z_][A-Za-z0-9_]{0,63}"),
        "More inputs of the model that `model` names.",
        {"raw": True},
        unit="JSON",
        more="The catalogue lists for each model which can be set, with kind, bounds and worst price; any other is "
        "refused by name. Texts are screened; an address is fetched and screened like that of `image_url`.",
    ),
    Field(
        "learning_rate", Number(0, 1, whole=False), "How much each training step changes.", 0.0004, ("training",), "X"
    ),
    Field(
        "batch_size",
        Number(1, 64),
        "How many pictures a training step sees.",
        2,
        ("training",),
        "N",
        "A step of two pictures costs as much as two steps.",
        shown=True,
    ),
    Field("lora_rank", Number(1, 256), "The size of the trained LoRA.", 16, ("training",), "N", shown=True),
    Field(
        "autocaption",
        Flag(),
        "Let the trainer write captions for pictures without one.",
        example=False,
        modalities=("training",),
    ),
    Field(
        "gradient_checkpointing",
        Flag(),
        "Train with less memory, and slower.",
        example=False,
        modalities=("training",),
    ),
    Field(
        "max_credits",
        Number(0, 1_000_000_000),
        "The maximum price.",
        5,
        (),
        "N",
        "A request that costs more is refused, and a fallback that costs more is not tried.",
    ),
    Field(
        "allow_fallback",
        Flag(default=True),
        "Try another model if this one is retired or fails for a temporary reason.",
        example=False,
        more="The other model costs no more than the hold. Default: `true`.",
    ),
    Field(
        "strict",
        Flag(default=False),
        "Refuse the request if a field would be ignored.",
        example=True,
        more="A field is ignored if it is unknown, or if the chosen model has no use for it. Default: `false`.",
    ),
    Field(
        "metadata",
        Pairs(16, 256),
        "Pairs of your own, returned in the event.",
        {"order": "7"},
        (),
        "NAME=VALUE",
    ),
)

#: The fields by name.
FIELD: dict[str, Field] = {field.name: field for field in FIELDS}

#: The names of the written fields, in the order in which a model reads them (rules 2 and 3).
WRITTEN: tuple[str, ...] = tuple(field.name for field in FIELDS if field.written)

#: The fields whose addresses lead to pictures. Each picture is fetched, screened and stored before a model gets it.
PICTURES: tuple[str, ...] = ("image_url", "image_urls", "mask_url", "end_image_url")
