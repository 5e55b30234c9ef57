"""Spans and metrics as the OpenTelemetry SDK reads them back, in a process of its own: its providers are global."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
metrics.set_meter_provider(MeterProvider([reader]))

from shared.adapters.telemetry.tracing import OpenTelemetry
from shared.core.keys import Key
from shared.core.lifecycle.steps import Step
from shared.core.metric import Metric

telemetry, key = OpenTelemetry(), Key("ada", "one")
with telemetry.span("request", key):
    parent = telemetry.trace_parent()
    telemetry.step(Step.CREDITS_HELD, key, credits=1)
    telemetry.follow(parent)
with telemetry.span("observe", key):
    telemetry.follow(parent)
    telemetry.follow("")
    telemetry.follow("garbage")
telemetry.count(Metric.GENERATIONS, outcome="succeeded")
telemetry.count(Metric.GENERATIONS, outcome="succeeded")
telemetry.count(Metric.SLACK_S, 12.5)
telemetry.count(Metric.SLACK_S, -3)
spans = exporter.get_finished_spans()
points = {
    metric.name: list(metric.data.data_points)
    for resource in reader.get_metrics_data().resource_metrics
    for scope in resource.scope_metrics
    for metric in scope.metrics
}
print(json.dumps({
    "names": [span.name for span in spans],
    "ids": [dict(span.attributes)["darkroom.generation_id"] for span in spans],
    "events": [[event.name, dict(event.attributes)] for event in spans[0].events],
    "links": [[f"{link.context.trace_id:032x}" for link in span.links] for span in spans],
    "parent": parent,
    "generations": points["darkroom.generations"][0].value,
    "labels": dict(points["darkroom.generations"][0].attributes),
    "slack": points["darkroom.slack_s"][0].value,
}))
"""


@pytest.mark.process
def test_spans_are_linked_to_the_trace_of_the_opening_and_metrics_are_counted() -> None:
    """The message handler's calls become spans, events, a link for the later message, a counter and a gauge."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["names"] == ["request", "observe"]
    assert seen["ids"] == ["one", "one"]
    assert seen["events"] == [["credits_held", {"credits": 1}]]
    assert seen["links"] == [[], [seen["parent"].split("-")[1]]]
    assert (seen["generations"], seen["labels"], seen["slack"]) == (2, {"outcome": "succeeded"}, -3)


@pytest.mark.process
def test_without_an_exporter_nothing_is_traced() -> None:
    """The API alone: no trace parent is saved, and nothing is raised."""
    script = (
        "from shared.adapters.telemetry.tracing import OpenTelemetry\n"
        "from shared.core.metric import Metric\n"
        "from shared.core.requests.messages import Key\n"
        "telemetry = OpenTelemetry()\n"
        "with telemetry.span('request', Key('a', 'b')):\n"
        "    telemetry.follow('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01')\n"
        "    telemetry.count(Metric.GENERATIONS)\n"
        "    print(repr(telemetry.trace_parent()))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout.strip(), done.returncode) == ("''", 0), done.stderr
