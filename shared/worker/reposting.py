"""A create whose outcome is unknown, made again where the same create is promised to be the same prediction.

Rules of this file:
1. Only where idempotency is guaranteed. SUBMITTING is saved before each POST, as ever, so that a POST follows one save.
2. A second POST finds what the first has created, or creates it. Whatever else it answers says nothing about the first:
   the outcome stays unknown, and the timer comes again.
"""

from dataclasses import replace

from shared.core.lifecycle import transitions
from shared.core.lifecycle.attempt import Attempt
from shared.core.lifecycle.generation import Generation, Transition
from shared.core.provider.prediction import Created
from shared.ports import Dependencies, Loaded
from shared.worker import observing
from shared.worker.saving import save
from shared.worker.screening import with_input_urls


async def post_again(deps: Dependencies, generation: Generation) -> bool:
    """POST the create of a SUBMITTING generation once more. False: it may not, or not any more."""
    key = generation.key

    def decide(current: Loaded) -> Transition | None:
        found = current.generation
        return transitions.posted_again(found, deps.timing, deps.now()) if found else None

    saved = await save(deps, key, decide)
    attempt = saved.generation.attempt if saved.generation else None
    if not saved.changed or attempt is None:
        return False
    sent = await with_input_urls(deps, attempt)
    if isinstance(sent, Attempt):
        ready = replace(attempt, inputs=sent.inputs)
        with deps.telemetry.span("create prediction", key):
            outcome = await deps.providers[attempt.provider].create(key, ready)
        if isinstance(outcome, Created):
            deps.telemetry.step("prediction_created", key, prediction=outcome.prediction.prediction_id)
            await observing.adopt(deps, key, attempt.number, outcome.prediction, saved.loaded)
    return True
