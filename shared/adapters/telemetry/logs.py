"""Telemetry as log records, which Application Insights takes as they are.

Rules of this file:
1. A record says its names and numbers as fields too (``step``, the three ids of a key and each fact;
   ``metric``, ``value`` and each label), flat, so that a query needs no parsing of texts.
2. Ids, names and numbers only: the callers have nothing else, and nothing else goes in. One text does: what the
   provider said of a failed prediction, as core/provider/redaction.py lets it through.
3. A record that goes to the host costs 0.1 ms and is billed. So the way of a generation that goes well is DEBUG,
   and INFO are its end and what somebody may have to look into: one to four records per generation. WARNING is a
   model that failed.
"""

import logging
from contextlib import AbstractContextManager, nullcontext

from shared.core.keys import Key

_steps = logging.getLogger("darkroom.steps")
_metrics = logging.getLogger("darkroom.metrics")

#: The steps that are worth a record in production: the end, and every departure from the straight way to it.
NOTABLE_STEPS = frozenset(
    {
        "published",
        "rejected",
        "prompt_refused",
        "output_refused",
        "output_unfit",
        "deferred",
        "create_deferred",
        "create_refused",
        "outcome_unknown",
        "next_attempt",
        "extra_prediction",
        "prediction_vanished",
    }
)

#: The steps that somebody should look at when they pile up: a model that fails costs the next one's money.
WARNING_STEPS = frozenset({"prediction_failed"})

#: The metrics that an alert may watch. The others (conflicts, the timer's routine) are for a closer look.
NOTABLE_METRICS = frozenset(
    {
        "darkroom.attempts_lost",
        "darkroom.audit_differences",
        "darkroom.audits_unfinished",
        "darkroom.creates_deferred",
        "darkroom.creates_unknown",
        "darkroom.dead_letters",
        "darkroom.extra_predictions",
        "darkroom.foreign_predictions",
        "darkroom.malformed_messages",
        "darkroom.predictions_vanished",
        "darkroom.deferrals",
        "darkroom.slack_s",
        "darkroom.unknown_statuses",
        "darkroom.webhook_refused",
        "darkroom.webhook_unavailable",
    }
)


class LogTelemetry:
    """ports.Telemetry on the loggers ``darkroom.steps`` and ``darkroom.metrics``."""

    def step(self, name: str, key: Key, **facts: str | int) -> None:
        """Something happened to a generation."""
        level = _level(name)
        if _steps.isEnabledFor(level):
            fields = {**facts, "step": name, **key.properties}
            _steps.log(level, "%s %s%s", name, key, _told(facts), extra=fields)

    def count(self, metric: str, value: float = 1, **labels: str) -> None:
        """Something to be counted or measured."""
        level = logging.INFO if metric in NOTABLE_METRICS else logging.DEBUG
        if _metrics.isEnabledFor(level):
            fields = {**labels, "metric": metric, "value": value}
            _metrics.log(level, "%s %g%s", metric, value, _told(labels), extra=fields)

    def span(self, name: str, key: Key | None = None) -> AbstractContextManager[None]:  # noqa: ARG002  # no spans here
        """A log has no spans."""
        return nullcontext()

    def trace_parent(self) -> str:
        """A log traces nothing."""
        return ""

    def follow(self, trace_parent: str) -> None:
        """A log follows nothing."""


def _level(step: str) -> int:
    if step in WARNING_STEPS:
        return logging.WARNING
    return logging.INFO if step in NOTABLE_STEPS else logging.DEBUG


def _told(facts: dict[str, str | int] | dict[str, str]) -> str:
    return "".join(f" {name}={value}" for name, value in facts.items() if value != "")
