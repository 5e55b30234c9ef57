"""Whether a request may open, and its hold: the three phases before the create.

Rules of this file:
1. Checks that cost nothing come first: the catalogue, then the account. The screeners cost money and come last.
2. A request that was refused before screening stays refused, even if a new day has a new limit by the time it is
   saved: it was never screened.
3. A request is quoted once. It is quoted again when it is saved only if the account's plan has changed (quotes.py).
4. The index row is written before the hold is saved. If the worker crashes in between, the timer finds the row.
5. The app's limits are checked with the account's, by what all instances use together (app_limits.py).
6. A limit that asks for an approval refuses nothing: the request is screened, and then waits with its records and its
   copied input. When it is approved, everything is checked again, but it is screened again only if the policy or the
   account's plan has changed.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.core.catalog.choosing import Quote
from shared.core.lifecycle import approving, opening
from shared.core.lifecycle.generation import AnyGeneration, Closed, Generation, Received, Transition
from shared.core.money.limits import Exceeded
from shared.core.money.payer import Payer, to_approve
from shared.core.reasons import Refusal
from shared.core.requests.messages import GenerationRequest
from shared.core.safety.screening_record import ScreeningRecord
from shared.core.values import replace
from shared.ports import Dependencies, Loaded
from shared.worker.clashes import clashes
from shared.worker.looking import waits_for_turn
from shared.worker.open_index import open_row
from shared.worker.quotes import quote_for
from shared.worker.saving import Absent, Changed, Unchanged, payer_of, save
from shared.worker.screening import screen_request, with_records

if TYPE_CHECKING:
    from shared.worker.app_limits import Gate


@dataclass(frozen=True, slots=True)
class Admission:
    """A request on its way to open: its quote or its refusal, and the records of what was screened."""

    message: GenerationRequest
    quoted: Quote | Refusal
    records: tuple[ScreeningRecord, ...] = ()


def admit(
    deps: Dependencies, message: GenerationRequest, payer: Payer | None, before: Quote | Refusal | None = None
) -> Admission:
    """Phase 1: quote the request, and check whether the account can hold the credits now.

    ``before`` is its quote, if it was quoted before.
    """
    quoted = quote_for(deps, message, payer, before)
    return Admission(message, opening.refusal_of(message, payer, quoted, deps.now()) or quoted)


async def admit_to_app(deps: Dependencies, admitted: Admission, payer: Payer | None) -> Admission:
    """Check what was admitted against the app's limits too, if it has any."""
    quoted = admitted.quoted
    if isinstance(quoted, Refusal):
        return admitted
    await deps.recent_switches.limits(deps.switches, deps.now())
    gate = await _gate(deps, admitted)
    if gate is None:
        return admitted
    refusal = opening.refusal_of(admitted.message, gate.payer(payer), quoted, deps.now())
    if refusal:
        gate.count_closed(quoted.cost)
    return replace(admitted, quoted=refusal or quoted)


async def _gate(deps: Dependencies, admission: Admission) -> "Gate | None":
    """The app's limits for a request that may open. None if the app has none.

    The limits are those that were read before the screening, and the tallies are at most 5 s old.
    """
    found = deps.recent_switches.known_limits
    if isinstance(admission.quoted, Refusal) or not found.limits:
        return None
    from shared.worker.app_limits import gate_for  # noqa: PLC0415  # only an app with limits of its own needs it

    return await gate_for(deps, found.limits, admission.message.key)


async def screen(deps: Dependencies, admitted: Admission, before: Received | None = None) -> Admission:
    """Phase 2: screen the user's texts and input. The message returned refers to the app's copy of the input image.

    ``before`` is what waited for an approval: its verdicts hold as long as policy and plan are the same.
    """
    quoted = admitted.quoted
    if isinstance(quoted, Refusal):
        return replace(admitted, records=before.screenings if before else ())
    if before and all((each.policy, each.plan) == (deps.policy.version, quoted.plan) for each in before.screenings):
        return replace(admitted, records=before.screenings)
    screened = await screen_request(deps, admitted.message, quoted, quoted.plan)
    records = (*(before.screenings if before else ()), *screened.records)
    return Admission(screened.message, screened.refusal or quoted, records)


