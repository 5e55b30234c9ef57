"""The quote of a request that has not opened.

Rules of this file:
1. A request is quoted once. Who needs its quote is handed the one that was made before, because a second one costs as
   much as the first, and could differ.
2. A quote holds for the plan that it was made for. If the account has another plan by now, it is made anew. A refusal
   holds whatever the plan is.
3. A request of an account whose plan is in the plans no more waits, as for a dependency that is down. Another plan in
   its place could be too much or too little, and a refusal would lose a request over the operator's mistake.
"""

from shared.core.catalog.choosing import Quote, quote
from shared.core.dependency import Dependency
from shared.core.money.account import plan_of
from shared.core.money.payer import Payer
from shared.core.money.plans import Plan
from shared.core.reasons import Refusal
from shared.core.requests.messages import GenerationRequest
from shared.ports import Dependencies, Loaded, Unavailable
from shared.worker.versions import with_own_version


def quote_for(
    deps: Dependencies, message: GenerationRequest, payer: Payer | None, before: Quote | Refusal | None = None
) -> Quote | Refusal:
    """The quote for the plan that the account has: ``before``, if it holds. Raises Unavailable (rule 3)."""
    if isinstance(before, Refusal):
        return before
    plan = _plan(deps, payer)
    return before if before and before.plan == plan.name else quote(deps.catalog, message, plan)


async def quoted_now(deps: Dependencies, request: GenerationRequest, loaded: Loaded) -> Quote | Refusal | None:
    """The quote of a request as it was loaded. None: no plan has the name of its account's."""
    plan = deps.plans.find(plan_of(loaded.account))
    deps = await with_own_version(deps, request, loaded)
    return quote(deps.catalog, request, plan) if plan else None


def _plan(deps: Dependencies, payer: Payer | None) -> Plan:
    """The account's plan. Raises Unavailable if no plan has its name."""
    name = plan_of(payer.account if payer else None)
    plan = deps.plans.find(name)
    if plan is None:
        raise Unavailable(Dependency.PLANS, f"no plan is named {name!r}; plans are {', '.join(deps.plans)}")
    return plan
