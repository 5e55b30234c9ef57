"""Waiting for the end of a prediction or a training: Replicate's bounds, and the one loop that reads until then.

Rules of this file:
1. A wait is bounded as a whole. It returns the prediction as it ended, and never one that still runs. At the deadline
   it raises TimedOutError, with the prediction's id.
2. At least one read is made, however little time is left. No other begins at or after the deadline.
3. The prediction still runs after a time-out. Whether it is canceled is the caller's decision.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from shared.adapters.replicate.sdk.errors import ReplicateError, TimedOutError
from shared.adapters.replicate.sdk.retrying import TRIED_AGAIN, Kind
from shared.core.provider.prediction import Status


class Ending(Protocol):
    """What ends some day: a prediction, or a training."""

    @property
    def status(self) -> Status:
        """How it goes."""


E = TypeVar("E", bound=Ending)

#: The least and the most seconds of ``Cancel-After``, and of ``Prefer: wait``
#: (replicate.com/docs/topics/predictions).
CANCEL_AFTER_S, WAIT_S = (5, 86_400), (1, 60)

#: The time for the one read that is always made, in seconds, however little time is left.
ONE_READ_S = 0.25


@dataclass(frozen=True, slots=True)
class Bound:
    """How long a verb may take in all, and when that is over by ``time.monotonic``."""

    s: float
    deadline: float

    @classmethod
    def of(cls, bound_s: float) -> "Bound":
        """A bound that begins now."""
        return cls(bound_s, time.monotonic() + bound_s)

    def left_s(self) -> float:
        """The seconds that are left; 0 after it."""
        return left_s(self.deadline)


class Wait(Generic[E]):
    """A wait for the end of one prediction or training.

    Args:
        operation: the operation that a TimedOutError names.
        read: reads it by its id.
        prediction_id: the id.
        bound_s: how long the caller waits in all, for the text of a TimedOutError.
        deadline: when the wait ends, by ``time.monotonic``.
        pauses: the seconds between two reads.
        known: what was read last, if it was read.
        waits_out: the errors of a read that are waited out. Any other is raised.
    """

    def __init__(  # noqa: PLR0913  # each is a matter of its own
        self,
        operation: str,
        read: Callable[[str], Awaitable[E]],
        prediction_id: str,
        *,
        bound_s: float,
        deadline: float,
        pauses: Iterator[float],
        known: E | None = None,
        waits_out: tuple[type[ReplicateError], ...] = TRIED_AGAIN[Kind.READ],
    ) -> None:
        self.known = known
        self._operation = operation
        self._read = read
        self._prediction_id = prediction_id
        self._bound_s = bound_s
        self._deadline = deadline
        self._pauses = pauses
        self._waits_out = waits_out

    async def end(self) -> E:
        """The prediction or the training as it ended.

        Raises:
            TimedOutError: it had not ended at the deadline.
            ReplicateError: it could not be read, and that is not waited out.
        """
        try:
            # The loop bounds each read. This bounds the last one too, which may begin just before the deadline.
            async with asyncio.timeout(max(left_s(self._deadline), ONE_READ_S)), aclosing(self.turns()) as turns:
                async for _ in turns:
                    pass
        except ReplicateError:  # one of its classes is a TimeoutError too
            raise
        except TimeoutError:
            raise self._timed_out() from None
        if self.known is None:  # the loop ends without an exception only after a read
            raise self._timed_out()
        return self.known

    async def turns(self) -> AsyncGenerator[E | None]:
        """``known``, before each read, so that the caller may do something meanwhile. It ends when ``known`` has ended.

        Raises:
            As ``end``.
        """
        while True:
            yield self.known
            try:
                async with asyncio.timeout(max(left_s(self._deadline), ONE_READ_S)):
                    self.known = await self._read(self._prediction_id)
                if self.known.status.finished:
                    return
            except ReplicateError as trouble:  # before TimeoutError, which the error of a read may be too
                if not isinstance(trouble, self._waits_out):
                    raise
            except TimeoutError:
                pass
            await asyncio.sleep(min(next(self._pauses), left_s(self._deadline)))
            if time.monotonic() >= self._deadline:
                raise self._timed_out()

    def _timed_out(self) -> TimedOutError:
        still = f"prediction {self._prediction_id} still runs after {self._bound_s:g} s"
        return TimedOutError(self._operation, still, prediction_id=self._prediction_id)


@asynccontextmanager
async def bounded(
    operation: str,
    bound: "float | Bound",
    meanwhile: Callable[[], str] = str,
    *,
    prediction_id: str = "",
    advice: str = "",
) -> AsyncIterator[None]:
    """Bounds what is done within it: by so many seconds, or by what is left of a verb's bound.

    Raises:
        TimedOutError: it was not done in time, with the prediction's id. ``meanwhile`` says what may have been done.
    """
    named = f"prediction {prediction_id}: " if prediction_id else ""
    bound = bound if isinstance(bound, Bound) else Bound.of(bound)
    try:
        async with asyncio.timeout(bound.left_s()):
            yield
    except TimedOutError as trouble:  # a shorter bound within
        if trouble.prediction_id or not prediction_id:
            raise
        raise TimedOutError(
            trouble.operation, named + trouble.why, prediction_id=prediction_id, advice=advice
        ) from None
    except ReplicateError:  # one of its classes is a TimeoutError too
        raise
    except TimeoutError:
        done = meanwhile()
        why = f"{named}no answer within {bound.s:g} s{f'; {done}' if done else ''}"
        raise TimedOutError(operation, why, prediction_id=prediction_id, advice=advice) from None


def runs_on(cancel_after_s: int | None) -> str:
    """For how long a prediction runs at most that nobody cancels."""
    if cancel_after_s is None:
        return "for 30 min after its start, Replicate's limit"
    return f"for {cancel_after_s} s after its creation, its Cancel-After"


def left_s(deadline: float) -> float:
    """The seconds until a time of ``time.monotonic``; 0 after it."""
    return max(0.0, deadline - time.monotonic())


def pauses_s(first_s: float, longest_s: float, growth: float) -> Iterator[float]:
    """The seconds between two reads, without an end.

    Each pause is ``growth`` times the one before, at most ``longest_s``. It is multiplied by a random 0.5 to 1, so that
    many clients do not read at once.
    """
    pause_s = first_s
    while True:
        yield pause_s * random.uniform(0.5, 1)
        pause_s = min(pause_s * growth, longest_s)
