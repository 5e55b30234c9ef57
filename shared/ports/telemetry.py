"""Steps, counts and traces."""

from contextlib import AbstractContextManager
from typing import Protocol

from shared.core.keys import Key


class Telemetry(Protocol):
    """Steps and counts, by name and id; never a prompt, a secret or a URL."""

    def step(self, name: str, key: Key, **facts: str | int) -> None:
        """Something happened to a generation."""

    def count(self, metric: str, value: float = 1, **labels: str) -> None:
        """Something to be counted or measured."""

    def span(self, name: str, key: Key | None = None) -> AbstractContextManager[None]:
        """Time what happens inside."""

    def trace_parent(self) -> str:
        """The W3C traceparent of the running span, to be kept with a generation; empty where nothing is traced."""

    def follow(self, trace_parent: str) -> None:
        """Link the running span to the trace in which a generation was opened; nothing for an empty text."""
