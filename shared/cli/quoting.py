"""Quote: what a request would cost and take, before it is sent.

Rules of this file:
1. Nothing is sent, held, screened or saved. A request that would be refused is refused with the same sentence.
2. What is not known is printed as unknown, never as a guess.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Annotated, Any

import typer

from shared.cli.context import (
    AccountToo,
    CommandContext,
    Operations,
    RefusedError,
    command_context_of,
    span_of,
    valid_key,
)
from shared.cli.printing import Amount
from shared.cli.submitting import OPTIONS, read_back, with_options
from shared.core.catalog.quoting import Basis, Estimate, Spread
from shared.core.lifecycle.opening import refusal_of
from shared.core.money.usage import usd
from shared.core.reasons import Refusal, counted
from shared.core.requests.fields import FIELD
from shared.core.requests.messages import GenerationRequest
from shared.core.values import replace
from shared.worker.saving import payer_of

#: The user of a quote that names none. It has no account, so its plan is the default one.
_NOBODY = "quote"

_BASES = {
    Basis.MEASURED: "likely USD: the mean of what was measured",
    Basis.PRICES: "likely USD: what the prices charge",
    Basis.CATALOG: "likely USD: the middle of what the catalogue says of the machine's run",
    Basis.UNKNOWN: "likely USD: unknown, as nothing was measured and the prices leave it open",
}


@with_options(OPTIONS)
def quote(  # noqa: PLR0913  # each is an option of the command
    context: typer.Context,
    prompt: Annotated[str | None, typer.Argument(help=FIELD["prompt"].help, metavar=FIELD["prompt"].unit)] = None,
    *,
    user: Annotated[str | None, typer.Option("--user", "-u", help="Whose account's plan.", metavar="USER")] = None,
    account: AccountToo = None,
    plan: Annotated[str | None, typer.Option(help="The plan, instead of that of an account.", metavar="PLAN")] = None,
    no_fallback: Annotated[bool, typer.Option("--no-fallback", help="Do not try another model if it fails.")] = False,
    since: Annotated[str, typer.Option(help="How far back is measured; 0m: nothing is read.", metavar="SPAN")] = "7d",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    **fields: Any,
) -> None:
    """Say what a request would cost and take: at least, likely, at most.

    Credits are those of a success; what fails costs none. USD is what the provider would charge you. Seconds are those
    of generations of the same model that succeeded. The exit code is 1 if the request would be refused now: by the
    model, the account's state, its credits or its limits. Nothing is screened, and the app's own limits are not asked.
    """
    key = valid_key(_NOBODY if user is None else user, "quote", account)
    request = read_back(key, {"prompt": prompt, **fields, "allow_fallback": not no_fallback})
    span = span_of(since) or None
    named = user is not None or account is not None
    asked = _Asked(request, plan, named, span, as_json)
    command_context = command_context_of(context)
    command_context.do(partial(_quote, command_context, asked))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked on the command line. ``named``: whose request it would be was named."""

    request: GenerationRequest
    plan: str | None
    named: bool
    span: timedelta | None
    as_json: bool


async def _quote(context: CommandContext, asked: _Asked, operations: Operations) -> int:
    from shared.worker.quoting import estimate_request  # noqa: PLC0415  # no other command needs it

    deps, plan = operations.deps, asked.plan
    if plan is not None and plan not in deps.plans:
        raise RefusedError(f"No plan is named {plan!r}; plans are {', '.join(deps.plans)}")
    chosen = plan if asked.named or plan is not None else deps.plans.default
    found = await estimate_request(deps, operations.store, asked.request, chosen, asked.span)
    refusal: Refusal | None
    if isinstance(found, Refusal):
        refusal = found
    else:
        refusal = await _refusal(operations, asked.request, found, plan) if asked.named else None
        _show(context, found, asked.span, refusal, as_json=asked.as_json)
    if refusal is not None:
        context.screen.complain(f"{refusal.reason}: {refusal.text}")
    return int(refusal is not None)


async def _refusal(
    operations: Operations, request: GenerationRequest, found: Estimate, plan: str | None
) -> Refusal | None:
    """Why its account could not pay for the request now; None if it could. It only reads."""
    deps = operations.deps
    payer = payer_of(deps, await operations.store.load(request.key))
    other = None if plan is None else deps.plans.find(plan)
    if payer is not None and other is not None:
        payer = replace(payer, limits=other.limits)
    return refusal_of(request, payer, found.quote, deps.now())


def _show(
    context: CommandContext, found: Estimate, span: timedelta | None, refusal: Refusal | None, *, as_json: bool
) -> None:
    quoted = found.quote
    if as_json:
        why = {"reason": refusal.reason.value, "text": refusal.text} if refusal else None
        context.screen.json({**_as_json(found), "refusal": why})
        return
    context.screen.facts(
        [
            ("model", f"{quoted.model.name}, by {quoted.chosen_by}"),
            ("plan", quoted.plan),
            ("outputs", str(quoted.outputs)),
            ("may be served by", ", ".join(quoted.chain[1:])),
            ("passed over", ", ".join(f"{each.model} ({each.reason})" for each in quoted.passed_over)),
            ("not used", ", ".join(quoted.ignored_fields)),
        ]
    )
    context.screen.say("")
    context.screen.table(
        ("", "AT LEAST", "LIKELY", "AT MOST"),
        [
            _row("credits", found.credits, str),
            _row("USD", found.usd_micros, usd),
            _row("seconds", found.seconds, str),
        ],
    )
    measured = f"measured: {counted(found.measured, 'generation')}" if span else "measured: nothing was read"
    context.screen.complain(f"{_BASES[found.basis]}; {measured}")


def _row(name: str, spread: Spread, shown: Callable[[int], str]) -> tuple[str, ...]:
    cells = (spread.least, spread.likely, spread.most)
    return name, *(Amount("unknown" if each is None else shown(each)) for each in cells)


def _as_json(found: Estimate) -> dict[str, Any]:
    quoted = found.quote

    def spread(each: Spread) -> dict[str, int | None]:
        return {"least": each.least, "likely": each.likely, "most": each.most}

    return {
        "model": quoted.model.name,
        "chosen_by": quoted.chosen_by.value,
        "plan": quoted.plan,
        "outputs": quoted.outputs,
        "chain": list(quoted.chain),
        "passed_over": [{"model": each.model, "reason": each.reason} for each in quoted.passed_over],
        "ignored_fields": list(quoted.ignored_fields),
        "credits": spread(found.credits),
        "usd_micros": spread(found.usd_micros),
        "seconds": spread(found.seconds),
        "basis": found.basis.value,
        "measured_generations": found.measured,
    }
