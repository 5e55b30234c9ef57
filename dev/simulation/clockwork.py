"""The virtual time of the simulation, and the order in which its handlers run.

Rules of this file:
1. One heap of moments decides the order. Equal moments run in the order in which they were planned.
2. A handler is a coroutine that yields how long its next effect takes. Meanwhile other handlers run.
3. A process is a set of handlers that die together. A handler that died reports it through ``done``.
"""

import hashlib
import heapq
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from dev.fakes.world import World
from dev.simulation.effects import Crash, Polled
from shared.ports import PendingMoves

Handler = Coroutine[Any, Any, Any]


class Pause(Awaitable[None]):
    """Suspend the handler for some seconds, so that others run."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __await__(self) -> Generator[float, None, None]:
        yield self.seconds


@dataclass
class Trace:
    """The history: a hash over all lines, and the last lines themselves."""

    lines: int = 0
    last: deque[str] = field(default_factory=lambda: deque(maxlen=80))
    digest: Any = field(default_factory=hashlib.sha256)

    def write(self, line: str) -> None:
        """Append a line."""
        self.lines += 1
        self.last.append(line)
        self.digest.update(line.encode() + b"\n")

    @property
    def hash(self) -> str:
        """The hash of all lines; equal histories have equal hashes."""
        return str(self.digest.hexdigest()[:16])


@dataclass(eq=False)
class Call:
    """One running handler. ``done`` is called once, with the exception that ended it (None: it returned)."""

    handler: Handler
    name: str
    done: Callable[[BaseException | None], None]


@dataclass(eq=False)
class Process:
    """A process: it runs handlers, and they die with it."""

    number: int
    alive: bool = True
    calls: list[Call] = field(default_factory=list)
    pending: PendingMoves = field(default_factory=lambda: PendingMoves(Polled))


class Clockwork:
    """Moves a world's clock from moment to moment, and steps the handlers of its processes."""

    def __init__(self, world: World, processes: int) -> None:
        self.world = world
        self.trace = Trace()
        self.processes = [Process(number) for number in range(processes)]
        self.crashes = 0
        self._moments: list[tuple[datetime, int, Callable[[], None]]] = []
        self._planned = 0

    def plan(self, seconds: float, act: Callable[[], None]) -> None:
        """Plan an act for some seconds from now."""
        self._planned += 1
        moment = self.world.time + timedelta(seconds=max(0.0, seconds))
        heapq.heappush(self._moments, (moment, self._planned, act))

    def next(self) -> None:
        """Move the clock to the next moment and run its act."""
        moment, _, act = heapq.heappop(self._moments)
        self.world.time = moment
        act()

    def start(self, process: Process, call: Call) -> None:
        """Start a handler in a process."""
        process.calls.append(call)
        self.note(f"{call.name} starts in process {process.number}")
        self._step(process, call)

    def note(self, line: str) -> None:
        """Write a line with the current time into the trace."""
        self.trace.write(f"{self.world.time.time().isoformat('microseconds')} {line}")

    def _step(self, process: Process, call: Call) -> None:
        if call not in process.calls:
            return
        try:
            seconds = None
            while seconds is None:
                seconds = call.handler.send(None)
        except StopIteration:
            self._finish(process, call, None)
        except Crash as crash:
            self._die(process, crash)
        except Exception as error:  # noqa: BLE001  # whoever waits for the call decides what it means
            self._finish(process, call, error)
        else:
            self.plan(seconds, lambda: self._step(process, call))

    def _finish(self, process: Process, call: Call, ended_by: BaseException | None) -> None:
        process.calls.remove(call)
        self.note(f"{call.name} {'ends' if ended_by is None else f'raises {type(ended_by).__name__}'}")
        call.done(ended_by)

    def _die(self, process: Process, crash: Crash) -> None:
        """Kill the process with all its handlers; a new one takes its place."""
        self.crashes += 1
        process.alive = False
        self.processes[process.number] = Process(process.number)
        calls, process.calls = process.calls, []
        for call in calls:
            call.handler.close()
            self._finish_dead(call, crash)

    def _finish_dead(self, call: Call, crash: Crash) -> None:
        self.note(f"{call.name} dies")
        call.done(crash)
