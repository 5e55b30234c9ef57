"""The only code that saves a generation.

Rules of this file:
1. Only the result of a transition (core/lifecycle) is saved. The transition is a pure function of the state just read,
   and runs again after every conflict, so it never rests on a stale state.
2. Each outside call is made between two saves. The index row is written before the first save.
3. The entry of an end that never opened is added here, and the ledger's entries are linked here, so that no transition
   can forget either.
4. The steps that a transition names are logged and counted here, after they are saved, and are kept in the history.
5. Before an account moves, it is noted that it moves today (noting.py).
6. Every caller passes what it has read (``loaded``): a second read of the same rows costs latency and money. A caller
   that needs what others have saved meanwhile calls ``reload``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeAlias

from shared.core.dependency import Dependency
from shared.core.keys import Key
from shared.core.lifecycle import opening
from shared.core.lifecycle.generation import AnyGeneration, G, G_co, Generation, Transition
from shared.core.lifecycle.receipt import receipted
from shared.core.lifecycle.steps import METRICS
from shared.core.metric import Metric
from shared.core.money.payer import Payer
from shared.ports import Conflict, Dependencies, Loaded, Unavailable
from shared.worker.noting import note_move

#: Every worker may save the same account at once. 30 tries with up to 1 s between them suffice for 200 writers.
CONFLICT_TRIES = 30
_LONGEST_PAUSE_S = 1.0

#: The transition of what may not exist, or may not have opened. None: nothing is saved.
Decide: TypeAlias = Callable[[Loaded], Transition[G] | None]

#: The transition of a generation that has opened. None: nothing applies in its state, and nothing is saved.
Step: TypeAlias = Callable[[Generation, Payer | None], Transition[Generation] | None]


@dataclass(frozen=True, slots=True)
class Changed(Generic[G_co]):
    """This call has saved a transition: the generation after it."""

    generation: G_co
    loaded: Loaded


@dataclass(frozen=True, slots=True)
class Unchanged(Generic[G_co]):
    """No transition applied: the generation as it was read."""

    generation: G_co
    loaded: Loaded


@dataclass(frozen=True, slots=True)
class Absent:
    """What the caller asked for does not exist, and was not saved.

    After ``save``: there is nothing under this key. After ``advance``: nothing has opened under it.
    """

    loaded: Loaded


async def advance(
    deps: Dependencies, key: Key, step: Step, loaded: Loaded
) -> Changed[Generation] | Unchanged[Generation] | Absent:
    """Save the transition that ``step`` returns, if the generation has opened. Raises as ``save`` does."""

    def decide(current: Loaded) -> Transition[Generation] | None:
        found = current.generation
        return step(found, payer_of(deps, current)) if isinstance(found, Generation) else None

    saved = await save(deps, key, decide, loaded)
    if isinstance(saved, Changed):
        return saved
    found = saved.loaded.generation
    return Unchanged(found, saved.loaded) if isinstance(found, Generation) else Absent(saved.loaded)


async def save(
    deps: Dependencies, key: Key, decide: Decide[G], loaded: Loaded
) -> Changed[G] | Unchanged[AnyGeneration] | Absent:
    """Decide on what the caller has loaded, and commit. After a conflict: load, decide and commit again.

    Raises Unavailable if the store is unavailable, or if every one of ``CONFLICT_TRIES`` commits had a conflict.
    """
    if loaded.generation is not None:
        deps.telemetry.follow(loaded.generation.trace_parent)
    for tried in range(CONFLICT_TRIES):
        transition = decide(loaded)
        if transition is None:
            return Absent(loaded) if loaded.generation is None else Unchanged(loaded.generation, loaded)
        transition = await _complete(deps, loaded, transition)
        if transition.account is not None:
            await note_move(deps, key.account_id)
        try:
            after = await deps.store.commit(loaded, transition)
        except Conflict:
            deps.telemetry.count(Metric.CONFLICTS)
            await deps.sleep(deps.chance() * min(_LONGEST_PAUSE_S, 0.02 * 2**tried))
            loaded = await reload(deps, key)
        else:
            _report(deps, key, transition)
            if transition.entries and deps.recent_switches.known_limits.limits:
                from shared.worker.app_limits import count  # noqa: PLC0415  # only an app with limits of its own

                await count(deps, transition.entries)
            return Changed(transition.generation, after)
    raise Unavailable(Dependency.TABLES, "the account is being changed by too many at once")


async def _complete(deps: Dependencies, loaded: Loaded, transition: Transition[G]) -> Transition[G]:
    """The transition with its history, the entry of an end that never opened, the ledger's links, and the receipt."""
    recorded = transition.recorded(loaded.generation, deps.now())
    posted = opening.posted(recorded, payer_of(deps, loaded), deps.now())
    key = await deps.names_key() if posted.entries else b""
    sealed = posted.sealed(loaded.account.head if loaded.account else "", key)
    return receipted(sealed)


def payer_of(deps: Dependencies, loaded: Loaded) -> Payer | None:
    """Who pays, with the terms of the account's plan. None if there is no account.

    A plan that is gone has no terms: what is open runs to its end, and nothing new opens (admission.py).
    """
    account = loaded.account
    if account is None:
        return None
    plan = deps.plans.find(account.plan)
    return Payer(account, loaded.user, plan.allowance, plan.limits) if plan else Payer(account, loaded.user)


def _report(deps: Dependencies, key: Key, transition: Transition[AnyGeneration]) -> None:
    """Log and count the steps that were saved."""
    for happening in transition.steps:
        deps.telemetry.step(happening.step, key, **happening.facts)
        if happening.step in METRICS:
            metric = METRICS[happening.step]
            deps.telemetry.count(metric, 1, **{label: str(happening.facts[label]) for label in metric.labels})


async def reload(deps: Dependencies, key: Key) -> Loaded:
    """Read the account and the generation again, because others may have saved them meanwhile."""
    return await deps.store.load(key)
