"""How long a call of a function may take.

Rules of this file:
1. A function of the app returns None (a value would fail it), and no CancelledError leaves it: the Functions
   worker would then never answer, and the host would wait until functionTimeout and restart the worker.
2. It is what function_app.py is loaded with, on every start: it imports nothing of the house.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def bounded(timeout_s: float) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
    """Bound an async function's time, and let no CancelledError out of it."""

    def decorate(function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        @functools.wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                async with asyncio.timeout(timeout_s):
                    return await function(*args, **kwargs)
            except asyncio.CancelledError as cancelled:
                raise RuntimeError(f"{function.__name__} was cancelled; its message will come again") from cancelled

        return call

    return decorate
