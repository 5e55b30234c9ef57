"""Telemetry as OpenTelemetry spans and metrics, in addition to the log records of the steps.

Rules of this file:
1. Only OpenTelemetry's API is used here. The platform decides on an exporter (the Functions worker sets up Azure
   Monitor). Without one, spans and metrics record nothing.
2. A generation spans several messages. Each span links to the trace in which the generation was opened. That trace's
   W3C traceparent is stored with the generation, because neither Replicate nor the timer carries it.
3. Spans and metrics contain ids, names and numbers only, as log records do.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import assert_never

from opentelemetry import metrics, trace
from opentelemetry.metrics import Counter, Histogram, _Gauge
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.adapters.telemetry.logs import LogTelemetry
from shared.core.keys import Key
from shared.core.lifecycle.steps import AnyStep
from shared.core.metric import Measure, Metric

_SCOPE = "darkroom"

_propagator = TraceContextTextMapPropagator()


class OpenTelemetry(LogTelemetry):
    """ports.Telemetry with spans and metrics. Steps are still logged. Counts are not: they are metrics here."""

    def __init__(self) -> None:
        self._tracer = trace.get_tracer(_SCOPE)
        self._meter = metrics.get_meter(_SCOPE)
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, _Gauge] = {}
        self._histograms: dict[str, Histogram] = {}

    def step(self, name: AnyStep, key: Key, **facts: str | int) -> None:
        """Log a step of a generation, and add it as an event to the current span."""
        super().step(name, key, **facts)
        trace.get_current_span().add_event(name.value, dict(facts))

    def count(self, metric: Metric, value: float = 1, **labels: str) -> None:
        """Record a count or a measured value as a metric."""
        name = metric.value
        match metric.measure:
            case Measure.LEVEL:
                if name not in self._gauges:
                    self._gauges[name] = self._meter.create_gauge(name)
                self._gauges[name].set(value, labels)
            case Measure.SPREAD:
                if name not in self._histograms:
                    self._histograms[name] = self._meter.create_histogram(name)
                self._histograms[name].record(value, labels)
            case Measure.COUNT:
                if name not in self._counters:
                    self._counters[name] = self._meter.create_counter(name)
                self._counters[name].add(value, labels)
            case never:
                assert_never(never)

    @contextmanager
    def span(self, name: str, key: Key | None = None) -> Iterator[None]:
        """Run the body of the ``with`` statement inside a span."""
        attributes = {f"darkroom.{name}": value for name, value in key.properties.items()} if key else {}
        with self._tracer.start_as_current_span(name, attributes=attributes):
            yield

    def trace_parent(self) -> str:
        """The W3C traceparent of the current span; empty if nothing is traced."""
        carrier: dict[str, str] = {}
        _propagator.inject(carrier)
        return carrier.get("traceparent", "")

    def follow(self, trace_parent: str) -> None:
        """Link the current span to the trace that ``trace_parent`` names."""
        span = trace.get_current_span()
        origin = trace.get_current_span(_propagator.extract({"traceparent": trace_parent})).get_span_context()
        if trace_parent and origin.is_valid and origin.trace_id != span.get_span_context().trace_id:
            span.add_link(origin)
