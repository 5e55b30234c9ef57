"""The data files: catalogue, plans, policy, blocklist. The app has its own of each, and a setting may name another.

Rules of this file:
1. A file is read once, when it is first needed, and checked as a whole. An error names the file and its setting.
2. Another policy or blocklist replaces the app's own. Another catalogue is laid over the app's own, and so are other
   plans: the file contains only what differs (shared/core/catalog/file.py, rule 2).
3. The parsers are imported when the first file is read. A worker that only receives webhooks never needs them, and the
   others need them for their first message, not for indexing.
4. A file is a path, or a blob of the app's own storage account: ``blob:container/name``. An async caller fetches the
   blobs first (``fetch``); the other functions here receive their texts.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from shared.config.settings import BLOB, Settings, SettingsError
from shared.core.values import replace

if TYPE_CHECKING:
    from shared.core.catalog.catalog import Catalog
    from shared.core.catalog.reading import Table
    from shared.core.money.plans import Plans
    from shared.core.safety.blocklist import Blocklist
    from shared.core.safety.moderation import Policy

#: The largest file that is read. The app's own catalogue has 60 KB.
MOST_BYTES = 4 * 1024 * 1024

#: The texts of the files that are blobs, by the name of the setting.
Texts = Mapping[str, str]

#: Reads a blob, given its container, its name and the most bytes that it may have.
Read = Callable[[str, str, int], Awaitable[bytes]]

_CORE = Path(__file__).parents[1] / "core"

#: The name by which errors call the app's own catalogue.
_OWN_FILE = "catalog.toml"


def catalog(settings: Settings, texts: Texts | None = None) -> "Catalog":
    """The catalogue: the app's own, with CATALOG_FILE laid over it, and the routing. Raises SettingsError."""
    from shared.core.catalog.catalog import Routing  # noqa: PLC0415  # rule 3
    from shared.core.catalog.file import parse_catalog  # noqa: PLC0415  # rule 3

    over, over_file = _read_over("CATALOG_FILE", settings.catalog_file, texts)
    with _report_parse_errors():
        read = parse_catalog(_own("catalog/catalog.toml"), over=over, over_file=over_file) if over else _own_catalog()
    return replace(read, routing=Routing(settings.enable_cost_optimization, settings.use_fallback))


def check_catalog(
    over: str, over_file: str, plans_over: str = "", plans_file: str = "", defaults: Mapping[str, str] | None = None
) -> "Catalog":
    """The catalogue with this text laid over it, checked with the plans as the app does. Raises SettingsError."""
    return check_both(over, over_file, plans_over, plans_file, defaults)[0]


def check_both(
    over: str, over_file: str, plans_over: str = "", plans_file: str = "", defaults: Mapping[str, str] | None = None
) -> "tuple[Catalog, Plans]":
    """The same catalogue with its plans. Raises SettingsError.

    The text is not in a file yet, so it is given here. ``plans_over`` is the content of PLANS_FILE, and ``defaults``
    are the default models of the settings.
    """
    return _both(over, over_file, plans_over, plans_file, tuple((defaults or {}).items()))


@lru_cache(maxsize=4)  # a command checks the same text before it shows it and before it writes it
def _both(
    over: str, over_file: str, plans_over: str, plans_file: str, defaults: tuple[tuple[str, str], ...]
) -> "tuple[Catalog, Plans]":
    from shared.core.catalog.file import build_catalog  # noqa: PLC0415  # rule 3
    from shared.core.catalog.plans_file import parse_plans  # noqa: PLC0415  # rule 3
    from shared.core.catalog.reading import read_over  # noqa: PLC0415  # rule 3

    with _report_parse_errors():
        read = build_catalog(*read_over(_own_tables(), _OWN_FILE, over, over_file)) if over else _own_catalog()
        found = parse_plans(_own("catalog/plans.toml"), read, "plans.toml", plans_over, plans_file, dict(defaults))
    return read, found


@cache  # the app keeps this one anyway
def _own_catalog() -> "Catalog":
    from shared.core.catalog.file import parse_catalog  # noqa: PLC0415  # rule 3

    return parse_catalog(_own("catalog/catalog.toml"), _OWN_FILE)


@cache  # a command lays several texts over it: what the file has, and what it will have
def _own_tables() -> "Table":
    from shared.core.catalog.reading import decoded  # noqa: PLC0415  # rule 3

    return decoded(_own("catalog/catalog.toml"), _OWN_FILE)


def plans(settings: Settings, catalog: "Catalog", texts: Texts | None = None) -> "Plans":
    """The plans for a catalogue: the app's own, with PLANS_FILE laid over them. Raises SettingsError.

    The app's own are wrong too if CATALOG_FILE hides the default model of one.
    """
    from shared.core.catalog.plans_file import parse_plans  # noqa: PLC0415  # rule 3

    own, file = _own("catalog/plans.toml"), "plans.toml (the app's own; PLANS_FILE changes it)"
    over, over_file = _read_over("PLANS_FILE", settings.plans_file, texts)
    with _report_parse_errors():
        return parse_plans(own, catalog, file, over, over_file, _defaults(settings))


def _defaults(settings: Settings) -> Mapping[str, str]:
    """The models that fill in where a plan names none, by modality. Empty: the setting is not set."""
    return {
        "image": settings.default_image_model,
        "video": settings.default_video_model,
        "audio": settings.default_audio_model,
        "text": settings.default_text_model,
    }


