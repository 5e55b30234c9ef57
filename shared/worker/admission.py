"""Whether a request may open, and the hold with which it does: the three phases before its create.

Rules of this file:
1. Whatever may refuse a request for nothing comes first: the catalogue, the account, then the screeners, which cost.
2. What was refused before it was screened stays refused, whatever changes until it is saved (a new day has a new
   limit): nobody has looked at it.
3. A request is quoted once. It is quoted again when it is saved, if the account has another plan by then.
4. The index row stands before the hold is saved: what opens is then found by the timer, whoever dies.
"""

from dataclasses import dataclass

from shared.core.catalog.catalog import Quote, quote
from shared.core.lifecycle import opening
from shared.core.lifecycle.generation import Transition
from shared.core.money.ledger import Account, plan_of
from shared.core.reasons import Refusal
from shared.core.requests.messages import GenerationRequest
from shared.core.safety.screening_record import ScreeningRecord
from shared.ports import Dependencies, Loaded
from shared.worker.open_index import open_row
from shared.worker.saving import Progress, save
from shared.worker.screening import screen_request, with_records


@dataclass(frozen=True, slots=True)
class Admission:
    """A request on its way to open: by which quote, or why it does not. ``records`` say what was screened of it."""

    message: GenerationRequest
    quoted: Quote | Refusal
    records: tuple[ScreeningRecord, ...] = ()


def admit(deps: Dependencies, message: GenerationRequest, account: Account | None) -> Admission:
    """Phase 1: quote the request, and see whether the account could hold for it now."""
    quoted = quote(deps.catalog, message, plan_of(account))
    return Admission(message, opening.refusal_of(message, account, quoted, deps.now()) or quoted)


async def screen(deps: Dependencies, admitted: Admission) -> Admission:
    """Phase 2: screen what the user wrote and sent. What goes on has a reference to our copy of the input image."""
    quoted = admitted.quoted
    if isinstance(quoted, Refusal):
        return admitted
    screened = await screen_request(deps, admitted.message, quoted, quoted.plan)
    return Admission(screened.message, screened.refusal or quoted, screened.records)


async def reserve(deps: Dependencies, screened: Admission, loaded: Loaded) -> Progress:
    """Phase 3: save the generation with its hold, or that it was refused; nothing where it is open by then."""
    message, quoted, seed = screened.message, screened.quoted, deps.new_seed()
    await open_row(deps, message.key, quoted.model.expected_s if isinstance(quoted, Quote) else 0)

    def decide(current: Loaded) -> Transition | None:
        if not opening.unopened(current.generation):
            return None
        opened = opening.opened(
            message,
            current.account,
            deps.catalog,
            _quote_for(deps, screened, current.account),
            seed=seed,
            now=deps.now(),
            trace_parent=deps.telemetry.trace_parent(),
        )
        return with_records(opened, screened.records)

    return await save(deps, message.key, decide, loaded)


def _quote_for(deps: Dependencies, screened: Admission, account: Account | None) -> Quote | Refusal:
    """The quote for the account as it is when it is saved."""
    if isinstance(screened.quoted, Refusal) or screened.quoted.plan is plan_of(account):
        return screened.quoted
    return quote(deps.catalog, screened.message, plan_of(account))
