"""What every command uses: the settings, the app, where the answer goes, and the exit code.

Rules of this file:
1. A command is one async function, run by one ``asyncio.run``. Its app is closed at the end, even after an error.
2. A mistake of the operator or a failure of a dependency ends in a clear text on stderr and an exit code, never in a
   traceback:

       0   done
       1   the answer is no: not found, not possible, a difference, a dependency that does not answer
       2   the command line or the settings are wrong
"""

import asyncio
import getpass
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer
from typer.core import TyperCommand

from shared.cli.printing import Screen
from shared.composition.app import App
from shared.composition.proofs import LOCAL_KEYS
from shared.config.settings import NAMES, Settings, SettingsError
from shared.core.dependency import Dependency
from shared.core.keys import ID_RULE, Key, is_id
from shared.core.money.entries import operator
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
from shared.triggers.health import Health, whole
from shared.views.generation import Seen

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

    from shared.adapters.replicate.sdk.api import ReplicateApi


#: The longest span of ``--since``: ten years. Darkroom is younger, and Table Storage rejects dates before 1601.
_LONGEST_SPAN = timedelta(days=3650)

#: How many seconds `show` waits for what Replicate says.
_LOOK_S = 5

_SPANS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class RefusedError(Exception):
    """The command cannot be carried out. The text says why, and what would help."""


class Connected(Protocol):
    """What commands use of Replicate beyond its port. It is no port, because its types are the client library's."""

    @property
    def api(self) -> "ReplicateApi":
        """The whole HTTP API of Replicate."""


class EditedFile(Protocol):
    """A small file that operators edit in place, such as ``BlobEditedFile``. No handler uses it, so it is no port."""

    async def read(self, most_bytes: int) -> tuple[bytes, str] | None:
        """The content and its version; None if it does not exist. Raises OSError if it is larger than allowed."""

    async def write(self, content: bytes, etag: str | None) -> bool:
        """Write over this version, or where there is none. Returns False, unchanged, if it is another one now."""


class Operations(Protocol):
    """What commands use of the app. ``OperatorsApp`` has it; tests give their own."""

    @property
    def settings(self) -> Settings:
        """The settings."""

    @property
    def deps(self) -> Dependencies:
        """What the message handler needs."""

    @property
    def store(self) -> Records:
        """The stored accounts, generations and ledgers."""

    @property
    def index(self) -> OpenIndex:
        """The open index."""

    @property
    def outputs(self) -> ReadOutputs:
        """The stored outputs."""

    @property
    def uploads(self) -> FillUploads:
        """The files that models can read as their input."""

    @property
    def dead_letters(self) -> ReadDeadLetters:
        """The archive of dead letters."""

    @property
    def messenger(self) -> Messenger:
        """The sending side of Service Bus."""

    @property
    def replicate(self) -> Connected:
        """Replicate's client, with the operations that the port does not have."""

    def edited_file(self, container: str, name: str) -> EditedFile:
        """A data file in a blob, to edit it in place."""

    async def load_data_files(self) -> None:
        """Fetch the data files that are stored as blobs. Call it before ``deps`` is read."""

    async def health(self) -> Mapping[str, str]:
        """The state of each dependency: "ok", or in a few words what is wrong."""

    async def look(self, prediction_id: str) -> Seen:
        """What Replicate says of a prediction, and its status page. It never fails."""

    async def close(self) -> None:
        """Close every client that was opened."""


class OperatorsApp(App):
    """The app, with a login that also works on an operator's own machine: ``az login``.

    Its health says why a setting cannot be used: an operator's command line has no log.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._health = Health(self.pings, says=whole)

    @cached_property
    def credential(self) -> "AsyncTokenCredential":
        """The first login that works: an identity in Azure, or that of a developer tool."""
        from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415  # not needed with a connection string

        credential = DefaultAzureCredential(managed_identity_client_id=self.settings.azure_client_id or None)
        self._closing.push_async_callback(credential.close)
        return credential

    async def look(self, prediction_id: str) -> Seen:
        """What Replicate says of a prediction, and its status page. Whatever cannot be read is unknown."""
        page, status = "", ""
        if self.settings.replicate_status_url:
            page = await self.status_page.read()
        if prediction_id:
            try:
                async with asyncio.timeout(_LOOK_S):
                    status = (await self.replicate.api.predictions.get(prediction_id)).status.value
            except (RuntimeError, TimeoutError, Unavailable):  # a ReplicateError is a RuntimeError
                status = "unknown"
        return Seen(status, page)


#: The option that names the account that pays; it goes with an option that names a user.
AccountToo = Annotated[
    str | None,
    typer.Option("--account", "-a", help="The account that pays; default: that of the user's id.", metavar="ACCOUNT"),
]


class TakesNegative(TyperCommand):
    """A command with a number as its argument, such as -5. It says itself what is wrong with it.

    A negative number would be called an unknown option. Any other unknown option is called so.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Let negative numbers be arguments. Its context is of typer's own copy of click."""
        ctx.ignore_unknown_options = any(re.fullmatch(r"-\d+", each) for each in args)
        return super().parse_args(ctx, args)


