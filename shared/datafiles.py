"""The data that comes with the app: catalogue, policy, term list. A setting may name another file in the place of each.

Rules of this file:
1. A file is read once, when it is first needed, and checked whole; what is wrong with it is told with its name.
"""

from pathlib import Path

from shared.core.catalog import Catalog
from shared.core.moderation import Category, Policy
from shared.core.policy import parse_policy
from shared.core.terms import TermList
from shared.settings import Settings, SettingsError

_CORE = Path(__file__).parent / "core"


def catalog(settings: Settings) -> Catalog:
    """The models that are offered."""
    text, name = _read(settings.catalog_file, "catalog.toml", "CATALOG_FILE")
    return Catalog.parse(text, name)


def policy(settings: Settings) -> Policy:
    """What is refused."""
    text, name = _read(settings.moderation_file, "moderation.toml", "MODERATION_FILE")
    return overridden(parse_policy(text, name), settings)


def overridden(found: Policy, settings: Settings) -> Policy:
    """A policy with the thresholds that are set."""
    thresholds = {
        Category.HATE: settings.refuse_hate_from,
        Category.SELF_HARM: settings.refuse_self_harm_from,
        Category.SEXUAL: settings.refuse_sexual_from,
        Category.VIOLENCE: settings.refuse_violence_from,
    }
    given = {category: severity for category, severity in thresholds.items() if severity is not None}
    return found.overridden(given)


def terms(settings: Settings) -> TermList:
    """The own term list."""
    text, name = _read(settings.terms_file, "terms.toml", "TERMS_FILE")
    return TermList.parse(text, name)


def _read(chosen: str, own: str, setting: str) -> tuple[str, str]:
    """The text and the name of the chosen file, or of the app's own. SettingsError names the setting."""
    file = Path(chosen) if chosen else _CORE / own
    try:
        return file.read_text(encoding="utf-8"), file.name
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read ({error.strerror}); see {setting}") from error
