"""The operator's own catalogue file: where it is, what it says, and how it is written.

Rules of this file:
1. The file is that of CATALOG_FILE, a path or a blob. Without the setting it is the path given. It is never the app's
   own file, which a new version of Darkroom replaces.
2. The whole catalogue is checked with the plans before a byte is written.
3. A write replaces only the version that was read: a blob by its ETag, a file by its content. Otherwise nothing is
   written, and the operator runs the command again.
"""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shared.cli.context import EditedFile, Operations, RefusedError
from shared.config.data_files import MOST_BYTES, check_both
from shared.config.settings import BLOB, SettingsError
from shared.core.catalog.catalog import Catalog
from shared.core.catalog.tiers import Tier
from shared.core.money.plans import Plans

#: The folder of the app's own catalogue.
_APP = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the file is: a path, or ``blob:container/name``. ``plans`` is the same of PLANS_FILE, empty if unset.

    ``setting`` says whether CATALOG_FILE names it. ``defaults`` are the default models of the settings, by modality.
    """

    name: str
    plans: str
    setting: bool
    defaults: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, env: Mapping[str, str], given: str | None, *, writes: bool = True) -> "Place":
        """The place for these settings and this path of the command line. Raises RefusedError.

        Without ``writes`` it is no file: what is shown is checked with the app's own catalogue and the plans.
        """
        setting, plans = env.get("CATALOG_FILE", "").strip(), env.get("PLANS_FILE", "").strip()
        if not writes:
            return cls("", plans, setting=False)
        if setting and given and setting != given:
            raise RefusedError(f"CATALOG_FILE is {setting}, and --file is {given}. Leave --file out, or name the same.")
        name = setting or given or ""
        if not name:
            raise RefusedError("Which file is your catalogue? Set CATALOG_FILE, or name one with --file PATH.")
        if not name.startswith(BLOB) and Path(name).resolve().is_relative_to(_APP):
            raise RefusedError(f"{name} is the app's own file, which a new version replaces. Name a file of your own.")
        found = {
            each: env.get(f"DEFAULT_{each.upper()}_MODEL", "").strip() for each in ("image", "video", "audio", "text")
        }
        return cls(name, plans, bool(setting), found)

    @property
    def needs_app(self) -> bool:
        """Whether the storage account is needed to read or write it."""
        return self.name.startswith(BLOB) or self.plans.startswith(BLOB)

    def todo(self) -> list[str]:
        """What is still to be done, before the app offers what was written."""
        if self.name.startswith(BLOB):
            return ["Restart the app: it reads the blob at its start."]
        steps = [f"Bring {self.name} to the app: upload it as a blob, or deploy it with the app."]
        if not self.setting:
            steps.append("Set CATALOG_FILE to it: blob:CONTAINER/NAME, or its path there.")
        return [*steps, "Restart the app: it reads the file at its start."]


@dataclass(frozen=True, slots=True)
class Opened:
    """The file as it was read. ``etag`` is the version of a blob; None: there is no file yet."""

    place: Place
    text: str
    etag: str | None
    plans: str

    def checked(self, text: str) -> Catalog:
        """The catalogue with this text as the file. Raises RefusedError for the first problem."""
        try:
            return self._both(text)[0]
        except SettingsError as error:
            raise RefusedError(f"Nothing was written. {error}") from None

    def plan_margins(self) -> tuple[tuple[Tier, int], ...]:
        """The least margins of the plans that have one, with their tiers. None if the file is wrong (``checked``)."""
        try:
            plans = self._both(self.text)[1]
        except SettingsError:
            return ()
        margins = ((plan.tier, plan.min_margin_percent) for plan in plans.values())
        return tuple((tier, percent) for tier, percent in margins if percent is not None)

    def _both(self, text: str) -> tuple[Catalog, Plans]:
        return check_both(text, self.place.name or "your catalogue", self.plans, self.place.plans, self.place.defaults)

    async def write(self, operations: Operations | None, text: str) -> None:
        """Check the text and write it. Raises RefusedError if the file is another one now, or cannot be written."""
        self.checked(text)
        if self.place.name.startswith(BLOB):
            written = await _blob(operations, self.place.name).write(text.encode(), self.etag)
        else:
            written = _write_path(Path(self.place.name), self, text)
        if not written:
            raise RefusedError(f"{self.place.name} was changed meanwhile, and is unchanged by this. Run it again.")


async def opened(operations: Operations | None, place: Place) -> Opened:
    """Read the file. Raises RefusedError if it cannot be read."""
    plans, _ = await _read(operations, place.plans)
    text, etag = await _read(operations, place.name)
    return Opened(place, text, etag, plans)


async def _read(operations: Operations | None, name: str) -> tuple[str, str | None]:
    """The text of a path or blob, and its version. An empty text and None if there is none."""
    if not name:
        return "", None
    try:
        if not name.startswith(BLOB):
            return _read_path(Path(name))
        found = await _blob(operations, name).read(MOST_BYTES)
        return (found[0].decode(), found[1]) if found else ("", None)
    except OSError as error:
        raise RefusedError(f"{name} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise RefusedError(f"{name} is not text in UTF-8.") from None


def _read_path(path: Path) -> tuple[str, str | None]:
    if not path.exists():
        return "", None
    if path.stat().st_size > MOST_BYTES:
        raise OSError(f"it is larger than {MOST_BYTES} bytes")
    return path.read_text(encoding="utf-8"), "file"


def _blob(operations: Operations | None, name: str) -> EditedFile:
    container, _, blob = name.removeprefix(BLOB).partition("/")
    if operations is None:
        raise RefusedError(f"{name} is a blob: the settings of its storage account are needed.")
    return operations.edited_file(container, blob)


def _write_path(path: Path, before: Opened, text: str) -> bool:
    """Replace a file in one step. Returns False if it is not as it was read."""
    try:
        there = path.read_text(encoding="utf-8") if path.exists() else None
        if there != (before.text if before.etag else None):
            return False
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
            file.write(text)
        if path.exists():
            Path(file.name).chmod(path.stat().st_mode & 0o777)
        os.replace(file.name, path)  # noqa: PTH105  # the same file system, and atomic
    except OSError as error:
        raise RefusedError(f"{path} cannot be written: {error.strerror}") from None
    return True
