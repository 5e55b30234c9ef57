"""The data files: the app's own, other files in place of them or laid over them, and errors in them."""

import subprocess
import sys
import textwrap
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest

from shared.composition.app import App
from shared.config import data_files
from shared.config.settings import Settings, SettingsError
from shared.core.catalog.catalog import Status
from shared.core.dependency import Dependency
from shared.core.money.plans import Plans
from shared.core.safety.moderation import BLOCKLIST, CONTENT_SAFETY, LLAMA_GUARD, Category
from shared.ports import Unavailable
from tests.cli.counter import ENV

SETTINGS = Settings.from_env(ENV)
OWN = Path(data_files.__file__).parents[1] / "core"

OVERLAY = """
version = "mine"

[models.flux-schnell]
credits = 7

[models."flux-1.1-pro"]
status = "hidden"

[models.own-model]
replicate = "own/model"
modality = "image"
tier = "premium"
quality = "premium"
credits = 3
prices = [{ unit = "gpu_second", usd_micros = 1_400 }]
price_date = 2026-07-01
expected_s = 10
cancel_after_s = 300
output = "list"
inputs = { prompt = { type = "text" } }
"""


def plans(settings: Settings, texts: data_files.Texts | None = None) -> Plans:
    """The plans for the catalogue of the same settings."""
    return data_files.plans(settings, data_files.catalog(settings, texts), texts)


def test_without_a_setting_they_are_the_apps_own() -> None:
    """All four exist and are valid."""
    assert data_files.catalog(SETTINGS).models
    assert list(plans(SETTINGS)) == ["free", "basic", "premium"]
    assert data_files.policy(SETTINGS).refuse_from == dict.fromkeys(Category, 4)
    assert data_files.blocklist(SETTINGS).look("hentai").severities


def test_another_file_replaces_the_apps_own(tmp_path: Path) -> None:
    """The setting is its path. Threshold settings take precedence over it, for every plan."""
    file = tmp_path / "mine.toml"
    text = (OWN / "safety" / "moderation.toml").read_text(encoding="utf-8").replace("Hate = 4", "Hate = 6")
    file.write_text(f"{text}\n[plans.free]\nViolence = 2\n", encoding="utf-8")
    mine = replace(SETTINGS, moderation_file=str(file))
    assert data_files.policy(mine).refuse_from[Category.HATE] == 6
    stricter = data_files.policy(replace(mine, refuse_violence_from=1))
    assert stricter.thresholds("free")[Category.VIOLENCE] == 1
    assert stricter.version == "2026-11-29+Violence1"


@pytest.mark.parametrize(
    ("setting", "read"),
    [
        ("MODERATION_FILE", data_files.policy),
        ("BLOCKLIST_FILE", data_files.blocklist),
        ("CATALOG_FILE", data_files.catalog),
        ("PLANS_FILE", plans),
    ],
    ids=["policy", "terms", "catalogue", "plans"],
)
def test_the_error_of_a_missing_file_names_its_setting(setting: str, read: Callable[[Settings], object]) -> None:
    """The operator sees which file is missing."""
    settings = Settings.from_env(ENV | {setting: "/nowhere/mine.toml"})
    with pytest.raises(SettingsError, match=f"^{setting}: /nowhere/mine.toml cannot be read: No such file"):
        read(settings)


@pytest.mark.parametrize(
    ("setting", "read"),
    [
        ("MODERATION_FILE", data_files.policy),
        ("BLOCKLIST_FILE", data_files.blocklist),
        ("CATALOG_FILE", data_files.catalog),
        ("PLANS_FILE", plans),
    ],
    ids=["policy", "terms", "catalogue", "plans"],
)
@pytest.mark.parametrize(
    ("content", "says"), [(b"broken = [", r"mine\.toml \({}\): not TOML"), (b"\xff\xfe", "{}: .* is not text in UTF-8")]
)
def test_the_error_of_a_wrong_file_names_its_setting(
    tmp_path: Path, setting: str, read: Callable[[Settings], object], content: bytes, says: str
) -> None:
    """It is a SettingsError, which every tool prints, and it names the file."""
    file = tmp_path / "mine.toml"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=says.format(setting)):
        read(Settings.from_env(ENV | {setting: str(file)}))


