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
from functools import partial
from typing import Any, Generic, TypeAlias

from shared.core.keys import Key
from shared.core.lifecycle import opening
from shared.core.lifecycle.generation import AnyGeneration, G, G_co, Generation, Transition
from shared.core.lifecycle.receipt import receipted
from shared.core.lifecycle.steps import METRICS
from shared.core.money.payer import Payer
from shared.ports import Dependencies, Fate, Loaded, PendingMove, Saved, Unavailable
from shared.worker.grouping import CONFLICT_TRIES, pause, save_alone, save_move, too_many

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
    alone = False
    for tried in range(CONFLICT_TRIES):
        transition = decide(loaded)
        if transition is None:
            return Absent(loaded) if loaded.generation is None else Unchanged(loaded.generation, loaded)
        posted = _posted(deps, loaded, transition)
        names = await deps.names_key() if posted.entries else b""
        mine = PendingMove(key, loaded, partial(_decided, deps, decide, names))
        ready = _sealed(loaded, posted, names)
        if alone or ready.account is None or ready.mark is not None:
            answer = await save_alone(deps, mine, ready)
        else:
            answer = await save_move(deps, mine, ready, first=tried == 0)
        if isinstance(answer, Saved):
            return await _changed(deps, answer)
        if isinstance(answer, Unavailable):
            raise answer
        if answer is Fate.LOST:
            await pause(deps, tried)
        loaded = await reload(deps, key)
        if answer is Fate.ALONE:
            alone = True
            if mine.prepared is not None and loaded.generation == mine.prepared.generation:
                return await _changed(deps, Saved(mine.prepared, loaded))
    raise too_many()


def _decided(deps: Dependencies, decide: Decide[G], names: bytes, loaded: Loaded) -> Transition[G] | None:
    """What is to be saved on these rows, complete."""
    transition = decide(loaded)
    return transition and _sealed(loaded, _posted(deps, loaded, transition), names)


def _posted(deps: Dependencies, loaded: Loaded, transition: Transition[G]) -> Transition[G]:
    """The transition with its history, and the entry of an end that never opened."""
    recorded = transition.recorded(loaded.generation, deps.now())
    return opening.posted(recorded, payer_of(deps, loaded), deps.now())


def _sealed(loaded: Loaded, posted: Transition[G], names: bytes) -> Transition[G]:
    """The transition with the ledger's links, and the receipt."""
    return receipted(posted.sealed(loaded.account.head if loaded.account else "", names))


async def _changed(deps: Dependencies, saved: Saved) -> Changed[Any]:
    """Report what this call's move has done. It was saved by this call, or by another one in a group."""
    _report(deps, saved.transition)
    if saved.transition.entries and deps.recent_switches.known_limits.limits:
        from shared.worker.app_limits import count  # noqa: PLC0415  # only an app with limits of its own

        await count(deps, saved.transition.entries)
    return Changed(saved.transition.generation, saved.after)


def payer_of(deps: Dependencies, loaded: Loaded) -> Payer | None:
    """Who pays, with the terms of the account's plan. None if there is no account.

    A plan that is gone has no terms: what is open runs to its end, and nothing new opens (quotes.py).
    """
    account = loaded.account
    if account is None:
        return None
    plan = deps.plans.find(account.plan)
    return Payer(account, loaded.user, plan.allowance, plan.limits) if plan else Payer(account, loaded.user)


def _report(deps: Dependencies, transition: Transition[AnyGeneration]) -> None:
    """Log and count the steps that were saved."""
    for happening in transition.steps:
        deps.telemetry.step(happening.step, transition.generation.key, **happening.facts)
        if happening.step in METRICS:
            metric = METRICS[happening.step]
            deps.telemetry.count(metric, 1, **{label: str(happening.facts[label]) for label in metric.labels})


async def reload(deps: Dependencies, key: Key) -> Loaded:
    """Read the account and the generation again, because others may have saved them meanwhile."""
    return await deps.store.load(key)