async def reserve(
    deps: Dependencies, screened: Admission, loaded: Loaded, *, has_row: bool
) -> Changed[AnyGeneration] | Unchanged[AnyGeneration] | Absent:
    """Phase 3: save the generation with its hold, or its refusal, or what it waits for.

    Nothing is saved if it was opened, closed or parked meanwhile, or waits for the same approval already. ``has_row``:
    its row in the open index is there, and has its turn. What waits for an approval has none.
    """
    gate, message, quoted = await _gate(deps, screened), screened.message, screened.quoted
    waits = isinstance(loaded.generation, Received | None) and _exceeded(
        screened, _payer(deps, loaded, gate), loaded.generation, quoted, deps.now()
    )
    expected_s = quoted.model.expected_s if isinstance(quoted, Quote) else 0
    if waits or not has_row:
        await open_row(deps, message.key, expected_s, loaded.generation)
    seed = deps.new_seed()

    def decide(current: Loaded) -> Transition[AnyGeneration] | None:
        if waits_for_turn(current.generation) and current.generation_etag != loaded.generation_etag:
            return None
        return _decided(deps, screened, current, gate, seed)

    if gate is None or isinstance(quoted, Refusal):
        return await save(deps, message.key, decide, loaded)
    try:
        saved = await save(deps, message.key, decide, loaded)
    finally:
        gate.take_back()
    if isinstance(saved, Changed):
        await gate.follow_up(saved.generation, quoted.cost)
    return saved


def _decided(
    deps: Dependencies, screened: Admission, current: Loaded, gate: "Gate | None", seed: int
) -> Transition[AnyGeneration] | None:
    """The opening, the refusal or the wait, as the account is now."""
    message, before = screened.message, current.generation
    if isinstance(before, Generation | Closed) or clashes(before, message.digest):
        return None
    payer = _payer(deps, current, gate)
    quoted = quote_for(deps, message, payer, screened.quoted)
    exceeded = _exceeded(screened, payer, before, quoted, deps.now())
    if exceeded and isinstance(quoted, Quote):
        waiting = _asked(deps, message, before, exceeded, quoted)
        return with_records(waiting, screened.records) if waiting else None
    opened = opening.opened(
        message,
        payer,
        deps.catalog,
        quoted,
        seed=seed,
        now=deps.now(),
        before=before,
        trace_parent=deps.telemetry.trace_parent(),
    )
    if gate and isinstance(opened.generation, Generation) and isinstance(quoted, Quote):
        gate.reserve(quoted.cost)
    return with_records(opened, screened.records)


def _payer(deps: Dependencies, loaded: Loaded, gate: "Gate | None") -> Payer | None:
    payer = payer_of(deps, loaded)
    return gate.payer(payer) if gate else payer


async def approval_needed(
    deps: Dependencies, found: Received, loaded: Loaded, quoted: Quote | Refusal
) -> Exceeded | None:
    """The limit past which a request that waits needs an approval now, if it still does."""
    await deps.recent_switches.limits(deps.switches, deps.now())
    gate = await _gate(deps, Admission(found.request, quoted))
    payer = _payer(deps, loaded, gate)
    if payer is None or isinstance(quoted, Refusal):
        return None
    approvals = found.approval.approvals if found.approval else ()
    return to_approve(payer, quoted.cost, found.key, deps.now(), approvals)


def _exceeded(
    screened: Admission, payer: Payer | None, before: Received | None, quoted: Quote | Refusal, now: datetime
) -> Exceeded | None:
    """The limit past which this needs an approval that it does not have. None if it is refused anyway."""
    if payer is None or isinstance(quoted, Refusal):
        return None
    approvals = before.approval.approvals if before and before.approval else ()
    exceeded = to_approve(payer, quoted.cost, screened.message.key, now, approvals)
    return None if exceeded and opening.refusal_of(screened.message, payer, quoted, now) else exceeded


def _asked(
    deps: Dependencies, message: GenerationRequest, before: Received | None, exceeded: Exceeded, quoted: Quote
) -> Transition[Received] | None:
    """The wait for an approval. Asked again, it ends when the first one would have."""
    now, asked = deps.now(), before.approval if before else None
    until = asked.until if asked else now + timedelta(seconds=deps.limits.approve_within_s)
    return approving.asked(
        message,
        before,
        exceeded,
        quoted.cost.credits,
        now=now,
        until=until,
        trace_parent=deps.telemetry.trace_parent(),
    )
