"""Time and turns of the simulation: what happens when, and which of many handlers goes on.

Rules of this file:
1. One heap of moments; equal moments go in the order in which they were planned. Nothing else decides.
2. A handler is a coroutine that says how long its next effect takes; until then others run.
3. A process is a set of handlers that die together. What died says so to whoever waits for it.
"""

import hashlib
import heapq
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from dev.fakes.world import World
from dev.simulation.effects import Crash

Handler = Coroutine[Any, Any, Any]


class Pause(Awaitable[None]):
    """Let others run for some seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __await__(self) -> Generator[float, None, None]:
        yield self.seconds


@dataclass
class Trace:
    """What happened, as a hash over all of it and the last lines as they are."""

    lines: int = 0
    last: deque[str] = field(default_factory=lambda: deque(maxlen=80))
    digest: Any = field(default_factory=hashlib.sha256)

    def write(self, line: str) -> None:
        """One line more."""
        self.lines += 1
        self.last.append(line)
        self.digest.update(line.encode() + b"\n")

    @property
    def hash(self) -> str:
        """The same for the same history."""
        return str(self.digest.hexdigest()[:16])


@dataclass(eq=False)
class Call:
    """One handler at work. ``done`` is called once, with what ended it (None: it returned)."""

    handler: Handler
    name: str
    done: Callable[[BaseException | None], None]


@dataclass(eq=False)
class Process:
    """What runs handlers, and dies with all of them."""

    number: int
    alive: bool = True
    calls: list[Call] = field(default_factory=list)


class Clockwork:
    """The heap of moments over a world's clock, and the processes whose handlers it steps."""

    def __init__(self, world: World, processes: int) -> None:
        self.world = world
        self.trace = Trace()
        self.processes = [Process(number) for number in range(processes)]
        self.crashes = 0
        self._moments: list[tuple[datetime, int, Callable[[], None]]] = []
        self._planned = 0

    def plan(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something after some seconds."""
        self._planned += 1
        moment = self.world.time + timedelta(seconds=max(0.0, seconds))
        heapq.heappush(self._moments, (moment, self._planned, act))

    def next(self) -> None:
        """Do what comes next; the clock is then at its moment."""
        moment, _, act = heapq.heappop(self._moments)
        self.world.time = moment
        act()

    def start(self, process: Process, call: Call) -> None:
        """Set a handler to work in a process."""
        process.calls.append(call)
        self.note(f"{call.name} starts in process {process.number}")
        self._step(process, call)

    def note(self, line: str) -> None:
        """Write a line into the trace, with its time."""
        self.trace.write(f"{self.world.time:%H:%M:%S.%f} {line}")

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
        """All that the process was doing is over at once; another one takes its place."""
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
