"""A world in which everything can be made: one small model of each modality, and a policy that lets them pass."""

from dataclasses import replace
from typing import Any

from dev.fakes.archives import PICTURES_ZIP, WEIGHTS_TAR
from dev.fakes.catalogs import IMAGE, SECONDS, TEXT, VERSION, catalog, model
from dev.fakes.world import World
from shared.core.catalog.catalog import Catalog
from shared.core.safety.moderation import UNSCREENED_MODALITIES, Category, Policy

#: What each kind of file begins with, and what it ends with where it says so.
MP4 = (
    b"\x00\x00\x00\x18ftypmp42" + bytes(12) + b"\x00\x00\x00\x64moov" + bytes(92) + b"\x00\x00\x00\xc8mdat" + bytes(192)
)
WAV = b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(300)
TAR = WEIGHTS_TAR
ZIP = PICTURES_ZIP

#: The version that the trained model gets.
TRAINED_VERSION = "ada/lora:" + VERSION

TOKENS = {"type": "whole", "from": 1, "to": 9000, "default": 1000}
CATALOG = catalog(
    {
        "writer": model(
            {"prompt": TEXT, "system_prompt": TEXT, "max_tokens": TOKENS},
            replicate="owner/writer",
            modality="text",
            output="chunks",
            credits_per="thousand_tokens",
            prices=[{"unit": "million_tokens_out", "usd_micros": 1_000_000}],
        ),
        "film": model(
            {"prompt": TEXT, "start": IMAGE, "duration": SECONDS},
            replicate="owner/film",
            modality="video",
            output="single",
            credits_per="second",
            prices=[{"unit": "second", "usd_micros": 10_000}],
            output_bytes=1000,
        ),
        "song": model(
            {
                "prompt": TEXT,
                "input_audio": {"type": "audio", "field": "input_file"},
                "continuation": {"type": "flag"},
            },
            replicate="owner/song:" + VERSION,
            modality="audio",
            output="single",
            credits=4,
        ),
        "voice": model(replicate="owner/voice", modality="audio", output="object", credits=2),
        "collage": model(
            {"prompt": TEXT, "input_images": {"type": "images", "field": "image_url"}},
            replicate="owner/collage",
            output="single",
        ),
        "loads": model({"prompt": TEXT, "lora_weights": {"type": "weights"}}, replicate="owner/loads"),
        "portrait": model(
            {"prompt": TEXT, "image": IMAGE}, replicate="owner/portrait", status="hidden", tier="basic", credits=7
        ),
        "trainer": model(
            {
                "input_images": {"type": "archive", "field": "input_file", "required": True},
                "trigger_word": TEXT,
                "steps": {"type": "whole", "field": "training_steps", "from": 3, "to": 6000},
            },
            replicate="owner/trainer:" + VERSION,
            modality="training",
            output="version",
            credits=100,
            cancel_after_s=3600,
            fallback=["trainer-too"],
            version_entry="portrait",
        ),
        "trainer-too": model(
            {
                "input_images": {"type": "archive", "field": "input_file", "required": True},
                "trigger_word": TEXT,
                "steps": {"type": "whole", "field": "training_steps", "from": 3, "to": 6000},
            },
            replicate="owner/trainer-too:" + VERSION,
            modality="training",
            output="version",
            credits=100,
        ),
    }
)

#: A policy that knows thresholds and nothing else: what nobody can look at is refused.
STRICT = Policy("test", dict.fromkeys(Category, 4))
WILLING = replace(STRICT, unscreened=UNSCREENED_MODALITIES)


async def opened(policy: Policy = WILLING, of: Catalog = CATALOG) -> World:
    """Ada's world, with a thousand credits."""
    world = World(credits=1000, catalog=of)
    world.deps = replace(world.deps, policy=policy)
    await world.open_account()
    return world


async def train(world: World, **said: Any) -> None:
    """Ada asks for a training of an archive that is there."""
    world.blobs.uploads.setdefault("ada/ada/pictures.zip", ZIP)
    asked = {"model": "trainer", "prompt": None, "input_file": "ada/ada/pictures.zip", "destination": "ada/lora"}
    await world.ask(**{**asked, "trigger_word": "LGHT", **said})


async def trained(world: World, weights: bytes | None = TAR) -> World:
    """A training that comes to its end."""
    await train(world)
    world.replicate.train(world.replicate.only_id, weights)
    await world.webhook(world.replicate.only_id)
    return world
