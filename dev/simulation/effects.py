"""Effects: the calls that leave the message handler. A schedule makes one fail, lose its reply, or crash.

Rules of this file:
1. An effect is one call through a port, one item of a list, or one chunk of a download. Telemetry, clock and random
   numbers are not effects, because no decision depends on their answer.
2. A crash is not an ``Exception``, so that no handler of the app can catch it. A dead process has no effects.
3. A fault is what the real adapter would raise or return: ``Unavailable``, or an outcome of a create.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from enum import StrEnum
from typing import Any, Protocol, TypeVar, get_type_hints

from shared.core.dependency import Dependency
from shared.core.provider.prediction import DeferReason, NotCreated, OutcomeUnknown
from shared.ports import Answer, Dependencies, PendingMoves, Telemetry, Unavailable
from shared.ports.app_windows import AppUse

T = TypeVar("T")

#: How often a handler that waits for another one of its process looks for its answer, in seconds.
POLL_S = 0.01


class Crash(BaseException):
    """The process dies at this effect."""


class Mode(StrEnum):
    """The ways in which an effect can go wrong."""

    CRASH_BEFORE = "crash before"
    CRASH_AFTER = "crash after"
    REPLY_LOST = "reply of"
    FAILS = "failure of"
    DOUBLE = "overtaken by its double at"
    CANCEL = "overtaken by a cancel at"
    TIMER = "asleep until the timer has come, at"


#: The handler is delayed, and others run before its effect: its lock expired, or another handler is faster.
OVERTAKEN = frozenset({Mode.DOUBLE, Mode.CANCEL, Mode.TIMER})


#: The effects that change nothing outside. For these, a crash before equals a crash after, and a lost reply equals a
#: failure. Any effect that is not listed counts as a write.
READS = frozenset(
    {
        "store.load",
        "store.load_account",
        "store.load_generation",
        "store.load_payers",
        "store.ledger",
        "store.accounts",
        "store.generations",
        "switches.read",
        "app_windows.read",
        "index.awaiting_approval",
        "index.get",
        "index.due",
        "index.turns",
        "waiting.places",
        "waiting.place",
        "waiting.next_waiting",
        "provider.get",
        "provider.recent",
        "provider.fetch",
        "provider.fetch chunk",
        "images.clean",
        "images.inspect",
        "images.is_black",
        "images.for_screening",
        "archives.open",
        "destinations.owner",
        "archives.weights",
        "screener.text",
        "screener.several",
        "screener.image",
        "inputs.get",
        "input_files.input_address",
        "uploads.upload_size",
        "uploads.read_upload",
        "input_files.read_input",
        "uploads.upload_address",
        "proofs.read_proof",
        "proofs.list_proofs",
        "signer.sign",
        "signer.public_key",
        "signer.fits",
    }
)


def modes_of(effect: str) -> tuple[Mode, ...]:
    """The faults that this effect can have, without those that would give the same history."""
    if effect not in READS:
        return tuple(Mode)
    # Being overtaken before a read is the same as arriving later. Only between the reads and the write it matters.
    return (Mode.CRASH_BEFORE, Mode.FAILS)


#: How the real adapters name their dependencies.
DEPENDENCIES = {
    "store": Dependency.TABLES,
    "index": Dependency.TABLES,
    "moved": Dependency.TABLES,
    "nights": Dependency.TABLES,
    "commands": Dependency.TABLES,
    "switches": Dependency.TABLES,
    "app_windows": Dependency.TABLES,
    "waiting": Dependency.TABLES,
    "provider": Dependency.REPLICATE,
    "screener": Dependency.CONTENT_SAFETY,
    "images": Dependency.IMAGES,
    "archives": Dependency.IMAGES,
    "destinations": Dependency.TABLES,
    **dict.fromkeys(("outputs", "input_files", "uploads", "quarantine", "dead_letters", "proofs"), Dependency.BLOBS),
    "signer": Dependency.SECRETS,
    "messenger": Dependency.SERVICE_BUS,
}


def failed(effect: str, mode: Mode) -> Any:
    """Returns the result of a create that failed or whose reply was lost; raises Unavailable for any other effect."""
    if effect == "provider.create":
        return (
            OutcomeUnknown("the answer was lost") if mode is Mode.REPLY_LOST else NotCreated(DeferReason.UNREACHABLE, 5)
        )
    raise Unavailable(dependency_of(effect), "the schedule says so")


def dependency_of(effect: str) -> Dependency:
    """Returns the dependency that an effect calls."""
    port = effect.partition(".")[0]
    return DEPENDENCIES.get(port) or Dependency(port)


class Gate(Protocol):
    """Decides what happens at an effect."""

    async def effect(self, name: str, act: Callable[[], Awaitable[T]]) -> T:
        """Run the call or not; return its result, raise a fault, or crash."""


class Polled(Awaitable[Answer]):
    """A wait without an event loop: whoever drives the handlers lets others run, and looks again."""

    def __init__(self) -> None:
        self._answers: list[Answer] = []

    def done(self) -> bool:
        """Whether there is an answer."""
        return bool(self._answers)

    def set_result(self, answer: Answer) -> None:
        """The answer has come."""
        self._answers.append(answer)

    def __await__(self) -> Generator[float, None, Answer]:
        while not self._answers:
            yield POLL_S
        return self._answers[0]


def watched(deps: Dependencies, gate: Gate, pending: PendingMoves | None = None) -> Dependencies:
    """Returns the same dependencies, with every call passed through ``gate``: those of a process of its own.

    ``pending`` are the moves that calls of the process have at hand.
    """
    ports: dict[str, Any] = {name: _Watched(name, getattr(deps, name), gate) for name in WAYS_OUT}
    ports["providers"] = {name: _Watched("provider", each, gate) for name, each in deps.providers.items()}
    ports["pending"] = pending or PendingMoves(Polled)
    ports["app_use"] = AppUse()
    return replace(deps, **ports)  # each stands for whatever port is behind it


#: The ports among the dependencies. All others are values or functions, which are not wrapped: a wrapped flag would
#: always be true. Telemetry is left out because no decision depends on it.
WAYS_OUT = tuple(
    name
    for name, kind in get_type_hints(Dependencies).items()
    if kind is not Telemetry and Protocol in getattr(kind, "__bases__", ())
)


_ITERATORS = {"recent", "ledger", "accounts", "generations", "of_account", "of_day"}
_CONTEXTS = {"fetch"}

#: These methods return a variant of the port itself and call nothing.
_SELVES = {"alone"}


class _Watched:
    """A port whose methods pass through the gate. It wraps any port, so its methods have no types."""

    def __init__(self, port: str, inner: Any, gate: Gate) -> None:
        self._port = port
        self._inner = inner
        self._gate = gate

    def __getattr__(self, method: str) -> Any:
        inner, name = getattr(self._inner, method), f"{self._port}.{method}"
        if method in _SELVES:
            return lambda: _Watched(self._port, inner(), self._gate)
        if method in _ITERATORS:
            return lambda *args, **named: _listed(name, inner(*args, **named), self._gate)
        if method in _CONTEXTS:
            return lambda *args, **named: _streamed(name, inner(*args, **named), self._gate)
        return lambda *args, **named: self._gate.effect(name, lambda: inner(*args, **named))


async def _listed(name: str, items: AsyncIterator[T], gate: Gate) -> AsyncIterator[T]:
    """Iterates over a listing: the first request is an effect, and so is each page (here: each item)."""
    while True:
        try:
            yield await gate.effect(name, lambda: anext(items))
        except StopAsyncIteration:
            return


@asynccontextmanager
async def _streamed(
    name: str, context: AbstractAsyncContextManager[AsyncIterator[bytes]], gate: Gate
) -> AsyncIterator[AsyncIterator[bytes]]:
    chunks = await gate.effect(name, context.__aenter__)
    yield _listed(f"{name} chunk", chunks, gate)


class Fault:
    """A gate that numbers the effects from 1 and makes the one at ``at`` go wrong (0: none).

    ``names``: the effects so far. ``strikes`` is called when the fault happens. ``after_create`` is called when a
    prediction exists and its answer is still on the way. ``meanwhile`` runs the others that overtake the handler.
    """

    def __init__(self, at: int = 0, mode: Mode = Mode.CRASH_BEFORE) -> None:
        self.at = at
        self.mode = mode
        self.names: list[str] = []
        self.dead = False
        self.strikes: Callable[[], None] = lambda: None
        self.after_create: Callable[[], Awaitable[None]] | None = None
        self.meanwhile: Callable[[Mode], Awaitable[None]] | None = None

    @property
    def struck(self) -> str:
        """The name of the effect that went wrong; "" if there were fewer effects than ``at``."""
        return self.names[self.at - 1] if 0 < self.at <= len(self.names) else ""

    async def effect(self, name: str, act: Callable[[], Awaitable[T]]) -> T:
        """See ``Gate``."""
        if self.dead:
            raise Crash
        self.names.append(name)
        mode = self.mode if len(self.names) == self.at else None
        if mode is not None:
            self.strikes()
        if mode is Mode.CRASH_BEFORE:
            self._die()
        if mode is Mode.FAILS:
            answer: T = failed(name, mode)
            return answer
        if mode in OVERTAKEN and self.meanwhile is not None:
            await self.meanwhile(mode)
        result = await act()
        if name == "provider.create" and self.after_create is not None:
            await self.after_create()
        if mode is Mode.CRASH_AFTER:
            self._die()
        if mode is Mode.REPLY_LOST:
            result = failed(name, mode)
        return result

    def _die(self) -> None:
        self.dead = True
        raise Crash


def run(handler: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine of the fakes to its end. The fakes never wait, so no event loop is needed."""
    while True:
        try:
            handler.send(None)
        except StopIteration as stopped:
            result: T = stopped.value
            return result
