"""The app's log at another level, for as long as a tool runs that expects its warnings."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def log_level(level: int) -> Iterator[None]:
    """Set the level of the app's log, and set it back: a test after it reads that log."""
    log = logging.getLogger("darkroom")
    before = log.level
    log.setLevel(level)
    try:
        yield
    finally:
        log.setLevel(before)
