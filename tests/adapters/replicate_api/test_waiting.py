"""The one loop that waits for a prediction's end: its bound, its reads, and what it waits out."""

import ast
import asyncio
import re
import time
from collections.abc import Sequence
from itertools import repeat
from typing import Any

import pytest

from shared.adapters.replicate.sdk.errors import (
    NotFoundError,
    RateLimitError,
    ReplicateError,
    TimedOutError,
    TransientError,
)
from shared.adapters.replicate.sdk.types import FullPrediction
from shared.adapters.replicate.sdk.waiting import ONE_READ_S, Wait
from shared.core.provider.prediction import Status
from tests.sources import ROOT, nodes, python

ID = "p" * 26

SDK = ROOT / "shared" / "adapters" / "replicate" / "sdk"

_READ = "predictions.get"


def test_no_other_loop_waits() -> None:
    """A second one had its own deadline and errors. What repeats a failed call (calling.py) waits for no end."""
    pauses = re.compile(r"asyncio\.sleep\((?!0\))")
    loops = [
        (file.relative_to(SDK).as_posix(), node)
        for file in python("shared")
        if file.is_relative_to(SDK)
        for node in nodes(file)
        if isinstance(node, ast.While | ast.For | ast.AsyncFor)
    ]
    assert {name for name, loop in loops if pauses.search(ast.unparse(loop))} == {"calling.py", "waiting.py"}


class Reads:
    """Answers each read with the next of ``answers``; the last one again and again. None is never answered."""

    def __init__(self, *answers: str | ReplicateError | None) -> None:
        self.asked: list[str] = []
        self._answers = answers

    async def __call__(self, prediction_id: str) -> FullPrediction:
        """The answer to this read."""
        self.asked.append(prediction_id)
        answer = self._answers[min(len(self.asked), len(self._answers)) - 1]
        if answer is None:
            await asyncio.sleep(60)
        if isinstance(answer, ReplicateError):
            raise answer
        prediction = FullPrediction.read({"id": prediction_id, "status": answer})
        assert prediction is not None
        return prediction


def wait_on(reads: Reads, left_s: float, **more: Any) -> Wait[FullPrediction]:
    """A wait whose deadline is ``left_s`` from now."""
    deadline = time.monotonic() + left_s
    return Wait(_READ, reads, ID, bound_s=7, deadline=deadline, pauses=repeat(0.01), **more)


PASSING: Sequence[ReplicateError] = (TransientError(_READ, "x"), TimedOutError(_READ, "x"), RateLimitError(_READ, "x"))


@pytest.mark.parametrize("status", ["succeeded", "failed", "canceled", "aborted"])
async def test_every_end_ends_the_wait(status: str) -> None:
    """It is returned as it was read, and not read again."""
    reads = Reads("starting", "processing", status)
    assert (await wait_on(reads, 5).end()).status is Status(status)
    assert reads.asked == [ID] * 3


async def test_passing_errors_are_waited_out() -> None:
    """All that a read may be repeated after."""
    reads = Reads(*PASSING, "succeeded")
    assert (await wait_on(reads, 5).end()).status is Status.SUCCEEDED


@pytest.mark.parametrize("trouble", PASSING, ids=lambda each: type(each).__name__)
async def test_a_wait_that_is_patient_with_nothing_raises_the_first_error(trouble: ReplicateError) -> None:
    """As itself: it holds the hint for the caller."""
    reads = Reads("processing", trouble, "succeeded")
    with pytest.raises(type(trouble)) as raised:
        await wait_on(reads, 5, waits_out=()).end()
    assert raised.value is trouble


async def test_any_other_error_is_raised() -> None:
    """A prediction that is not there will not end."""
    with pytest.raises(NotFoundError):
        await wait_on(Reads("processing", NotFoundError(_READ, "x")), 5).end()


@pytest.mark.parametrize("answers", [("processing",), (None,), (PASSING[0],), ("processing", None)], ids=range(4))
async def test_the_deadline_is_an_error_with_the_id(answers: Sequence[str | ReplicateError | None]) -> None:
    """It runs on, is not answered at all, or cannot be read: never an empty answer, and in time."""
    began = time.monotonic()
    with pytest.raises(TimedOutError, match=f"{_READ}: prediction {ID} still runs after 7 s"):
        await wait_on(Reads(*answers), ONE_READ_S + 0.05).end()
    assert time.monotonic() - began < 2 * ONE_READ_S + 0.5


async def test_one_read_is_made_however_late_it_is() -> None:
    """What has ended meanwhile is not called late. A second read is not made."""
    done, running = Reads("succeeded"), Reads("processing")
    assert (await wait_on(done, -1).end()).status is Status.SUCCEEDED
    with pytest.raises(TimedOutError):
        await wait_on(running, -1).end()
    assert running.asked == [ID]


async def test_a_turn_comes_before_each_read() -> None:
    """With the prediction as it was read last; after a failed read it is the one from before."""
    first = await Reads("starting")(ID)
    wait = wait_on(Reads("processing", PASSING[0], "succeeded"), 5, known=first)
    turns = [known.status async for known in wait.turns() if known is not None]
    assert turns == [Status.STARTING, Status.PROCESSING, Status.PROCESSING]
    assert wait.known is not None
    assert wait.known.status is Status.SUCCEEDED
