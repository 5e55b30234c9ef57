"""Routing that never guesses: kinds, ties, and other names of models."""

import tomllib
from typing import Any

import pytest

from dev.fakes.catalogs import CORE, IMAGE, REAL, TEXT, catalog, model
from shared.core.catalog.choosing import Quote
from shared.core.catalog.file import build_catalog
from shared.core.catalog.reading import CatalogError
from shared.core.events.generation_event import ChosenBy, PassedOver
from shared.core.reasons import Reason, Refusal
from tests.core.routing import outcome, refused, served

PICTURE = "https://pictures.example/cat.png"


# Kinds.

KINDS: dict[str, Any] = {
    "song": model(replicate="o/song", modality="audio", kind="music", credits=4),
    "hum": model(replicate="o/hum", modality="audio", kind="music", quality="standard", credits=6, tier="basic"),
    "talk": model({"prompt": TEXT, "image": IMAGE}, replicate="o/talk", modality="audio", kind="speech"),
    "plain": model(replicate="o/plain"),
}
SOUNDS = catalog(KINDS)


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ({"modality": "audio"}, "song"),
        ({"modality": "audio", "kind": "speech"}, "talk"),
        ({"kind": "speech"}, "talk"),
        ({"kind": " Speech"}, "talk"),
        ({"kind": "music", "quality": "economy"}, "song"),
        ({"modality": "audio", "quality": "economy"}, "song"),
        ({"kind": "speech", "quality": "economy"}, "talk"),
        ({"model": "talk", "kind": "speech"}, "talk"),
        ({}, "plain"),
    ],
)
def test_a_model_is_of_the_kind_that_was_asked_for(said: dict[str, Any], name: str) -> None:
    """Without one, it is that of the plan's default; a kind says the modality too. No cheaper one of another serves."""
    assert served("free", SOUNDS, **said) == name


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"kind": "poetry", "modality": "audio"}, "kind must be one of music, speech for the modality audio"),
        ({"kind": "poetry"}, "kind is to be left out for the modality image"),
        ({"kind": "speech", "modality": "image"}, "kind is to be left out for the modality image"),
        ({"kind": "speech", "model": "song"}, "kind must be music for song, or left out"),
        ({"kind": "speech", "model": "plain"}, "kind is not taken by plain"),
        ({"kind": "speech", "quality": "standard"}, "quality must be one of economy for speech"),
        (
            {"modality": "audio", "image_url": PICTURE},
            "image_url is not taken by any model that could serve this: leave it out",
        ),
    ],
)
def test_no_model_of_another_kind_stands_for_one(said: dict[str, Any], text: str) -> None:
    """The sentence says what may be said; a speaker that takes the field makes no music."""
    assert refused("basic", SOUNDS, **said) == text


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"fallback": ["talk"]}, "fallback: talk must be of the same kind, music"),
        ({"status": "retired", "successor": "talk"}, "successor: talk must be of the same kind, music"),
        ({"kind": "", "fallback": ["talk"]}, "fallback: talk must be of the same kind, none"),
        ({"kind": "Music"}, "kind: must be a word of at most 20 small letters"),
        ({"kind": "x" * 21}, "kind: must be a word of at most 20 small letters"),
    ],
)
def test_fallbacks_and_successors_stay_within_the_kind(changes: dict[str, Any], text: str) -> None:
    """A catalogue that leads out of it is not read."""
    with pytest.raises(CatalogError, match=text):
        catalog(KINDS | {"song": KINDS["song"] | changes})


def test_music_and_speech_never_follow_one_another_in_the_apps_own() -> None:
    """Bark speaks, MusicGen makes music, and Llama Guard writes for nobody."""
    assert served("free", modality="audio") == "musicgen"
    assert served("free", kind="speech") == "bark"
    assert refused("free", modality="audio", quality="economy") == "quality must be one of standard for music"
    kinds = {each.kind for each in REAL.models.values() if each.kind}
    assert kinds == {"music", "speech", "screening"}


# Ties.