def test_another_catalogue_is_laid_over_the_apps_own(tmp_path: Path) -> None:
    """It changes a price, hides a model and adds one. Everything else is the app's own."""
    file = tmp_path / "mine.toml"
    file.write_text(OVERLAY, encoding="utf-8")
    own, mine = data_files.catalog(SETTINGS), data_files.catalog(replace(SETTINGS, catalog_file=str(file)))
    assert set(mine.models) == {*own.models, "own-model"}
    assert mine.version == "mine"
    assert mine.models["flux-schnell"] == replace(own.models["flux-schnell"], credits=7)
    assert mine.models["flux-1.1-pro"].status is Status.HIDDEN
    same = set(own.models) - {"flux-schnell", "flux-1.1-pro"}
    assert {name: mine.models[name] for name in same} == {name: own.models[name] for name in same}


def test_the_apps_own_catalogue_is_read_once_and_no_text_that_is_laid_over_it_changes_it() -> None:
    """Every command that lays texts over it begins with the same tables; without a text there is one catalogue."""
    tables = data_files._own_tables()
    before = deepcopy(tables)
    mine = data_files.check_catalog("[models.flux-schnell]\ncredits = 7\n", "mine.toml")
    other = data_files.check_catalog("[models.flux-dev]\ncredits = 9\n", "mine.toml")
    assert (mine.models["flux-schnell"].credits, other.models["flux-dev"].credits) == (7, 9)
    assert other.models["flux-schnell"] == data_files.catalog(SETTINGS).models["flux-schnell"]
    assert data_files._own_tables() is tables
    assert tables == before
    assert data_files.catalog(SETTINGS).models is data_files.check_catalog("", "mine.toml").models


