"""Telemetry as log records, which Application Insights stores unchanged.

Rules of this file:
1. A record carries its names and numbers as flat fields too (``step``, the three ids of a key and each fact;
   ``metric``, ``value`` and each label), so that a query need not parse texts.
2. A record contains ids, names and numbers only. There is one exception: the provider's message about a failed
   prediction, redacted by core/provider/redaction.py.
3. A record that goes to the host costs 0.1 ms and is billed. So the ordinary steps of a generation are DEBUG. INFO is
   its end, and what an operator may have to look into: one to four records per generation. WARNING is a failed model.
"""

import logging
from contextlib import AbstractContextManager, nullcontext

from shared.core.keys import Key
from shared.core.lifecycle.steps import AnyStep, LogStep, Step
from shared.core.metric import Metric

_steps = logging.getLogger("darkroom.steps")
_metrics = logging.getLogger("darkroom.metrics")

#: The steps that are logged in production: the end, and everything that delays or changes a generation before it.
NOTABLE_STEPS: frozenset[AnyStep] = frozenset(
    {
        LogStep.PUBLISHED,
        Step.REJECTED,
        LogStep.PROMPT_REFUSED,
        LogStep.OUTPUT_REFUSED,
        LogStep.OUTPUT_UNFIT,
        LogStep.DEFERRED,
        Step.CREATE_DEFERRED,
        Step.CREATE_REFUSED,
        LogStep.OUTCOME_UNKNOWN,
        Step.NEXT_ATTEMPT,
        LogStep.EXTRA_PREDICTION,
        Step.PREDICTION_VANISHED,
    }
)

#: The steps that an operator should look at when they pile up: after a failed model the next one is paid for, too.
WARNING_STEPS: frozenset[AnyStep] = frozenset({Step.PREDICTION_FAILED, Step.TRAINING_LOST})


class LogTelemetry:
    """ports.Telemetry on the loggers ``darkroom.steps`` and ``darkroom.metrics``."""

    def step(self, name: AnyStep, key: Key, **facts: str | int) -> None:
        """Log a step of a generation."""
        level = _level(name)
        if _steps.isEnabledFor(level):
            fields = {**facts, "step": name.value, **key.properties}
            _steps.log(level, "%s %s%s", name, key, _formatted(facts), extra=fields)

    def count(self, metric: Metric, value: float = 1, **labels: str) -> None:
        """Log a count or a measured value."""
        level = logging.INFO if metric.notable else logging.DEBUG
        if _metrics.isEnabledFor(level):
            fields = {**labels, "metric": metric.value, "value": value}
            _metrics.log(level, "%s %g%s", metric, value, _formatted(labels), extra=fields)

    def span(self, name: str, key: Key | None = None) -> AbstractContextManager[None]:  # noqa: ARG002  # no spans here
        """Return a context that does nothing: a log has no spans."""
        return nullcontext()

    def trace_parent(self) -> str:
        """Return an empty string: a log has no trace."""
        return ""

    def follow(self, trace_parent: str) -> None:
        """Do nothing: a log has no links between traces."""


def _level(step: AnyStep) -> int:
    if step in WARNING_STEPS:
        return logging.WARNING
    return logging.INFO if step in NOTABLE_STEPS else logging.DEBUG


def _formatted(facts: dict[str, str | int] | dict[str, str]) -> str:
    return "".join(f" {name}={value}" for name, value in facts.items() if value != "")
