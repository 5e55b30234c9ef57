"""The only place that saves a generation.

Rules of this file:
1. What is saved is what a transition (core/lifecycle) returned for the state as it was just read: the
   decision is a pure function, made again after every conflict, so it never rests on something stale.
2. An outside call sits between two saves; the index row stands before the first of them.
"""

from collections.abc import Callable
from dataclasses import dataclass

from shared.core.dependency import Dependency
from shared.core.keys import Key
from shared.core.lifecycle.generation import Generation, Transition
from shared.ports import Conflict, Dependencies, Loaded, Unavailable

#: One account may be wanted by every worker at once. 30 tries with up to 1 s between them outlast 200 rivals.
CONFLICT_TRIES = 30
_LONGEST_PAUSE_S = 1.0

Decide = Callable[[Loaded], Transition | None]


@dataclass(frozen=True, slots=True)
class Saved:
    """The generation as it stands now, and whether this call changed it."""

    generation: Generation | None
    changed: bool
    loaded: Loaded


async def save(deps: Dependencies, key: Key, decide: Decide, loaded: Loaded | None = None) -> Saved:
    """Load, decide, commit; after a conflict, again. ``loaded`` spares the first load where it is at hand.

    Raises Unavailable when the store is, or when the account stays busy.
    """
    for tried in range(CONFLICT_TRIES):
        current = loaded or await deps.store.load(key)
        if tried == 0 and current.generation is not None:
            deps.telemetry.follow(current.generation.trace_parent)
        transition = decide(current)
        if transition is None:
            return Saved(current.generation, changed=False, loaded=current)
        try:
            after = await deps.store.commit(current, transition)
        except Conflict:
            deps.telemetry.count("darkroom.conflicts")
            loaded = None
            await deps.sleep(deps.chance() * min(_LONGEST_PAUSE_S, 0.02 * 2**tried))
        else:
            return Saved(after.generation, changed=True, loaded=after)
    raise Unavailable(Dependency.TABLES, "the account is being changed by too many at once")