#: A command: a function of the operations that returns the exit code.
Command = Callable[[Operations], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class CommandContext:
    """One run of the command line. ``program`` is how it was called; proposed command lines begin with it."""

    env: Mapping[str, str]
    open_app: Callable[[Settings], Operations]
    program: str
    screen: Screen

    def do(self, command: Command, *, loads: bool = True) -> None:
        """Run a command to its end. Raises typer.Exit with the exit code.

        ``loads`` is false for a command that reads the data files itself, because they may not exist yet.
        """
        self._end(lambda: self._with_app(command, loads=loads))

    def do_alone(self, command: Callable[[], Awaitable[int]]) -> None:
        """The same for a command that needs neither settings nor the app."""
        self._end(command)

    def _end(self, run: Callable[[], Awaitable[int]]) -> None:
        async def whole() -> int:
            return await run()

        try:
            code = asyncio.run(whole())
        except SettingsError as error:
            self.screen.complain(f"{error}\nAll settings: {self.program} settings")
            code = 2
        except (Unavailable, RefusedError, UnreadableRow) as trouble:
            self.screen.complain(str(trouble))
            code = 1
        raise typer.Exit(code)

    async def _with_app(self, command: Command, *, loads: bool) -> int:
        operations = self.open_app(Settings.from_env(self.env))
        try:
            _connect(operations)
            if loads:
                await operations.load_data_files()
            return await command(operations)
        except Unavailable as trouble:
            raise RefusedError(f"{trouble}{_where(trouble, operations.settings)}") from None
        finally:
            await operations.close()


def _connect(operations: Operations) -> None:
    """Make the first client now, to report a malformed connection string (the SDK raises ValueError) as a setting."""
    text = operations.settings.service_bus
    if text and not is_connection_string(text):
        (shape,) = (name.shape for name in NAMES if name.env == "ServiceBus")
        raise SettingsError(f"1 setting(s) cannot be used:\n  - ServiceBus is malformed: it should be {shape}")
    try:
        _ = operations.store
    except ValueError:
        text = "STORAGE_CONNECTION_STRING is malformed: it should be the connection string of a storage account"
        raise SettingsError(f"1 setting(s) cannot be used:\n  - {text}") from None


def is_connection_string(text: str) -> bool:
    """Whether Service Bus's library would take this. Most commands do not load it: it takes a third of a second."""
    pairs = [each.partition("=") for each in text.strip().rstrip(";").split(";")]
    named = {name.lower() for name, sign, value in pairs if sign and value}
    signed = {"sharedaccesskeyname", "sharedaccesskey"} <= named or "sharedaccesssignature" in named
    return all(sign for _, sign, _ in pairs) and bool(named & {"endpoint", "hostname"}) and signed


def _where(trouble: Unavailable, settings: Settings) -> str:
    """Where the keys are, if they cannot be read. The app's own sentence has no path, because users may read it."""
    if trouble.dependency is not Dependency.SECRETS or settings.key_vault_url:
        return ""
    return f". The folder of the keys is {settings.keys_folder or LOCAL_KEYS} (KEYS_FOLDER)."


def command_context_of(context: typer.Context) -> CommandContext:
    """The context of this run, as ``run`` has given it to typer."""
    return context.ensure_object(CommandContext)


def valid_id(name: str, value: str) -> str:
    """The value, if it is a valid id. ``name`` names it in the error. Raises typer.BadParameter."""
    if not is_id(value):
        raise typer.BadParameter(f"{name} must be {ID_RULE}")
    return value


def valid_text(option: str, value: str) -> str:
    """The value of an option, if it is text: the shell gives any bytes. Raises typer.BadParameter."""
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise typer.BadParameter(f"{option} must be text in UTF-8")
    return value


def operator_name() -> str:
    """Who runs this command line, as the ledger names an operator."""
    try:
        return operator(getpass.getuser())
    except (ImportError, KeyError, OSError):
        return operator("unknown")


def span_of(text: str, option: str = "--since") -> timedelta:
    """The span of an option, such as ``90m``, ``12h``, ``7d`` or ``4w``. Raises typer.BadParameter."""
    match = re.fullmatch(r"(\d{1,5})([mhdw])", text)
    if match is None:
        raise typer.BadParameter(f"{option} must be a number followed by m, h, d or w, such as 7d")
    span = timedelta(**{_SPANS[match[2]]: int(match[1])})
    if span > _LONGEST_SPAN:
        raise typer.BadParameter(f"{option} must be at most {_LONGEST_SPAN.days} days")
    return span


def valid_key(user_id: str, generation_id: str, account_id: str | None) -> Key:
    """The key of a user's generation. The default account has the user's id. Raises typer.BadParameter."""
    user_id, generation_id = valid_id("the user", user_id), valid_id("the generation", generation_id)
    return Key(user_id, generation_id, valid_account(account_id) or "")


def valid_account(account_id: str | None) -> str | None:
    """The account that ``--account`` names, or None. Raises typer.BadParameter."""
    return None if account_id is None else valid_id("the account", account_id)
