"""Telemetry for operators: log records, and spans and metrics if there is an exporter.

logs.py     LogTelemetry: steps and counts as log records
tracing.py  OpenTelemetry: the same, plus spans and metrics. Only composition imports it, and only if a setting asks
"""

from shared.adapters.telemetry.logs import NOTABLE_STEPS, LogTelemetry

__all__ = ["NOTABLE_STEPS", "LogTelemetry"]
