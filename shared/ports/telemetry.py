"""Steps, counts and traces."""

from contextlib import AbstractContextManager
from typing import Protocol

from shared.core.keys import Key
from shared.core.lifecycle.steps import AnyStep
from shared.core.metric import Metric


class Telemetry(Protocol):
    """Steps and counts, by name and id; never a prompt, a secret or a URL."""

    def step(self, name: AnyStep, key: Key, **facts: str | int) -> None:
        """Record that something happened to a generation: the step's name, and its facts."""

    def count(self, metric: Metric, value: float = 1, **labels: str) -> None:
        """Add a value to a metric, which counts or measures."""

    def span(self, name: str, key: Key | None = None) -> AbstractContextManager[None]:
        """Return a context manager that times what happens inside it."""

    def trace_parent(self) -> str:
        """The W3C traceparent of the running span, to store with a generation. Empty if nothing is traced."""

    def follow(self, trace_parent: str) -> None:
        """Link the running span to the trace in which a generation was opened. Does nothing for an empty text."""
