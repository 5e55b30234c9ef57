"""What a request would cost and take, for programs and the command line. Nothing is held, screened or created.

It is not imported with the message handler, which does not need it.
"""

from datetime import timedelta

from shared.core.catalog.choosing import quote
from shared.core.catalog.quoting import Estimate, Measured, estimate
from shared.core.dependency import Dependency
from shared.core.money.account import plan_of
from shared.core.reasons import Refusal
from shared.core.requests.messages import GenerationRequest
from shared.ports import Dependencies, Records, Unavailable

#: How far back is measured: longer than a weekend, and not so long that a model's old speed counts.
MEASURED_SPAN = timedelta(days=7)


async def estimate_request(
    deps: Dependencies,
    records: Records,
    request: GenerationRequest,
    plan: str | None = None,
    span: timedelta | None = MEASURED_SPAN,
) -> Estimate | Refusal:
    """What a request would cost and take, on this plan or on that of its account; or why it would be refused.

    ``span`` is how far back is measured, over all accounts. None: nothing is read, and nothing is measured.
    Raises Unavailable if no plan has the name.
    """
    if plan is None:
        account, _ = await records.load_account(request.key.account_id)
        plan = plan_of(account)
    chosen = deps.plans.find(plan)
    if chosen is None:
        raise Unavailable(Dependency.PLANS, f"no plan is named {plan!r}; plans are {', '.join(deps.plans)}")
    quoted = quote(deps.catalog, request, chosen)
    if isinstance(quoted, Refusal):
        return quoted
    measured = Measured(quoted.model)
    if span is not None:
        async for used in records.used(model=quoted.model.name, since=deps.now() - span):
            measured.add(used)
    return estimate(deps.catalog, request, quoted, measured)
