"""A World with a counter: tests call commands as an operator calls them.

Rules of this file:
1. A command gets operations on the World's fakes. Tests read back from these what it did.
2. stdout, stderr and the keyboard are texts. Nothing here is a terminal.
3. While a command waits, the World goes on: messages are delivered and predictions succeed.
"""

import asyncio
import io
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from dev.fakes.blobs import FakeBlobs
from dev.fakes.index import FakeIndex
from dev.fakes.messenger import COMMANDS, FakeMessenger, Sent
from dev.fakes.store import FakeStore
from dev.fakes.world import World
from shared.cli.context import Connected, EditedFile
from shared.cli.main import run
from shared.config.settings import Settings
from shared.core.dependency import Dependency
from shared.core.keys import Key
from shared.core.lifecycle.generation import AnyGeneration, Generation, Received
from shared.core.lifecycle.state import State
from shared.core.money.usage import Used
from shared.ports import Dependencies, Unavailable
from shared.views.generation import Seen
from shared.worker.account_commands import handle_command

SECRETS = {
    "ServiceBus": "Endpoint=sb://127.0.0.1;SharedAccessKeyName=root;SharedAccessKey=bus-secret",
    "STORAGE_CONNECTION_STRING": "AccountName=darkroom;AccountKey=storage-secret",
    "REPLICATE_API_TOKEN": "r8_token-secret",
    "CONTENT_SAFETY_KEY": "safety-secret",
}
ENV = SECRETS | {
    "CONTENT_SAFETY_ENDPOINT": "https://safety.example",
    "PUBLIC_URL": "https://darkroom.example",
}


class FindingStore(FakeStore):
    """A store that also has the searches of the command line."""

    async def find(self, generation_id: str) -> list[AnyGeneration]:
        """See ``TableStore``."""
        await asyncio.sleep(0)
        return [found for key, found in self.saved_generations.items() if key.generation_id == generation_id]

    async def used(
        self, account_id: str = "", user_id: str = "", model: str = "", since: datetime | None = None
    ) -> AsyncIterator[Used]:
        """See ``TableStore``."""
        await asyncio.sleep(0)
        for key, found in self.saved_generations.items():
            opened = found if isinstance(found, Generation) else None
            answered = opened.attempt.model if opened else ""
            if (
                account_id not in ("", key.account_id)
                or user_id not in ("", key.user_id)
                or model not in ("", answered)
            ):
                continue
            if since is None or found.opened_at >= since:
                yield Used(
                    account_id=key.account_id,
                    user_id=key.user_id,
                    model=answered,
                    succeeded=found.state is State.SUCCEEDED,
                    outputs=len(opened.outputs) if opened else 0,
                    captured_credits=opened.captured_credits if opened else 0,
                    cost_usd_micros=opened.cost_usd_micros if opened else 0,
                    opened_at=found.opened_at,
                    took_s=_took_s(found),
                    refunded_credits=opened.refunded_credits if opened else 0,
                    unit_credits=opened.attempt.unit_credits if opened else 0,
                    prediction_id=(opened.attempt.prediction_id or "") if opened else "",
                )


def _took_s(found: AnyGeneration) -> int | None:
    ended_at = None if isinstance(found, Received) else found.ended_at
    return round((ended_at - found.opened_at).total_seconds()) if ended_at else None


@dataclass
class FakeApp:
    """Implements ``Operations`` on fakes. ``trouble``: the store's dependency is down. ``closed`` counts closings."""

    settings: Settings
    deps: Dependencies
    found: FindingStore
    index: FakeIndex
    blobs: FakeBlobs
    messenger: FakeMessenger
    answers: Mapping[str, str]
    trouble: str = ""
    closed: int = 0
    seen: Seen = field(default_factory=Seen)
    looked: list[str] = field(default_factory=list)
    #: Replicate's client library, for the commands that use more of it than its port has.
    connected: Connected | None = None

    @property
    def store(self) -> FindingStore:
        """The stored state. Raises Unavailable while ``trouble`` says why."""
        if self.trouble:
            raise Unavailable(Dependency.TABLES, self.trouble)
        return self.found

    @property
    def outputs(self) -> FakeBlobs:
        """The stored outputs; the same fake also has the uploads and the dead letters."""
        return self.blobs

    uploads = dead_letters = outputs

    @property
    def replicate(self) -> Connected:
        """What the test has set. `catalog check` is tested in tests/adapters/replicate_api/test_check.py."""
        if self.connected is None:
            raise Unavailable(Dependency.REPLICATE, "the test has none")
        return self.connected

    def edited_file(self, container: str, name: str) -> EditedFile:
        """No test here uses it: a catalogue in a blob is tested with Azurite."""
        raise NotImplementedError

    async def load_data_files(self) -> None:
        """Do nothing: no data file is in a blob."""

    async def look(self, prediction_id: str) -> Seen:
        """What the test has set."""
        self.looked.append(prediction_id)
        return self.seen

    async def health(self) -> Mapping[str, str]:
        """The states that the test has set."""
        return self.answers

    async def close(self) -> None:
        """Count the call."""
        self.closed += 1