def test_an_error_in_a_catalogue_that_is_laid_over_is_reported(tmp_path: Path) -> None:
    """It names file, setting, model and field."""
    file = tmp_path / "mine.toml"
    mine = replace(SETTINGS, catalog_file=str(file))
    file.write_text("[models.flux-schnell]\ncredits = 0\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"^mine\.toml \(CATALOG_FILE\): model flux-schnell, credits: must be"):
        data_files.catalog(mine)


def test_a_plan_whose_default_model_is_hidden_needs_another(tmp_path: Path) -> None:
    """The app's own plans do not fit such a catalogue. The error says which setting changes them."""
    file, other = tmp_path / "mine.toml", tmp_path / "plans.toml"
    file.write_text('[models.flux-dev]\nstatus = "hidden"\n', encoding="utf-8")
    mine = replace(SETTINGS, catalog_file=str(file))
    said = (
        r"^plans\.toml \(the app's own; PLANS_FILE changes it\): plan basic, default_models\.image: must be one of flux"
    )
    with pytest.raises(SettingsError, match=said):
        plans(mine)
    other.write_text('[plans.basic.default_models]\nimage = "flux-schnell"\n', encoding="utf-8")
    assert plans(replace(mine, plans_file=str(other)))["basic"].default_models["image"] == "flux-schnell"


def test_other_plans_are_laid_over_the_apps_own(tmp_path: Path) -> None:
    """A bound is set and a plan is added. Everything else is the app's own."""
    file = tmp_path / "mine.toml"
    own = plans(SETTINGS)
    listed = "\n".join(f'{modality} = "{name}"' for modality, name in own["premium"].default_models.items())
    text = f'[plans.free]\nconcurrency = 2\n[plans.team]\ntier = "premium"\n[plans.team.default_models]\n{listed}\n'
    file.write_text(text, encoding="utf-8")
    mine = plans(replace(SETTINGS, plans_file=str(file)))
    assert dict(mine) == {
        "free": replace(own["free"], concurrency=2),
        "basic": own["basic"],
        "premium": own["premium"],
        "team": replace(own["premium"], name="team"),
    }
    assert (mine.version, mine.default) == (own.version, own.default)
    assert mine.digest != own.digest


@pytest.mark.parametrize("place", ["/etc/mine.toml", "blob:config/mine.toml", ""])
def test_a_policy_for_a_plan_that_does_not_exist_is_refused(place: str) -> None:
    """The error names the policy's file, and the plans."""
    policy = data_files.policy(SETTINGS)
    settings = replace(SETTINGS, moderation_file=place)
    data_files.check_policy(settings, replace(policy, plans={"free": {}}), plans(SETTINGS))
    with pytest.raises(SettingsError) as caught:
        data_files.check_policy(settings, replace(policy, plans={"gold": {}}), plans(SETTINGS))
    name = {"/etc/mine.toml": "mine.toml (MODERATION_FILE)", "": "moderation.toml"}.get(
        place, f"{place} (MODERATION_FILE)"
    )
    assert str(caught.value) == f"{name}, plans.gold: must be one of free, basic, premium"


async def test_the_app_refuses_a_policy_for_a_plan_that_does_not_exist(tmp_path: Path) -> None:
    """Health shows the sentence, and no message is processed under the wrong thresholds."""
    file = tmp_path / "mine.toml"
    text = (OWN / "safety" / "moderation.toml").read_text(encoding="utf-8")
    file.write_text(f"{text}\n[plans.gold]\nViolence = 2\n", encoding="utf-8")
    app = App(Settings.from_env(ENV | {"MODERATION_FILE": str(file)}))
    try:
        with pytest.raises(
            SettingsError, match=r"^mine\.toml \(MODERATION_FILE\), plans\.gold: must be one of free, ba"
        ):
            await app.check()
    finally:
        await app.close()


def test_the_catalogue_that_the_page_shows_can_be_laid_over(tmp_path: Path) -> None:
    """The example of docs/operations.md changes a price and hides a model."""
    page = (OWN.parents[1] / "docs" / "operations.md").read_text(encoding="utf-8")
    shown = page.partition("```toml\n")[2].partition("```")[0]
    file = tmp_path / "mine.toml"
    file.write_text(textwrap.dedent(shown), encoding="utf-8")
    mine = data_files.catalog(replace(SETTINGS, catalog_file=str(file)))
    assert mine.models["flux-schnell"].credits == 2
    assert mine.models["bark"].status is Status.HIDDEN


# Files in blobs.

PLACES = {
    "CATALOG_FILE": "blob:config/my/catalog.toml",
    "PLANS_FILE": "blob:config/plans.toml",
    "MODERATION_FILE": "blob:config/policy.toml",
    "BLOCKLIST_FILE": "blob:other-config/blocklist.toml",
}


async def test_files_in_blobs_are_fetched_and_read() -> None:
    """Each is read once by container and name. A path is not fetched."""
    reads = []

    async def read(container: str, name: str, most_bytes: int) -> bytes:
        reads.append((container, name))
        assert most_bytes == data_files.MOST_BYTES
        blocklist = (OWN / "safety" / "blocklist.toml").read_text()
        plain = '[plans.premium.default_models]\nimage = "flux-dev"\n'
        return {"my/catalog.toml": OVERLAY, "plans.toml": plain, "blocklist.toml": blocklist}[name].encode()

    settings = Settings.from_env(ENV | PLACES | {"MODERATION_FILE": str(OWN / "safety" / "moderation.toml")})
    texts = await data_files.fetch(settings, lambda: read)
    assert reads == [("config", "my/catalog.toml"), ("config", "plans.toml"), ("other-config", "blocklist.toml")]
    assert data_files.catalog(settings, texts).models["flux-schnell"].credits == 7
    assert plans(settings, texts)["premium"].default_models["image"] == "flux-dev"
    assert data_files.blocklist(settings, texts).look("hentai").severities
    assert data_files.policy(settings, texts) == data_files.policy(SETTINGS)


async def test_without_a_blob_no_reader_is_made() -> None:
    """A reader would open connections."""

    def reader() -> data_files.Read:
        raise AssertionError

    assert await data_files.fetch(SETTINGS, reader) == {}


@pytest.mark.parametrize("setting", PLACES)
@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        (FileNotFoundError(2, "it is not there"), "cannot be read: it is not there"),
        (PermissionError(13, "access denied"), "cannot be read: access denied"),
        (b"\xff", "is not text in UTF-8"),
    ],
)
async def test_the_error_of_an_unreadable_blob_names_its_setting(
    setting: str, trouble: OSError | bytes, says: str
) -> None:
    """It names the blob too."""

    async def read(*_: object) -> bytes:
        if isinstance(trouble, OSError):
            raise trouble
        return trouble

    settings = Settings.from_env(ENV | {setting: PLACES[setting]})
    with pytest.raises(SettingsError, match=f"^{setting}: {PLACES[setting]} {says}$"):
        await data_files.fetch(settings, lambda: read)


