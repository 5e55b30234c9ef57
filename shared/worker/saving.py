"""The only place that saves a generation.

Rules of this file:
1. What is saved is what a transition (core/lifecycle) returned for the state as it was just read: the
   decision is a pure function, made again after every conflict, so it never rests on something stale.
2. An outside call sits between two saves; the index row stands before the first of them.
3. What a transition says has happened is logged and counted here, once it is saved, and goes into the history.
4. Every caller says what it has read (``loaded``): a second read of the same thing is latency and money. Who wants what
   others have saved meanwhile says ``reload``.
"""

from collections.abc import Callable
from dataclasses import dataclass

from shared.core.dependency import Dependency
from shared.core.keys import Key
from shared.core.lifecycle.generation import Generation, Transition
from shared.core.lifecycle.steps import METRICS
from shared.core.money.ledger import Account
from shared.ports import Conflict, Dependencies, Loaded, Unavailable

#: One account may be wanted by every worker at once. 30 tries with up to 1 s between them outlast 200 rivals.
CONFLICT_TRIES = 30
_LONGEST_PAUSE_S = 1.0

#: What becomes of a generation that may not be there.
Decide = Callable[[Loaded], Transition | None]

#: What becomes of a generation that is there. None: there is nothing to say to it in its state.
Step = Callable[[Generation, Account | None], Transition | None]


@dataclass(frozen=True, slots=True)
class Changed:
    """This call has saved a step: the generation after it."""

    generation: Generation
    loaded: Loaded


@dataclass(frozen=True, slots=True)
class Unchanged:
    """There was nothing to say to the generation: it stands as it was read."""

    generation: Generation
    loaded: Loaded


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no generation."""

    loaded: Loaded


Progress = Changed | Unchanged | Absent


async def advance(deps: Dependencies, key: Key, step: Step, loaded: Loaded) -> Progress:
    """Save the step that a generation takes, if it is there and takes one. Raises as ``save`` does."""

    def decide(current: Loaded) -> Transition | None:
        return None if current.generation is None else step(current.generation, current.account)

    return await save(deps, key, decide, loaded)


async def save(deps: Dependencies, key: Key, decide: Decide, loaded: Loaded) -> Progress:
    """Decide and commit, on what the caller has loaded; after a conflict load, decide and commit again.

    Raises Unavailable when the store is, or when the account stays busy.
    """
    if loaded.generation is not None:
        deps.telemetry.follow(loaded.generation.trace_parent)
    for tried in range(CONFLICT_TRIES):
        transition = decide(loaded)
        if transition is None:
            return Absent(loaded) if loaded.generation is None else Unchanged(loaded.generation, loaded)
        transition = transition.recorded(loaded.generation, deps.now())
        try:
            after = await deps.store.commit(loaded, transition)
        except Conflict:
            deps.telemetry.count("darkroom.conflicts")
            await deps.sleep(deps.chance() * min(_LONGEST_PAUSE_S, 0.02 * 2**tried))
            loaded = await reload(deps, key)
        else:
            _report(deps, key, transition)
            return Changed(transition.generation, after)
    raise Unavailable(Dependency.TABLES, "the account is being changed by too many at once")


def _report(deps: Dependencies, key: Key, transition: Transition) -> None:
    """Log and count the steps that were saved."""
    for happening in transition.steps:
        deps.telemetry.step(happening.step, key, **happening.facts)
        if happening.step in METRICS:
            metric, labels = METRICS[happening.step]
            deps.telemetry.count(metric, 1, **{label: str(happening.facts[label]) for label in labels})


async def reload(deps: Dependencies, key: Key) -> Loaded:
    """Read the account and the generation as they are now, because others may have saved them meanwhile."""
    return await deps.store.load(key)