class Allowed:
    """A port as somebody has it whose roles allow only some of its methods; the others are not authorized."""

    def __init__(self, port: object, *methods: str) -> None:
        self._port = port
        self._methods = methods

    def __getattr__(self, name: str) -> Any:
        """The port's method. Raises Unavailable, as the adapters do for a missing role."""
        if name in self._methods:
            return getattr(self._port, name)
        raise Unavailable(Dependency.TABLES, f"{name} is not authorized")


@dataclass(frozen=True, slots=True)
class Called:
    """The exit code and the output of one command."""

    code: int
    out: str
    err: str


class Counter(World):
    """A World with a counter. ``works``: predictions succeed by themselves while a command waits."""

    def __init__(self) -> None:
        super().__init__()
        self.records = FindingStore()
        self.store = self.records
        self.works = True
        self.deps = replace(self.deps, store=self.records, sleep=self._go_on)
        self.operations = FakeApp(
            settings=Settings.from_env(ENV),
            deps=self.deps,
            found=self.records,
            index=self.index,
            blobs=self.blobs,
            messenger=self.messenger,
            answers={"tables": "ok"},
        )

    def call(self, *argv: str, answer: str | None = "", env: Mapping[str, str] = ENV) -> Called:
        """Run one command; ``answer`` is typed when it asks for confirmation. None: stdin is closed."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err), _typing(answer):
            code = run(list(argv), env=env, open_app=lambda _: self.operations, program="darkroom")
        return Called(code, out.getvalue(), err.getvalue())

    def request(self, key: Key, **fields: object) -> None:
        """Send a request as the app does, and process its message."""
        asyncio.run(self.ask(key, **fields))

    def generate(self, key: Key, **fields: object) -> None:
        """Send a request as the app does, and let it succeed."""
        self.request(key, **fields)
        asyncio.run(self.make())

    def use_operators_roles(self) -> None:
        """From now on commands have the roles of infra/modules/roles.bicep. The app has its own."""
        index: Any = Allowed(self.index, "get", "due")
        messenger: Any = Allowed(self.messenger, "send", "send_command", "ping")
        nothing: Any = Allowed(self.blobs)
        mine = {"index": index, "messenger": messenger, "waiting": nothing, "outputs": nothing, "input_files": nothing}
        for name, port in mine.items():
            self.operations.deps = replace(self.operations.deps, **{name: port})
        self.operations.index, self.operations.messenger = index, messenger

    def sent(self) -> Sent:
        """The one message that was sent."""
        (sent,) = self.messenger.sent
        return sent

    async def apply_commands(self) -> None:
        """Deliver the account commands that were sent."""
        sent, self.messenger.commands = self.messenger.commands, []
        for each in sent:
            await handle_command(self.deps, each.command, replace(each.envelope, enqueued_at=self.time), COMMANDS)

    async def _go_on(self, seconds: float) -> None:
        self.pass_time(seconds)
        await self.apply_commands()
        await self.pump()
        if self.works:
            await self.make()

    async def make(self) -> None:
        """Let every running prediction succeed, and deliver its webhook."""
        for prediction in self.replicate.running:
            self.replicate.succeed(prediction.prediction_id, [b"a picture"])
            await self.webhook(prediction.prediction_id)


@contextmanager
def _typing(answer: str | None) -> Iterator[None]:
    before = sys.stdin
    # As Python itself has it: without a stdin there is None in its place.
    sys.stdin = None if answer is None else io.StringIO(answer)
    try:
        yield
    finally:
        sys.stdin = before