RUN = [{"unit": "run", "usd_micros": 2000}]
GPU = [{"unit": "gpu_second", "usd_micros": 1000}]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "a"),
        ({"credits": 2}, "b"),
        ({"prices": [{"unit": "image", "usd_micros": 3001}]}, "b"),
        ({"expected_s": 4}, "b"),
        ({"prices": GPU, "expected_s": 3, "cancel_after_s": 600}, "a"),
        ({"prices": GPU, "expected_s": 4, "cancel_after_s": 4 * 5}, "b"),
    ],
)
def test_a_tie_goes_to_the_cheaper_in_usd_then_to_the_faster(changes: dict[str, Any], name: str) -> None:
    """Credits come first. The order of the file decides nothing. A machine counts for as long as it usually runs."""
    a = model(replicate="o/a", quality="standard") | changes
    b = model(replicate="o/b", quality="standard")
    for tables in ({"b": b, "a": a}, {"a": a, "b": b}):
        both = catalog(tables)
        assert served("free", both, quality="standard") == name
        cheapest = both.cheapest("image", "standard")
        assert cheapest is not None
        assert cheapest.name == name


def test_a_tie_is_reckoned_for_what_was_asked() -> None:
    """A price for each picture is dearer than one for the run as soon as there are several."""
    many = {"prompt": TEXT, "n": {"type": "whole", "field": "num_outputs", "from": 1, "to": 4}}
    by_run = model(many, replicate="o/run", quality="standard", prices=[{"unit": "run", "usd_micros": 4000}])
    by_image = model(many, replicate="o/image", quality="standard")
    both = catalog({"by-run": by_run, "by-image": by_image})
    assert served("free", both, quality="standard") == "by-image"
    assert served("free", both, quality="standard", num_outputs=2) == "by-run"


# Names.

NAMED: dict[str, Any] = {
    "models": {
        "paint": model(replicate="o/paint"),
        "old": model(replicate="o/old", status="retired", successor="paint", inputs={}),
        "hush": model(replicate="o/hush", status="hidden"),
    },
    "names": {"brush": "paint", "o/older": "old"},
    "instead": {"art": {"models": ["hush", "paint"], "why": "it is no model"}, "hush": {"models": ["paint"]}},
}


def test_a_model_has_other_names() -> None:
    """They are the model's own, or lead to its successor, which the event names."""
    of = build_catalog(NAMED)
    offer = outcome("free", of, model="brush")
    assert isinstance(offer, Quote)
    assert (offer.model.name, offer.chosen_by, offer.passed_over) == ("paint", ChosenBy.REQUEST, ())
    offer = outcome("free", of, model="o/older")
    assert isinstance(offer, Quote)
    assert (offer.model.name, offer.chosen_by) == ("paint", ChosenBy.SUCCESSOR)
    assert offer.passed_over == (PassedOver("old", Reason.MODEL_RETIRED),)


def test_a_name_that_is_no_model_is_answered_with_what_to_ask_for() -> None:
    """Hidden models are not among them; a model that is offered again is served under its name."""
    of = build_catalog(NAMED)
    assert refused("free", of, model="art") == "art is not offered here: it is no model. Ask for paint."
    assert refused("free", of, model="o/hush") == "hush is not offered here. Ask for paint."
    shown = NAMED["models"] | {"hush": model(replicate="o/hush")}
    assert served("free", build_catalog(NAMED | {"models": shown}), model="hush") == "hush"


def test_a_models_own_name_precedes_another_name() -> None:
    """An operator's file may add a model under a name that the app's own file gives to another one."""
    more = NAMED["models"] | {"brush": model(replicate="o/brush"), "art": model(replicate="o/art")}
    of = build_catalog(NAMED | {"models": more})
    assert (served("free", of, model="brush"), served("free", of, model="art")) == ("brush", "art")
    assert not {*REAL.names} & {*REAL.models}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"names": {"brush": "pant"}}, "names, brush: must be a model of the catalogue"),
        ({"names": {"brush": ["paint"]}}, "names, brush: must be a model of the catalogue"),
        ({"names": 7}, "names: must be a table"),
        ({"instead": {"art": "paint"}}, "instead, art: must be a table of models and why"),
        ({"instead": {"art": {"models": []}}}, "instead, art, models: must be models of the catalogue"),
        ({"instead": {"art": {"models": ["pant"]}}}, "models: must be models of the catalogue, not pant"),
        ({"instead": {"art": {"models": ["paint"], "because": ""}}}, "because: is not known"),
    ],
)
def test_a_mistake_in_the_names_is_named(change: dict[str, Any], text: str) -> None:
    """With its place."""
    with pytest.raises(CatalogError, match=text):
        build_catalog(NAMED | change)


