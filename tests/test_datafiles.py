"""The data files: those that come with the app, others in their place, and what is wrong with them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from shared import datafiles
from shared.core.credits import Plan
from shared.core.moderation import CONTENT_SAFETY, LLAMA_GUARD, TERMS, Category
from shared.settings import Settings, SettingsError
from shared.wiring import Wiring
from tests.cli.counter import ENV

SETTINGS = Settings.from_env(ENV)
OWN = Path(datafiles.__file__).parent / "core"


def test_without_a_setting_they_are_the_apps_own() -> None:
    """All three are there and sound."""
    assert datafiles.catalog(SETTINGS).models
    assert datafiles.policy(SETTINGS).refuse_from == dict.fromkeys(Category, 4)
    assert datafiles.terms(SETTINGS).look("hentai").severities


def test_another_file_takes_the_place(tmp_path: Path) -> None:
    """By its path; thresholds that are set go before it, for every plan."""
    file = tmp_path / "mine.toml"
    text = (OWN / "moderation.toml").read_text(encoding="utf-8").replace("Hate = 4", "Hate = 6")
    file.write_text(f"{text}\n[plans.free]\nViolence = 2\n", encoding="utf-8")
    mine = replace(SETTINGS, moderation_file=str(file))
    assert datafiles.policy(mine).refuse_from[Category.HATE] == 6
    stricter = datafiles.policy(replace(mine, refuse_violence_from=1))
    assert stricter.thresholds(Plan.FREE)[Category.VIOLENCE] == 1
    assert stricter.version == "2026-11-01+Violence1"


@pytest.mark.parametrize(
    ("setting", "read"),
    [("MODERATION_FILE", datafiles.policy), ("TERMS_FILE", datafiles.terms), ("CATALOG_FILE", datafiles.catalog)],
    ids=["policy", "terms", "catalogue"],
)
def test_a_file_that_is_not_there_names_its_setting(setting: str, read: Callable[[Settings], object]) -> None:
    """So that the operator knows which."""
    settings = Settings.from_env(ENV | {setting: "/nowhere/mine.toml"})
    with pytest.raises(SettingsError, match=f"see {setting}"):
        read(settings)


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ("", {TERMS, CONTENT_SAFETY}),
        ("content_safety", {CONTENT_SAFETY}),
        ("terms, content_safety, llama_guard", {TERMS, CONTENT_SAFETY, LLAMA_GUARD}),
    ],
)
async def test_the_chain_is_made_of_the_settings(said: str, names: set[str]) -> None:
    """Each screener by its name, all of them well at the start."""
    wiring = Wiring(Settings.from_env(ENV | {"SCREENERS": said}))
    try:
        assert wiring.screener.states() == dict.fromkeys(names, "closed")
    finally:
        await wiring.close()


@pytest.mark.parametrize("said", ["terms", "llama_guard", "content_safety,content_safety", "content_safety,guess", ","])
def test_a_chain_that_could_allow_nothing_or_is_unknown_is_refused(said: str) -> None:
    """Content Safety has to be among them."""
    with pytest.raises(SettingsError, match="SCREENERS is malformed"):
        Settings.from_env(ENV | {"SCREENERS": said})