async def test_a_temporary_failure_is_not_a_settings_error() -> None:
    """The caller decides when to try again."""

    async def read(*_: object) -> bytes:
        raise Unavailable(Dependency.BLOBS, "it answered 503")

    with pytest.raises(Unavailable):
        await data_files.fetch(Settings.from_env(ENV | PLACES), lambda: read)


@pytest.mark.parametrize(
    ("setting", "read"),
    [
        ("MODERATION_FILE", data_files.policy),
        ("BLOCKLIST_FILE", data_files.blocklist),
        ("CATALOG_FILE", data_files.catalog),
        ("PLANS_FILE", plans),
    ],
    ids=["policy", "terms", "catalogue", "plans"],
)
def test_an_error_in_a_blob_names_it_and_its_setting(
    setting: str, read: Callable[[Settings, data_files.Texts | None], object]
) -> None:
    """A blob that was not fetched is an error, and is not replaced by the app's own file."""
    settings = Settings.from_env(ENV | {setting: PLACES[setting]})
    with pytest.raises(SettingsError, match=rf"^{PLACES[setting]} \({setting}\): not TOML"):
        read(settings, {setting: "broken = ["})
    missing: list[data_files.Texts | None] = [None, {}]
    for texts in missing:
        with pytest.raises(SettingsError, match=f"^{setting}: {PLACES[setting]} was not fetched"):
            read(settings, texts)


@pytest.mark.parametrize("place", ["blob:", "blob:config", "blob:config/", "blob:Config/a", "blob:/a", "blob:a--b/c"])
def test_a_malformed_blob_name_is_refused(place: str) -> None:
    """It is refused before anything is read, and the error does not repeat it."""
    with pytest.raises(SettingsError, match=r"CATALOG_FILE is malformed: .* blob:container/name"):
        Settings.from_env(ENV | {"CATALOG_FILE": place})


@pytest.mark.parametrize(
    ("screeners", "names"),
    [
        ("", {BLOCKLIST, CONTENT_SAFETY}),
        ("content_safety", {CONTENT_SAFETY}),
        ("blocklist, content_safety, llama_guard", {BLOCKLIST, CONTENT_SAFETY, LLAMA_GUARD}),
    ],
)
async def test_the_chain_is_made_of_the_settings(screeners: str, names: set[str]) -> None:
    """Each screener has its name, and all circuit breakers are closed at the start."""
    app = App(Settings.from_env(ENV | {"SCREENERS": screeners}))
    try:
        assert app.screener.states() == dict.fromkeys(names, "closed")
    finally:
        await app.close()


@pytest.mark.parametrize(
    "screeners", ["blocklist", "llama_guard", "content_safety,content_safety", "content_safety,guess", ","]
)
def test_a_chain_that_could_allow_nothing_or_is_unknown_is_refused(screeners: str) -> None:
    """Content Safety must be among them."""
    with pytest.raises(SettingsError, match="SCREENERS is malformed"):
        Settings.from_env(ENV | {"SCREENERS": screeners})


@pytest.mark.process
def test_indexing_imports_no_parser_of_data_files() -> None:
    """The parsers cost 7 ms of a cold start, and a worker that only receives webhooks never needs them."""
    readers = (
        "tomllib",
        "shared.core.catalog.file",
        "shared.core.catalog.plans_file",
        "shared.core.catalog.reading",
        "shared.core.safety.policy_file",
        "shared.core.safety.blocklist",
        "shared.core.safety.folding",
    )
    program = f"import sys, function_app; print([name for name in {readers!r} if name in sys.modules])"
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
