"""FakeTelemetry: keeps the steps and the counts."""

from shared.core.messages import Key


class FakeTelemetry:
    """ports.Telemetry in memory. ``steps`` are (name, key, facts); ``counts`` are (metric, value, labels)."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, Key, dict[str, str | int]]] = []
        self.counts: list[tuple[str, float, dict[str, str]]] = []

    def step(self, name: str, key: Key, **facts: str | int) -> None:
        """Keep a step."""
        self.steps.append((name, key, facts))

    def count(self, metric: str, value: float = 1, **labels: str) -> None:
        """Keep a count."""
        self.counts.append((metric, value, labels))

    def names(self, key: Key | None = None) -> list[str]:
        """The names of the steps in order, of one generation where a key is given."""
        return [name for name, of, _ in self.steps if key is None or of == key]

    def total(self, metric: str) -> float:
        """The sum of a metric's values."""
        return sum(value for name, value, _ in self.counts if name == metric)
