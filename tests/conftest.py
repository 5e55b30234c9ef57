"""Fixtures and hooks of all tests."""

import gc
import importlib.util
import platform
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# Time on a busy machine says nothing about the code: neither a slow example nor slow data is a failure.
settings.register_profile("darkroom", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("darkroom")

# httpcore asks for sniffio at every lock. Python looks for a missing module in every folder of sys.path, each time.
if importlib.util.find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment]  # Python's own way to say that it is missing

#: What Python says just before a process is started.
STARTS = {"os.fork", "os.forkpty", "os.posix_spawn", "os.system", "subprocess.Popen"}

#: Python's own 700, 10, 10 would look at everything younger than the tests themselves a dozen times a minute.
COLLECTED_AFTER = (5_000, 20, 50)

#: The tests under way in this process that have not said that they start one.
_unmarked: list[str] = []


def _look(event: str, arguments: tuple[object, ...]) -> None:
    if event in STARTS and _unmarked and arguments[:1] != ("uname",):  # Python's own, for the name of the system
        pytest.fail(
            f"{_unmarked[0]} starts a process ({arguments[0] if arguments else event}): mark it as pytest.mark.process"
        )


platform.platform()  # it starts ``uname`` once, and the SDKs ask for it with their first client
sys.addaudithook(_look)


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
