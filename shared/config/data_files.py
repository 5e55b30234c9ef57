"""The data that comes with the app: catalogue, policy, term list. A setting may name another file for each.

Rules of this file:
1. A file is read once, when it is first needed, and checked whole; what is wrong with it is told with its name and
   its setting.
2. Another policy or term list takes the place of the app's own. Another catalogue is laid over the app's own: it has
   what differs (shared/core/catalog/file.py, rule 2).
3. What reads them is imported when the first is read: a worker that only takes webhooks never needs it, and the others
   need it for their first message, not for being indexed.
4. A file is a path, or a blob of the app's own storage account: ``blob:container/name``. Blobs are fetched beforehand,
   by whoever may wait; what reads them here gets their texts.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from shared.config.settings import BLOB, Settings, SettingsError

if TYPE_CHECKING:
    from shared.core.catalog.catalog import Catalog
    from shared.core.safety.blocklist import Blocklist
    from shared.core.safety.moderation import Policy

#: The largest file that is taken: the app's own catalogue has 60 KB.
MOST_BYTES = 4 * 1024 * 1024

#: The texts of the files that lie in blobs, by setting.
Texts = Mapping[str, str]

#: Reads a blob: container, name, the most bytes that are wanted.
Read = Callable[[str, str, int], Awaitable[bytes]]

_CORE = Path(__file__).parents[1] / "core"


def catalog(settings: Settings, texts: Texts | None = None) -> "Catalog":
    """The models that are offered."""
    from shared.core.catalog.file import parse_catalog  # noqa: PLC0415  # rule 3

    own = _own("catalog/catalog.toml")
    if not settings.catalog_file:
        return parse_catalog(own)
    text, name = _chosen("CATALOG_FILE", settings.catalog_file, texts)
    with _told():
        return parse_catalog(own, over=text, over_file=name)


def policy(settings: Settings, texts: Texts | None = None) -> "Policy":
    """What is refused."""
    from shared.core.safety.policy_file import parse_policy  # noqa: PLC0415  # rule 3

    if not settings.moderation_file:
        return overridden(parse_policy(_own("safety/moderation.toml"), "moderation.toml"), settings)
    text, name = _chosen("MODERATION_FILE", settings.moderation_file, texts)
    with _told():
        return overridden(parse_policy(text, name), settings)


def overridden(found: "Policy", settings: Settings) -> "Policy":
    """A policy with the thresholds that are set."""
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
    """The own term list."""
    from shared.core.safety.blocklist import Blocklist  # noqa: PLC0415  # rule 3

    if not settings.blocklist_file:
        return Blocklist.parse(_own("safety/blocklist.toml"), "blocklist.toml")
    text, name = _chosen("BLOCKLIST_FILE", settings.blocklist_file, texts)
    with _told():
        return Blocklist.parse(text, name)


async def fetch(settings: Settings, reader: Callable[[], Read]) -> Texts:
    """The texts of the files that lie in blobs; nothing where none does, and then nobody is asked for a reader.

    An OSError of the reader's says what no further try would mend, and becomes a SettingsError; whatever else it
    raises passes.
    """
    named = {
        "CATALOG_FILE": settings.catalog_file,
        "MODERATION_FILE": settings.moderation_file,
        "BLOCKLIST_FILE": settings.blocklist_file,
    }
    texts: dict[str, str] = {}
    for setting, place in named.items():
        if place.startswith(BLOB):
            container, _, name = place.removeprefix(BLOB).partition("/")
            with _readable(setting, place):
                texts[setting] = (await reader()(container, name, MOST_BYTES)).decode()
    return texts


def _own(name: str) -> str:
    return (_CORE / name).read_text(encoding="utf-8")


def _chosen(setting: str, place: str, texts: Texts | None) -> tuple[str, str]:
    """The text of the chosen file, and how its errors name it."""
    if place.startswith(BLOB):
        if texts is None or setting not in texts:
            raise SettingsError(f"{setting}: {place} was not fetched before it was needed")
        return texts[setting], f"{place} ({setting})"
    file = Path(place)
    with _readable(setting, place):
        return file.read_text(encoding="utf-8"), f"{file.name} ({setting})"


@contextmanager
def _readable(setting: str, place: str) -> Iterator[None]:
    """What cannot be read is the setting's trouble."""
    try:
        yield
    except OSError as error:
        raise SettingsError(f"{setting}: {place} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{setting}: {place} is not text in UTF-8") from None


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong with a chosen file is told as what is wrong with any setting."""
    from shared.core.catalog.file import CatalogError  # noqa: PLC0415  # rule 3
    from shared.core.safety.blocklist import BlocklistError  # noqa: PLC0415  # rule 3
    from shared.core.safety.policy_file import PolicyError  # noqa: PLC0415  # rule 3

    try:
        yield
    except (CatalogError, PolicyError, BlocklistError) as error:
        raise SettingsError(str(error)) from None
