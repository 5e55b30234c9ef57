"""What a generation cost at the provider, and what it may have cost without anybody having measured it.

Rules of this file:
1. What the provider reports of a prediction's end is its measured figure. It is what ``usage`` shows.
2. An attempt that may have run, and of which no figure came, counts as the worst case of the hold. It counts in the
   windows of limits in USD only: nobody knows whether it was spent, and a limit must not forget it.
3. An attempt that surely was not created counts nothing.
"""

from shared.core.lifecycle.attempt import Delivery, cost_of
from shared.core.lifecycle.generation import Generation
from shared.core.lifecycle.state import State
from shared.core.provider.prediction import Prediction, Status
from shared.core.values import replace


def metered(generation: Generation, prediction: Prediction, delivery: Delivery | None = None) -> Generation:
    """The generation with the metrics and the cost of an attempt that ended. ``delivery``: see ``cost_of``.

    A success that costs nothing was not measured: its outputs are gone, and its metrics say nothing of its price.
    """
    cost = cost_of(generation.attempt, prediction, delivery)
    done = replace(generation, metrics=prediction.metrics, cost_usd_micros=generation.cost_usd_micros + cost)
    return done if cost or prediction.status is not Status.SUCCEEDED else unmeasured(done)


def unmeasured(generation: Generation) -> Generation:
    """The generation after an attempt that may have run (rule 2)."""
    worst = generation.unmeasured_usd_micros + generation.hold.worst_cost_usd_micros
    return replace(generation, unmeasured_usd_micros=worst)


def abandoned(generation: Generation, found: Prediction | None) -> Generation:
    """The generation whose attempt nobody waits for any more. ``found`` is its prediction as it was last seen."""
    if generation.state not in (State.SUBMITTING, State.RUNNING):
        return generation
    if found is None or not found.status.finished or found.prediction_id != generation.attempt.prediction_id:
        return unmeasured(generation)
    return metered(generation, found, Delivery() if found.status is Status.SUCCEEDED else None)
