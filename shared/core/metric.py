"""The metrics: the name of each, what it measures, its labels, and whether an alert may watch it.

Rules of this file:
1. A metric is declared here and nowhere else. Log level, instrument, alerts and docs/operations.md follow from it.
2. A label has few values. The id of a user or a generation is never one; ``account_id`` is, for what must never happen.
"""

from enum import StrEnum
from typing import Self


class Measure(StrEnum):
    """What a metric's values are. The values are the words of docs/operations.md."""

    COUNT = "count"  # values are added
    SPREAD = "spread"  # their distribution matters, and how many there are
    LEVEL = "level"  # the last one matters; it may be negative, which a histogram refuses


_COUNT, _SPREAD, _LEVEL = Measure

#: A notable metric is logged as INFO where counts are logged, because an alert may watch it. The others are DEBUG, such
#: as conflicts and what the timer reports each minute.
_NOTABLE, _ROUTINE = True, False


class Metric(StrEnum):
    """A metric, by its full name."""

    measure: Measure
    notable: bool
    labels: frozenset[str]

    def __new__(cls, name: str, measure: Measure, notable: bool, *labels: str) -> Self:  # noqa: FBT001  # a table below
        """Make a member from its row."""
        metric = str.__new__(cls, name)
        metric._value_ = name
        metric.measure, metric.notable, metric.labels = measure, notable, frozenset(labels)
        return metric

    ACCOUNTS_WAITING = "darkroom.accounts_waiting", _LEVEL, _ROUTINE
    ACCOUNT_COMMANDS = "darkroom.account_commands", _COUNT, _ROUTINE, "kind", "outcome"
    APP_LIMITS_CLOSED = "darkroom.app_limits_closed", _COUNT, _NOTABLE, "limit"
    ATTEMPTS_LOST = "darkroom.attempts_lost", _COUNT, _NOTABLE
    AUDIT_DIFFERENCES = "darkroom.audit_differences", _COUNT, _NOTABLE, "account_id", "what"
    AUDITS_UNFINISHED = "darkroom.audits_unfinished", _COUNT, _NOTABLE
    BLOBS_KEPT = "darkroom.blobs_kept", _COUNT, _ROUTINE
    CONFLICTS = "darkroom.conflicts", _COUNT, _ROUTINE
    CREATES_DEFERRED = "darkroom.creates_deferred", _COUNT, _NOTABLE, "why"
    CREATES_UNKNOWN = "darkroom.creates_unknown", _COUNT, _NOTABLE
    DEAD_LETTERS = "darkroom.dead_letters", _COUNT, _NOTABLE, "queue"
    DEFERRALS = "darkroom.deferrals", _COUNT, _NOTABLE, "dependency"
    EXTRA_PREDICTIONS = "darkroom.extra_predictions", _COUNT, _NOTABLE
    FOREIGN_PREDICTIONS = "darkroom.foreign_predictions", _COUNT, _NOTABLE
    GENERATIONS = "darkroom.generations", _COUNT, _ROUTINE, "outcome", "model"
    MALFORMED_MESSAGES = "darkroom.malformed_messages", _COUNT, _NOTABLE, "queue"
    MODELS_DRIFTED = "darkroom.models_drifted", _COUNT, _NOTABLE, "model"
    OVERDUE = "darkroom.overdue", _SPREAD, _ROUTINE
    PREDICTIONS_VANISHED = "darkroom.predictions_vanished", _COUNT, _NOTABLE
    REQUESTS_CLASHED = "darkroom.requests_clashed", _COUNT, _NOTABLE
    SLACK_S = "darkroom.slack_s", _LEVEL, _NOTABLE
    SWEPT = "darkroom.swept", _COUNT, _ROUTINE
    TURN_WAITS_S = "darkroom.turn_waits_s", _SPREAD, _NOTABLE, "given"
    UNKNOWN_STATUSES = "darkroom.unknown_statuses", _COUNT, _NOTABLE
    WEBHOOK_REFUSED = "darkroom.webhook_refused", _COUNT, _NOTABLE
    WEBHOOK_UNAVAILABLE = "darkroom.webhook_unavailable", _COUNT, _NOTABLE, "dependency"
