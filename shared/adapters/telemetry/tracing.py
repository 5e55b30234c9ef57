"""Telemetry as OpenTelemetry spans and metrics, beside the log records of the steps.

Rules of this file:
1. The API alone: who exports, and whether, is the platform's matter (the Functions worker sets up Azure Monitor).
   Without an exporter every call here goes to a span that records nothing.
2. A generation is one story over several messages: each span links to the trace in which the generation was opened,
   whose W3C traceparent is saved with it, for neither Replicate nor the timer carries it.
3. Ids, names and numbers only, as everywhere.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import metrics, trace
from opentelemetry.metrics import Counter, Histogram, _Gauge
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.adapters.telemetry.logs import LogTelemetry
from shared.core.keys import Key

_SCOPE = "darkroom"

#: Of this one the last value says something, also a negative one, which a histogram refuses.
_GAUGES = frozenset({"darkroom.slack_s"})

#: Of this one the spread does: also how often it was told at all. Of all others the sum does.
_HISTOGRAMS = frozenset({"darkroom.overdue"})

_propagator = TraceContextTextMapPropagator()


class OpenTelemetry(LogTelemetry):
    """ports.Telemetry with spans and metrics; the notable steps are still logged."""

    def __init__(self) -> None:
        self._tracer = trace.get_tracer(_SCOPE)
        self._meter = metrics.get_meter(_SCOPE)
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, _Gauge] = {}
        self._histograms: dict[str, Histogram] = {}

    def step(self, name: str, key: Key, **facts: str | int) -> None:
        """Something happened to a generation: an event of the running span."""
        super().step(name, key, **facts)
        trace.get_current_span().add_event(name, dict(facts))

    def count(self, metric: str, value: float = 1, **labels: str) -> None:
        """Something to be counted or measured."""
        if metric in _GAUGES:
            if metric not in self._gauges:
                self._gauges[metric] = self._meter.create_gauge(metric)
            self._gauges[metric].set(value, labels)
            return
        if metric in _HISTOGRAMS:
            if metric not in self._histograms:
                self._histograms[metric] = self._meter.create_histogram(metric)
            self._histograms[metric].record(value, labels)
            return
        if metric not in self._counters:
            self._counters[metric] = self._meter.create_counter(metric)
        self._counters[metric].add(value, labels)

    @contextmanager
    def span(self, name: str, key: Key | None = None) -> Iterator[None]:
        """A span around what happens inside."""
        attributes = {f"darkroom.{name}": value for name, value in key.properties.items()} if key else {}
        with self._tracer.start_as_current_span(name, attributes=attributes):
            yield

    def trace_parent(self) -> str:
        """The W3C traceparent of the running span; empty where nothing is traced."""
        carrier: dict[str, str] = {}
        _propagator.inject(carrier)
        return carrier.get("traceparent", "")

    def follow(self, trace_parent: str) -> None:
        """Link the running span to the trace that ``trace_parent`` names."""
        span = trace.get_current_span()
        origin = trace.get_current_span(_propagator.extract({"traceparent": trace_parent})).get_span_context()
        if trace_parent and origin.is_valid and origin.trace_id != span.get_span_context().trace_id:
            span.add_link(origin)
