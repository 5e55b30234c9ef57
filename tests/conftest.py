"""Fixtures and hooks of all tests."""

import gc
import importlib.util
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Time on a busy machine says nothing about the code: neither a slow example nor slow data is a failure.
settings.register_profile("darkroom", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("darkroom")

# httpcore asks for sniffio at every lock. Python looks for a missing module in every folder of sys.path, each time.
if importlib.util.find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment]  # Python's own way to say that it is missing

#: What starts a process. Each is wrapped: an audit hook hears of each ``id()`` too, a fourteenth of all time.
STARTS: tuple[tuple[Any, str], ...] = (
    *((os, name) for name in ("fork", "forkpty", "posix_spawn", "posix_spawnp", "system")),
    (subprocess.Popen, "__init__"),
)

#: Python's own 700, 10, 10 would look at everything younger than the tests themselves a dozen times a minute.
COLLECTED_AFTER = (50_000, 20, 50)

#: The tests under way in this process that have not said that they start one.
_unmarked: list[str] = []


def _watch(holder: Any, name: str) -> None:
    """Replace a function by one that fails a test that has not said so."""
    start: Callable[..., object] = getattr(holder, name)

    @wraps(start)
    def starts(*arguments: object, **named: object) -> object:
        if _unmarked:
            pytest.fail(f"{_unmarked[0]} starts a process ({name}, {arguments}): mark it as pytest.mark.process")
        return start(*arguments, **named)

    setattr(holder, name, starts)


platform.processor()  # it starts ``uname`` once, and the SDKs ask for the name of the system with their first client
for _holder, _name in STARTS:
    if hasattr(_holder, _name):  # not on every system
        _watch(_holder, _name)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Seven thousand tests are hardly garbage: the collector does not look at them while they are made, nor ever after.

    A quarter of the time of collecting is its, and every later look at the old would be at them.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(*COLLECTED_AFTER)
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test of the local stack counts as a test with a process."""
    for item in items:
        if item.get_closest_marker("stack"):
            item.add_marker("process")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """A test that starts a process without the mark fails: `python3 -m dev test --quick` leaves out marked tests."""
    if not item.get_closest_marker("process"):
        _unmarked.append(item.nodeid)
    try:
        return (yield)
    finally:
        _unmarked.clear()