def sold(settings: Settings, catalog: "Catalog", plans: "Plans") -> "Catalog":
    """The catalogue as CREDIT_USD sells it: what is below the least margin of a plan is not offered to it."""
    if not settings.credit_usd_micros:
        return catalog
    from shared.core.catalog import margin  # noqa: PLC0415  # without CREDIT_USD it costs nothing

    return margin.sold(catalog, plans, settings.credit_usd_micros)


def check_policy(settings: Settings, policy: "Policy", plans: "Plans") -> None:
    """Check that every plan of the policy exists. Raises SettingsError."""
    from shared.core.safety.policy_file import check_plans  # noqa: PLC0415  # rule 3

    with _report_parse_errors():
        file = settings.moderation_file
        check_plans(policy, plans, _name_of("MODERATION_FILE", file) if file else "moderation.toml")


def policy(settings: Settings, texts: Texts | None = None) -> "Policy":
    """The policy: MODERATION_FILE or the app's own, with the thresholds of the settings. Raises SettingsError."""
    from shared.core.safety.policy_file import parse_policy  # noqa: PLC0415  # rule 3

    if not settings.moderation_file:
        return overridden(parse_policy(_own("safety/moderation.toml"), "moderation.toml"), settings)
    text, name = _read_file("MODERATION_FILE", settings.moderation_file, texts)
    with _report_parse_errors():
        return overridden(parse_policy(text, name), settings)


def overridden(found: "Policy", settings: Settings) -> "Policy":
    """The policy with the thresholds of the REFUSE_..._FROM settings that are set."""
    from shared.core.safety.moderation import Category  # noqa: PLC0415  # rule 3

    thresholds = {
        Category.HATE: settings.refuse_hate_from,
        Category.SELF_HARM: settings.refuse_self_harm_from,
        Category.SEXUAL: settings.refuse_sexual_from,
        Category.VIOLENCE: settings.refuse_violence_from,
    }
    given = {category: severity for category, severity in thresholds.items() if severity is not None}
    return found.overridden(given)


def blocklist(settings: Settings, texts: Texts | None = None) -> "Blocklist":
    """The blocklist: BLOCKLIST_FILE or the app's own. Raises SettingsError."""
    from shared.core.safety.blocklist import Blocklist  # noqa: PLC0415  # rule 3

    if not settings.blocklist_file:
        return Blocklist.parse(_own("safety/blocklist.toml"), "blocklist.toml")
    text, name = _read_file("BLOCKLIST_FILE", settings.blocklist_file, texts)
    with _report_parse_errors():
        return Blocklist.parse(text, name)


async def fetch(settings: Settings, reader: Callable[[], Read]) -> Texts:
    """The texts of the data files that are blobs, by setting. Returns {} without calling ``reader`` if there are none.

    An OSError of the reader is an error that a further try would not change, so it becomes a SettingsError. Any other
    exception, such as Unavailable, is raised as it is.
    """
    named = {
        "CATALOG_FILE": settings.catalog_file,
        "PLANS_FILE": settings.plans_file,
        "MODERATION_FILE": settings.moderation_file,
        "BLOCKLIST_FILE": settings.blocklist_file,
    }
    texts: dict[str, str] = {}
    for setting, place in named.items():
        if place.startswith(BLOB):
            container, _, name = place.removeprefix(BLOB).partition("/")
            with _report_read_errors(setting, place):
                texts[setting] = (await reader()(container, name, MOST_BYTES)).decode()
    return texts


def _own(name: str) -> str:
    return (_CORE / name).read_text(encoding="utf-8")


def _read_over(setting: str, place: str, texts: Texts | None) -> tuple[str, str]:
    """The text and the name of a file that is laid over the app's own. Both are empty if the setting is not set."""
    return _read_file(setting, place, texts) if place else ("", "")


def _name_of(setting: str, place: str) -> str:
    """The name by which errors call a file."""
    return f"{place if place.startswith(BLOB) else Path(place).name} ({setting})"


def _read_file(setting: str, place: str, texts: Texts | None) -> tuple[str, str]:
    """The text of the file at ``place``, and the name by which its errors call it."""
    if place.startswith(BLOB):
        if texts is None or setting not in texts:
            raise SettingsError(f"{setting}: {place} was not fetched before it was read")
        return texts[setting], _name_of(setting, place)
    with _report_read_errors(setting, place):
        return Path(place).read_text(encoding="utf-8"), _name_of(setting, place)


@contextmanager
def _report_read_errors(setting: str, place: str) -> Iterator[None]:
    """Turn an error of reading the file into a SettingsError."""
    try:
        yield
    except OSError as error:
        raise SettingsError(f"{setting}: {place} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{setting}: {place} is not text in UTF-8") from None


@contextmanager
def _report_parse_errors() -> Iterator[None]:
    """Turn an error in the file's content into a SettingsError."""
    from shared.core.catalog.reading import CatalogError  # noqa: PLC0415  # rule 3
    from shared.core.safety.blocklist import BlocklistError  # noqa: PLC0415  # rule 3
    from shared.core.safety.policy_file import PolicyError  # noqa: PLC0415  # rule 3

    try:
        yield
    except (CatalogError, PolicyError, BlocklistError) as error:
        raise SettingsError(str(error)) from None
