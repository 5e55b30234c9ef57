"""The same create POSTed again after an unknown outcome, where the provider guarantees idempotency.

Rules of this file:
1. This is done only if idempotency is guaranteed. SUBMITTING is saved before each POST here too, so each POST follows
   one save.
2. A second POST returns the prediction that the first one created, or creates it. Any other answer says nothing about
   the first POST: the outcome stays unknown, and the timer checks again.
3. What is paused is not POSTed again. The switches are read before the save, and once more right before the POST.
"""

from shared.core.keys import Key
from shared.core.lifecycle import transitions
from shared.core.lifecycle.attempt import Attempt
from shared.core.lifecycle.generation import Generation, Transition
from shared.core.money.payer import Payer
from shared.core.provider.prediction import Created
from shared.core.values import replace
from shared.ports import Dependencies, Loaded
from shared.worker import observing
from shared.worker.pausing import paused_for, stop_of
from shared.worker.saving import Changed, advance
from shared.worker.screening import with_input_urls


async def post_again(deps: Dependencies, key: Key, loaded: Loaded) -> bool:
    """POST the create of a SUBMITTING generation again. False: that is not allowed, or not allowed any more."""
    found_before = loaded.generation
    if not isinstance(found_before, Generation):
        return False
    if await stop_of(deps, found_before) is not None:
        # The list or Cancel-After may still show what became of it. Without the latter it is as unknown as before.
        return not found_before.attempt.guarantees.cancel_after
    paused = await paused_for(deps, found_before, deps.now())

    def step(found: Generation, _: Payer | None) -> Transition[Generation] | None:
        return transitions.posted_again(found, deps.timing, deps.now(), paused)

    saved = await advance(deps, key, step, loaded)
    if not isinstance(saved, Changed):
        return False
    attempt = saved.generation.attempt
    resolved = await with_input_urls(deps, attempt)
    # Asked again: the save and the inputs may have taken minutes, and who creates reads switches at most 5 s old.
    if isinstance(resolved, Attempt) and await stop_of(deps, saved.generation) is None:
        ready = replace(attempt, inputs=resolved.inputs)
        with deps.telemetry.span("create prediction", key):
            outcome = await deps.providers[attempt.provider].create(key, ready)
        if isinstance(outcome, Created):
            await observing.adopt(deps, key, attempt.number, outcome.prediction, saved.loaded)
    return True
