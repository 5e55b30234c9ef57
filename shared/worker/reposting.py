"""A create whose outcome is unknown, made again where the same create is promised to be the same prediction.

Rules of this file:
1. Only where idempotency is guaranteed. SUBMITTING is saved before each POST, as ever, so that a POST follows one save.
2. A second POST finds what the first has created, or creates it. Whatever else it answers says nothing about the first:
   the outcome stays unknown, and the timer comes again.
"""

from dataclasses import replace

from shared.core.keys import Key
from shared.core.lifecycle import transitions
from shared.core.lifecycle.attempt import Attempt
from shared.core.lifecycle.generation import Generation, Transition
from shared.core.money.ledger import Account
from shared.core.provider.prediction import Created
from shared.ports import Dependencies, Loaded
from shared.worker import observing
from shared.worker.saving import Changed, advance
from shared.worker.screening import with_input_urls


async def post_again(deps: Dependencies, key: Key, loaded: Loaded) -> bool:
    """POST the create of a SUBMITTING generation once more. False: it may not, or not any more."""

    def step(found: Generation, _: Account | None) -> Transition | None:
        return transitions.posted_again(found, deps.timing, deps.now())

    saved = await advance(deps, key, step, loaded)
    if not isinstance(saved, Changed) or saved.generation.attempt is None:
        return False
    attempt = saved.generation.attempt
    sent = await with_input_urls(deps, attempt)
    if isinstance(sent, Attempt):
        ready = replace(attempt, inputs=sent.inputs)
        with deps.telemetry.span("create prediction", key):
            outcome = await deps.providers[attempt.provider].create(key, ready)
        if isinstance(outcome, Created):
            await observing.adopt(deps, key, attempt.number, outcome.prediction, saved.loaded)
    return True
