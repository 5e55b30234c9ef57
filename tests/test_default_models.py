"""The settings of routing: default models where a plan names none, the cheapest in their place, and no fallback."""

from pathlib import Path

import pytest

from shared.config import data_files
from shared.config.settings import Settings, SettingsError
from shared.core.catalog.catalog import Routing
from tests.cli.counter import ENV
from tests.test_datafiles import SETTINGS, plans

TEAM = """
replace = true
default = "small"
[plans.small]
tier = "free"
[plans.small.default_models]
training = "flux-dev-lora-trainer"
[plans.large]
tier = "premium"
[plans.large.default_models]
training = "flux-dev-lora-trainer"
text = "llama-4-scout"
"""

#: The guides' values of the four settings.
GUIDES = {
    "DEFAULT_TEXT_MODEL": "llama-70b",
    "DEFAULT_IMAGE_MODEL": "flux-pro",
    "DEFAULT_VIDEO_MODEL": "minimax-video",
    "DEFAULT_AUDIO_MODEL": "musicgen",
}


def test_a_setting_fills_in_where_a_plan_names_no_default_and_never_lifts_a_tier(tmp_path: Path) -> None:
    """A plan that does not include its model has the first of its fallbacks; what a plan names stays."""
    file = tmp_path / "plans.toml"
    file.write_text(TEAM, encoding="utf-8")
    mine = plans(Settings.from_env(ENV | GUIDES | {"PLANS_FILE": str(file)}))
    trainer = {"training": "flux-dev-lora-trainer"}
    small = {"image": "flux-schnell", "video": "ray-flash-2-540p", "audio": "musicgen", "text": "llama-3-8b"}
    assert mine["small"].default_models == small | trainer
    large = {"image": "flux-pro", "video": "video-01", "audio": "musicgen", "text": "llama-4-scout"}
    assert mine["large"].default_models == large | trainer
    own = data_files.catalog(SETTINGS)
    for plan in mine.values():
        assert all(own.models[name].tier <= plan.tier for name in plan.default_models.values())
    assert plans(Settings.from_env(ENV | GUIDES)) == plans(SETTINGS)


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ("IMAGE", "flux-prro"),
        ("IMAGE", "musicgen"),
        ("AUDIO", "suno"),
        ("TEXT", "llama-guard-3-8b"),
        ("IMAGE", "imagen-3"),
    ],
)
def test_a_default_that_is_not_on_offer_is_named_by_its_setting(setting: str, name: str) -> None:
    """The error lists what there is, for the app and for whoever edits the catalogue."""
    said = rf"^DEFAULT_{setting}_MODEL: must be one of [a-z]"
    with pytest.raises(SettingsError, match=said):
        plans(Settings.from_env(ENV | {f"DEFAULT_{setting}_MODEL": name}))
    with pytest.raises(SettingsError, match=said):
        data_files.check_catalog("", "mine.toml", defaults={setting.lower(): name})


def test_a_default_that_no_plan_of_a_tier_can_have_fills_in_nothing(tmp_path: Path) -> None:
    """The plan has to name one: nothing is chosen for it."""
    file = tmp_path / "plans.toml"
    file.write_text(TEAM, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"plan small, default_models\.image: must be one of flux-schnell"):
        plans(Settings.from_env(ENV | GUIDES | {"PLANS_FILE": str(file), "DEFAULT_IMAGE_MODEL": "flux-depth-pro"}))


def test_the_settings_of_routing_are_in_the_catalogue() -> None:
    """By default the plan's default serves, and a fallback may follow."""
    assert data_files.catalog(SETTINGS).routing == Routing(cheapest=False, fallback=True)
    other = Settings.from_env(ENV | {"ENABLE_COST_OPTIMIZATION": "true", "USE_FALLBACK": "false"})
    assert data_files.catalog(other).routing == Routing(cheapest=True, fallback=False)
