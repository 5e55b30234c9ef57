"""FakeTelemetry: keeps the steps and the counts."""

from contextlib import AbstractContextManager, nullcontext

from shared.core.keys import Key
from shared.core.lifecycle.steps import AnyStep
from shared.core.metric import Metric

#: The example of the W3C recommendation.
TRACE_PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

_NOTHING = nullcontext()


class FakeTelemetry:
    """ports.Telemetry in memory. ``steps`` are (name, key, facts); ``counts`` are (metric, value, labels)."""

    def __init__(self) -> None:
        self.steps: list[tuple[AnyStep, Key, dict[str, str | int]]] = []
        self.spans: list[tuple[str, Key | None]] = []
        self.followed: list[str] = []
        self.counts: list[tuple[str, float, dict[str, str]]] = []

    def step(self, name: AnyStep, key: Key, **facts: str | int) -> None:
        """Keep a step."""
        self.steps.append((name, key, facts))

    def count(self, metric: Metric, value: float = 1, **labels: str) -> None:
        """Keep a count."""
        self.counts.append((metric, value, labels))

    def span(self, name: str, key: Key | None = None) -> AbstractContextManager[None]:
        """Keep the name of a span."""
        self.spans.append((name, key))
        return _NOTHING

    def trace_parent(self) -> str:
        """Always the same trace."""
        return TRACE_PARENT

    def follow(self, trace_parent: str) -> None:
        """Keep the trace parent."""
        self.followed.append(trace_parent)

    def names(self, key: Key | None = None) -> list[AnyStep]:
        """The names of the steps in order; of one generation if a key is given."""
        return [name for name, of, _ in self.steps if key is None or of == key]

    def total(self, metric: str) -> float:
        """The sum of a metric's values."""
        return sum(value for name, value, _ in self.counts if name == metric)
