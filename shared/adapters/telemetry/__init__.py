"""What happened, for operators: log records, and with an exporter spans and metrics.

logs.py     LogTelemetry: steps and counts as records
tracing.py  OpenTelemetry: the same, with spans and metrics; only wiring imports it, and only where it is asked for
"""

from shared.adapters.telemetry.logs import NOTABLE_METRICS, NOTABLE_STEPS, LogTelemetry

__all__ = ["NOTABLE_METRICS", "NOTABLE_STEPS", "LogTelemetry"]
