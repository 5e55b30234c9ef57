"""What every command stands on: the settings, the wiring, where the answer goes, and the exit code.

Rules of this file:
1. A command is one async function, run by one ``asyncio.run``; its wiring is closed at the end, however it ends.
2. Whatever an operator or a dependency can cause ends in a clear text on stderr and an exit code, never in a traceback:

       0   done
       1   the answer is no: not found, not possible, a difference, a dependency that does not answer
       2   the command line or the settings are wrong
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from shared.cli.printing import Screen
from shared.composition.app import App
from shared.config.settings import Settings, SettingsError
from shared.core.keys import ID_RULE, Key, is_id
from shared.ports import (
    Dependencies,
    FillUploads,
    Messenger,
    OpenIndex,
    ReadDeadLetters,
    ReadOutputs,
    Records,
    Unavailable,
    UnreadableRow,
)

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

    from shared.adapters.replicate.sdk.api import ReplicateApi


#: How far back anything is looked for: there was no Darkroom before, and tables know no year 110.
_FARTHEST_BACK = timedelta(days=3650)

_SPANS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class RefusedError(Exception):
    """What was asked cannot be done; the text tells the operator why, and what would help."""


class Connected(Protocol):
    """What commands use of Replicate beyond the port. It stays here: it speaks of the client library's own types."""

    @property
    def api(self) -> "ReplicateApi":
        """All that Replicate offers."""


class Operations(Protocol):
    """What commands use of the wiring."""

    @property
    def settings(self) -> Settings:
        """The settings."""

    @property
    def deps(self) -> Dependencies:
        """What the corridor needs."""

    @property
    def store(self) -> Records:
        """The state."""

    @property
    def index(self) -> OpenIndex:
        """The open index."""

    @property
    def outputs(self) -> ReadOutputs:
        """What is stored."""

    @property
    def uploads(self) -> FillUploads:
        """The files that models are to read."""

    @property
    def dead_letters(self) -> ReadDeadLetters:
        """The archive of messages that died."""

    @property
    def messenger(self) -> Messenger:
        """The sending side of Service Bus."""

    @property
    def replicate(self) -> Connected:
        """Replicate, with all that it offers."""

    async def load_data_files(self) -> None:
        """Fetch the data files that lie in blobs, before the house is asked for."""

    async def health(self) -> Mapping[str, str]:
        """Which dependencies answer: "ok", or in a few words why not."""

    async def close(self) -> None:
        """Close every client that was opened."""


class OperatorsApp(App):
    """The app's wiring, with a login that works where operators are, too: ``az login`` on their own machine."""

    @cached_property
    def credential(self) -> "AsyncTokenCredential":
        """Whatever login there is: an identity in Azure, or the one of a developer tool."""
        from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415  # only where there is no connection string

        credential = DefaultAzureCredential(managed_identity_client_id=self.settings.azure_client_id or None)
        self._closing.push_async_callback(credential.close)
        return credential


#: The option that says who pays, beside one that names a user.
AccountToo = Annotated[
    str | None,
    typer.Option("--account", "-a", help="The account that pays; default: that of the user's id.", metavar="ACCOUNT"),
]

#: A command: does its work with the rooms and returns the exit code.
Command = Callable[[Operations], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class CommandContext:
    """One run of the command line. ``program`` is what it was called as, for the lines it proposes."""

    env: Mapping[str, str]
    open_app: Callable[[Settings], Operations]
    program: str
    screen: Screen

    def do(self, command: Command) -> None:
        """Run a command to its end. Raises typer.Exit with the exit code."""
        try:
            code = asyncio.run(self._with_app(command))
        except SettingsError as error:
            self.screen.complain(f"{error}\nAll settings: {self.program} settings")
            code = 2
        except (Unavailable, RefusedError, UnreadableRow) as trouble:
            self.screen.complain(str(trouble))
            code = 1
        raise typer.Exit(code)

    async def _with_app(self, command: Command) -> int:
        rooms = self.open_app(Settings.from_env(self.env))
        try:
            _connect(rooms)
            await rooms.load_data_files()
            return await command(rooms)
        finally:
            await rooms.close()


def _connect(rooms: Operations) -> None:
    """Make the first client now: the SDK raises ValueError for a connection string that is none."""
    try:
        _ = rooms.store
    except ValueError:
        text = "STORAGE_CONNECTION_STRING is malformed: it should be the connection string of a storage account"
        raise SettingsError(f"1 setting(s) cannot be used:\n  - {text}") from None


def command_context_of(context: typer.Context) -> CommandContext:
    """The desk of this run."""
    return context.ensure_object(CommandContext)


def valid_id(name: str, value: str) -> str:
    """The value, if it can be an id; ``name`` is how the command line calls it. Raises typer.BadParameter."""
    if not is_id(value):
        raise typer.BadParameter(f"{name} must be {ID_RULE}")
    return value


def back(text: str) -> timedelta:
    """How far ``--since`` goes back: ``90m``, ``12h``, ``7d``, ``4w``. Raises typer.BadParameter."""
    match = re.fullmatch(r"(\d{1,5})([mhdw])", text)
    if match is None:
        raise typer.BadParameter("--since must be a number with m, h, d or w after it, such as 7d")
    span = timedelta(**{_SPANS[match[2]]: int(match[1])})
    if span > _FARTHEST_BACK:
        raise typer.BadParameter(f"--since goes back {_FARTHEST_BACK.days} days at most")
    return span


def valid_key(user_id: str, generation_id: str, account_id: str | None) -> Key:
    """The key of a user's generation; without an account, that of the user's id. Raises typer.BadParameter."""
    user_id, generation_id = valid_id("the user", user_id), valid_id("the generation", generation_id)
    return Key(user_id, generation_id, valid_account(account_id) or "")


def valid_account(account_id: str | None) -> str | None:
    """The account that ``--account`` names, if it is said. Raises typer.BadParameter."""
    return None if account_id is None else valid_id("the account", account_id)
