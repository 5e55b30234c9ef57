"""Usage: generations, credits and cost, by user and model.

Rules of this file:
1. Rows are read and summed one by one. Memory holds only one sum for each user and model.
2. A generation counts by the time at which it was opened. That time never changes, so a report of a past span stays the
   same. An open generation is counted too, with nothing captured yet.
3. The report is what `usage` does without a further word. Its options do not go with one.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from shared.cli.context import (
    CommandContext,
    Operations,
    RefusedError,
    command_context_of,
    span_of,
    valid_account,
    valid_id,
)
from shared.cli.printing import Amount
from shared.cli.usage_by_day import by_day_json, show_by_day
from shared.cli.usage_reconcile import reconcile
from shared.core.catalog.shortfall import nearest_names
from shared.core.keys import user_named
from shared.core.money.earnings import Earnings
from shared.core.money.usage import Sum, Usage, User, usd
from shared.core.reasons import counted
from shared.views.times import moment

#: The model of a generation that was refused before a model was called.
_NO_MODEL = "-"

_HEADS = ("GENERATIONS", "SUCCEEDED", "OUTPUTS", "CREDITS", "COST USD")

_Since = Annotated[
    str | None,
    typer.Option("--since", help="Opened within this span, such as 90m, 12h, 7d, 4w; default: all.", metavar="SPAN"),
]

_User = Annotated[str | None, typer.Option("--user", "-u", help="One user only.", metavar="USER")]
_Account = Annotated[
    str | None,
    typer.Option(
        "--account", "-a", help="One account only; with --user, default: that of the user's id.", metavar="ACCOUNT"
    ),
]
_Model = Annotated[str | None, typer.Option("--model", "-m", help="One model only.", metavar="MODEL")]


usage = typer.Typer(
    help="Sum up credits and cost; compare the cost with a bill.",
    invoke_without_command=True,
    rich_markup_mode=None,
)
usage.command("reconcile")(reconcile)


@usage.callback()
def report(
    context: typer.Context,
    user: _User = None,
    account: _Account = None,
    model: _Model = None,
    since: _Since = None,
    by_day: Annotated[
        bool, typer.Option("--by-day", help="By day and model: the cost of one against what its credits brought.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Sum up generations, credits and the provider's cost.

    Credits are captured credits. The cost is an estimate from the catalogue's prices and the provider's measurements.
    The cost of all attempts counts for the model of the last one. Without --user and --account the whole table is read.
    """
    if context.invoked_subcommand is not None:
        if by_day or as_json or (user, account, model, since) != (None,) * 4:
            raise typer.BadParameter(f"options of usage do not go with {context.invoked_subcommand}")
        return
    asked = _Asked(user, _account_of(user, account), model, span_of(since) if since is not None else None)
    command_context = command_context_of(context)
    command_context.do(lambda operations: _report(command_context, operations, asked, by_day=by_day, as_json=as_json))


@dataclass(frozen=True, slots=True)
class _Asked:
    user: str | None
    account: str | None
    model: str | None
    span: timedelta | None


async def _report(
    context: CommandContext, operations: Operations, asked: _Asked, *, by_day: bool, as_json: bool
) -> int:
    after = operations.deps.now() - asked.span if asked.span is not None else None
    # A model that has left the catalogue is still found by the name under which it was booked.
    known = operations.deps.catalog.find(asked.model) if asked.model else None
    name = known.name if known else asked.model or ""
    if asked.model is not None and not name:
        raise RefusedError("--model must be the name of a model, or be left out.")
    sums, earnings = Usage(), Earnings()
    async for used in operations.store.used(asked.account or "", asked.user or "", name, after):
        sums.add(used)
        if by_day:
            earnings.add(used)
    credit = operations.deps.catalog.credit_usd_micros
    if as_json:
        answer = {"credit_usd_micros": credit or None, "by_day": by_day_json(earnings, credit)} if by_day else None
        context.screen.json({"since": after.isoformat() if after else None, **(answer or _as_json(sums))})
        return 0
    number = sums.total().generations
    if not number:
        await _expect_known(context, operations, asked.account, "" if known else name)
    elif by_day:
        show_by_day(context.screen, earnings, credit)
    else:
        _show(context, sums)
    context.screen.complain(_count_sentence(number, after))
    return 0


def _account_of(user: str | None, account: str | None) -> str | None:
    """The account to report on, or None for all. Raises typer.BadParameter."""
    if user is not None:
        valid_id("the user", user)
    return valid_account(account) or user


def _count_sentence(number: int, after: datetime | None) -> str:
    """How many generations were opened since then, as a sentence."""
    were, since_then = "was" if number < 2 else "were", f" since {moment(after)}" if after else ""
    sentence = f"{counted(number, 'generation') if number else 'no generation'} {were} opened{since_then}."
    return sentence[0].upper() + sentence[1:]


async def _expect_known(
    command_context: CommandContext, operations: Operations, account: str | None, model: str
) -> None:
    """Raise RefusedError if the model or the account does not exist: the name may be a typing error."""
    if model:
        offered = {each.name: each.target.partition(":")[0] for each in operations.deps.catalog.models.values()}
        near = nearest_names(model, offered)
        hint = f" The nearest names are {' and '.join(near)}." if near else ""
        raise RefusedError(f"There is no model {model!r}, and nothing was booked under that name.{hint}")
    if account is not None and (await operations.store.load_account(account))[0] is None:
        raise RefusedError(
            f"There is no account {account!r}, and no generation. See: {command_context.program} account --help"
        )


def _show(command_context: CommandContext, sums: Usage) -> None:
    command_context.screen.table(
        ("USER", "MODEL", *_HEADS),
        [(user_named(*user), model or _NO_MODEL, *_cells(each)) for user, model, each in sums.by_user_and_model()],
    )
    command_context.screen.say("")
    command_context.screen.table(
        ("MODEL", *_HEADS), [(model or _NO_MODEL, *_cells(each)) for model, each in sums.by_model().items()]
    )
    command_context.screen.say("")
    rows = [(user_named(*user), *_cells(each)) for user, each in sums.by_user().items()]
    # An id begins with a letter or a digit, so no id is this text.
    command_context.screen.table(("USER", *_HEADS), [*rows, ("(all)", *_cells(sums.total()))])


def _cells(each: Sum) -> tuple[int | str, ...]:
    return (each.generations, each.succeeded, each.outputs, each.captured_credits, Amount(usd(each.cost_usd_micros)))


def _as_json(sums: Usage) -> dict[str, Any]:
    return {
        "by_user_and_model": [
            {**_ids(user), "model": model or None, **_fields(each)} for user, model, each in sums.by_user_and_model()
        ],
        "by_model": [{"model": model or None, **_fields(each)} for model, each in sums.by_model().items()],
        "by_user": [{**_ids(user), **_fields(each)} for user, each in sums.by_user().items()],
        "total": _fields(sums.total()),
    }


def _ids(user: User) -> dict[str, str]:
    account_id, user_id = user
    return {"account_id": account_id, "user_id": user_id}


def _fields(each: Sum) -> dict[str, int]:
    return {
        "generations": each.generations,
        "succeeded": each.succeeded,
        "outputs": each.outputs,
        "captured_credits": each.captured_credits,
        "cost_usd_micros": each.cost_usd_micros,
    }