#: Every id and short name of a model in the guides, and the model that serves it, or those that the reason names.
GUIDES: dict[str, str | tuple[str, ...]] = {
    "llama-3.1-70b": "llama-3-70b",
    "llama-3.1-405b": "llama-4-maverick",
    "meta/meta-llama-3.1-405b-instruct": "llama-4-maverick",
    "meta/meta-llama-3.1-70b-instruct": "llama-3-70b",
    "mistral-large-2407": "llama-4-maverick",
    "mistralai/mistral-large-2407": "llama-4-maverick",
    "llama-guard-3-8b": ("llama-3-8b",),
    "meta/llama-guard-3-8b": ("llama-3-8b",),
    "claude": ("llama-4-maverick",),
    "flux-1.1-pro": "flux-1.1-pro",
    "black-forest-labs/flux-1.1-pro": "flux-1.1-pro",
    "flux-dev": "flux-dev",
    "flux-schnell": "flux-schnell",
    "sdxl": "sdxl",
    "stability-ai/sdxl": "sdxl",
    "playground-v2.5": "playground-v2.5",
    "playgroundai/playground-v2.5-1024px-aesthetic": "playground-v2.5",
    "minimax/video-01": "video-01",
    "luma/dream-machine": "ray-2-720p",
    "dream-machine": "ray-2-720p",
    "runway/gen-3-alpha-turbo": "gen-4.5",
    "gen-3-alpha-turbo": "gen-4.5",
    "stable-video-diffusion": "ray-flash-2-540p",
    "stability-ai/stable-video-diffusion": "ray-flash-2-540p",
    "svd": "ray-flash-2-540p",
    "bark": "bark",
    "suno-ai/bark": "bark",
    "suno": ("musicgen", "bark"),
    "musicgen": "musicgen",
    "meta/musicgen": "musicgen",
    "audiocraft": "musicgen",
    "llama-70b": "llama-3-70b",
    "llama-405b": "llama-4-maverick",
    "flux-pro": "flux-pro",
    "minimax-video": "video-01",
    "pro": "flux-1.1-pro",
    "1.1-pro": "flux-1.1-pro",
    "dev": "flux-dev",
    "schnell": "flux-schnell",
    "mistral": ("llama-4-scout",),
    "minimax": ("video-01",),
    "luma": ("ray-2-720p", "ray-flash-2-540p"),
    "runway": ("gen-4.5", "gen4-turbo"),
    "simpletuner/advanced-trainer": ("flux-dev-lora-trainer",),
    "advanced-trainer": ("flux-dev-lora-trainer",),
    "advanced-trainer-h100": ("flux-dev-lora-trainer",),
}


@pytest.mark.parametrize("name", GUIDES)
def test_every_name_of_the_guides_is_answered(name: str) -> None:
    """By the model, by its successor, or by a reason that names what to ask for."""
    wanted = GUIDES[name]
    if isinstance(wanted, str):
        assert served("premium", model=name) == wanted
        return
    trains: dict[str, Any] = {"prompt": "", "input_file": "ada/ada/a.zip", "destination": "ada/lora"}
    refusal = outcome("premium", model=name, **(trains if "trainer" in name else {}))
    assert isinstance(refusal, Refusal)
    assert refusal.reason is (Reason.MODEL_RETIRED if "trainer" in name else Reason.UNKNOWN_MODEL)
    assert refusal.text.endswith(f"Ask for {' or '.join(wanted)}.")


def test_a_successor_of_a_higher_tier_is_named() -> None:
    """The reason says which tier it needs."""
    said = "dream-machine is no longer offered, and ray-2-720p in its place needs a plan of the tier premium."
    assert outcome("basic", model="dream-machine") == Refusal(Reason.PLAN_TOO_LOW, said)


def test_the_kinds_and_names_are_data_of_the_apps_own_file() -> None:
    """An operator's file that is laid over it adds names and keeps the others."""
    raw = tomllib.loads((CORE / "catalog" / "catalog.toml").read_text(encoding="utf-8"))
    assert raw["names"] == dict(REAL.names)
    assert set(raw["instead"]) == set(REAL.instead)
