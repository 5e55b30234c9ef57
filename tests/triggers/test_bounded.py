"""The bound around every function: it times out, raises no CancelledError, and is still a coroutine function."""

import asyncio
import inspect

import pytest

from shared.composition.invocation import bounded


@bounded(5)
async def doubled(number: int, *, plus: int = 0) -> int:
    """Return twice a number, plus another."""
    await asyncio.sleep(0)
    return number * 2 + plus


async def test_the_value_is_returned() -> None:
    """Positional and named arguments are passed on."""
    assert await doubled(3, plus=1) == 7


def test_it_stays_a_coroutine_function() -> None:
    """The worker would otherwise run it in a thread. Its name and parameters stay, too."""
    assert inspect.iscoroutinefunction(doubled)
    assert doubled.__name__ == "doubled"
    assert list(inspect.signature(doubled).parameters) == ["number", "plus"]


async def test_an_exception_is_raised() -> None:
    """Without the failure, the host would complete the message."""

    @bounded(5)
    async def broken() -> None:
        raise LookupError("a bug")

    with pytest.raises(LookupError, match="a bug"):
        await broken()


async def test_a_hung_function_times_out() -> None:
    """It is cancelled, so that it does not continue after the broker delivers the message again."""
    ended = asyncio.Event()

    @bounded(0.01)
    async def hung() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(TimeoutError):
        await hung()
    assert ended.is_set()


async def test_a_cancel_becomes_an_error_that_the_worker_reports() -> None:
    """The cancel may come from outside, or from a library that gives up by cancelling."""

    @bounded(5)
    async def gave_up() -> None:
        raise asyncio.CancelledError

    @bounded(5)
    async def waits() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="gave_up was cancelled"):
        await gave_up()
    task = asyncio.ensure_future(waits())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(RuntimeError, match="waits was cancelled"):
        await task
