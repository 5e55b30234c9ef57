"""Whether a request may open, and its hold: the three phases before the create.

Rules of this file:
1. Checks that cost nothing come first: the catalogue, then the account. The screeners cost money and come last.
2. A request that was refused before screening stays refused, even if a new day has a new limit by the time it is
   saved: it was never screened.
3. A request is quoted once. It is quoted again when it is saved only if the account's plan has changed.
4. The index row is written before the hold is saved. If the worker crashes in between, the timer finds the row.
5. A request of an account whose plan is in the plans no more waits, as for a dependency that is down. Another plan in
   its place could be too much or too little, and a refusal would lose a request over the operator's mistake.
"""

from dataclasses import dataclass

from shared.core.catalog.catalog import Quote, quote
from shared.core.dependency import Dependency
from shared.core.lifecycle import opening
from shared.core.lifecycle.generation import AnyGeneration, Closed, Generation, Transition
from shared.core.money.account import plan_of
from shared.core.money.payer import Payer
from shared.core.money.plans import Plan
from shared.core.reasons import Refusal
from shared.core.requests.messages import GenerationRequest
from shared.core.safety.screening_record import ScreeningRecord
from shared.ports import Dependencies, Loaded, Unavailable
from shared.worker.clashes import clashes
from shared.worker.open_index import open_row
from shared.worker.saving import Absent, Changed, Unchanged, payer_of, save
from shared.worker.screening import screen_request, with_records


@dataclass(frozen=True, slots=True)
class Admission:
    """A request on its way to open: its quote or its refusal, and the records of what was screened."""

    message: GenerationRequest
    quoted: Quote | Refusal
    records: tuple[ScreeningRecord, ...] = ()


def admit(deps: Dependencies, message: GenerationRequest, payer: Payer | None) -> Admission:
    """Phase 1: quote the request, and check whether the account can hold the credits now."""
    quoted = quote(deps.catalog, message, _plan(deps, payer))
    return Admission(message, opening.refusal_of(message, payer, quoted, deps.now()) or quoted)


async def screen(deps: Dependencies, admitted: Admission) -> Admission:
    """Phase 2: screen the user's texts and input. The message returned refers to the app's copy of the input image."""
    quoted = admitted.quoted
    if isinstance(quoted, Refusal):
        return admitted
    screened = await screen_request(deps, admitted.message, quoted, quoted.plan)
    return Admission(screened.message, screened.refusal or quoted, screened.records)


async def reserve(
    deps: Dependencies, screened: Admission, loaded: Loaded
) -> Changed[Generation | Closed] | Unchanged[AnyGeneration] | Absent:
    """Phase 3: save the generation with its hold, or its refusal; nothing if it was opened or closed meanwhile."""
    message, quoted, seed = screened.message, screened.quoted, deps.new_seed()
    await open_row(deps, message.key, quoted.model.expected_s if isinstance(quoted, Quote) else 0)

    def decide(current: Loaded) -> Transition[Generation | Closed] | None:
        before = current.generation
        if isinstance(before, Generation | Closed) or clashes(before, message.digest):
            return None
        payer = payer_of(deps, current)
        opened = opening.opened(
            message,
            payer,
            deps.catalog,
            _quote_for(deps, screened, payer),
            seed=seed,
            now=deps.now(),
            before=before,
            trace_parent=deps.telemetry.trace_parent(),
        )
        return with_records(opened, screened.records)

    return await save(deps, message.key, decide, loaded)


def _quote_for(deps: Dependencies, screened: Admission, payer: Payer | None) -> Quote | Refusal:
    """The quote for the plan that the account has when the generation is saved."""
    if isinstance(screened.quoted, Refusal) or screened.quoted.plan == _plan(deps, payer).name:
        return screened.quoted
    return quote(deps.catalog, screened.message, _plan(deps, payer))


def _plan(deps: Dependencies, payer: Payer | None) -> Plan:
    """The account's plan. Raises Unavailable if no plan has its name (rule 5)."""
    name = plan_of(payer.account if payer else None)
    plan = deps.plans.find(name)
    if plan is None:
        raise Unavailable(Dependency.PLANS, f"no plan is named {name!r}; plans are {', '.join(deps.plans)}")
    return plan
