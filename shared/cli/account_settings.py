"""account: show, statement, ledger, verify, erase-names, set, plan, limits, suspend, reactivate, revoke, refund.

Rules of this file:
1. Everything can be set without granting a credit, and taken away again. Each command is an entry of the ledger with
   who gave it and why; the same --id twice is one command.
2. What is shown has reckoned in what is due (allowance, expiry), and saves nothing.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import uuid4

import typer
from typer.core import TyperGroup

from shared import worker
from shared.cli import ledgers
from shared.cli.account_view import AccountId, show, sums_of
from shared.cli.accounts import amount_of
from shared.cli.context import (
    Operations,
    RefusedError,
    command_context_of,
    operator_name,
    valid_account,
    valid_id,
    valid_key,
)
from shared.core.money.account import Account
from shared.core.money.allowance import Becomes
from shared.core.money.credits import MOST_CREDITS, MOST_USD_MICROS
from shared.core.money.limits import Effect, Limit, Scope, Unit
from shared.core.money.settings import Settings
from shared.core.money.windows import Span
from shared.worker.accounts import Command


class _ShowsByDefault(TyperGroup):
    """``account ACCOUNT`` is short for ``account show ACCOUNT``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Add ``show`` in front of what is no command of the group. Its context is of typer's own copy of click."""
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["show", *args]
        return super().parse_args(ctx, args)


account = typer.Typer(
    cls=_ShowsByDefault,
    help="Show an account, or give a command about one. `account ACCOUNT` shows it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
account.command("show")(show)
account.command("statement")(ledgers.statement)
account.command("ledger")(ledgers.ledger)
account.command("verify")(ledgers.verify)
account.command("erase-names")(ledgers.erase_names)

_Id = Annotated[
    str | None, typer.Option("--id", help="The command's id, such as a ticket; default: a new one.", metavar="ID")
]
_Why = Annotated[str, typer.Option(help="Why; kept in the ledger.", metavar="TEXT")]
_Credits = Annotated[str, typer.Argument(help="How many credits.", metavar="CREDITS")]
_User = Annotated[str | None, typer.Option(help="Only of this user of the account.", metavar="USER")]


@account.command("set")
def set_account(  # noqa: PLR0913, PLR0917  # each is an option of the command
    context: typer.Context,
    account_id: AccountId,
    name: Annotated[str | None, typer.Option(help="Its name; an empty one takes it away.", metavar="TEXT")] = None,
    zone: Annotated[str | None, typer.Option(help="Its time zone, such as Europe/Berlin.", metavar="ZONE")] = None,
    approver: Annotated[
        list[str] | None, typer.Option(help="A user who may approve; may be repeated.", metavar="USER")
    ] = None,
    no_approvers: Annotated[bool, typer.Option("--no-approvers", help="Take all approvers away.")] = False,
    command_id: _Id = None,
    why: _Why = "",
) -> None:
    """Set the name, the time zone and the approvers. A new zone starts with the next window."""
    try:
        wanted = Settings(name=name, zone=zone, approvers=tuple(approver or ()) if approver or no_approvers else None)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    _give(context, account_id, command_id, why, lambda on, it: worker.set_account(on.deps, account_id, wanted, it))


@account.command("plan")
def set_plan(
    context: typer.Context,
    account_id: AccountId,
    plan: Annotated[str, typer.Argument(help="The plan from now on.", metavar="PLAN")],
    allowance: Annotated[Becomes, typer.Option(help="What becomes of the running allowance.")] = Becomes.KEPT,
    command_id: _Id = None,
    why: _Why = "",
) -> None:
    """Change the plan."""
    _give(
        context,
        account_id,
        command_id,
        why,
        lambda on, it: worker.set_plan(on.deps, account_id, plan, it, becomes=allowance),
    )


@account.command("limit")
def set_limit(  # noqa: PLR0913, PLR0917  # each is an option of the command
    context: typer.Context,
    account_id: AccountId,
    limit_id: Annotated[str, typer.Argument(help="The limit's id: the same one replaces it.", metavar="LIMIT")],
    amount: Annotated[int, typer.Argument(help="At most this much in each window.", metavar="N")],
    per: Annotated[Span, typer.Option(help="The window.")] = Span.DAY,
    unit: Annotated[Unit, typer.Option(help="What counts.")] = Unit.CREDITS,
    effect: Annotated[Effect, typer.Option(help="What it does.")] = Effect.BLOCK,
    each_user: Annotated[bool, typer.Option("--each-user", help="For each user, not for all together.")] = False,
    user: _User = None,
    command_id: _Id = None,
    why: _Why = "",
) -> None:
    """Set a limit of an account, of each of its users, or of one user."""
    scope = Scope.USER if each_user or user else Scope.ACCOUNT
    try:
        limit = Limit(limit_id=limit_id, window=per, amount=amount, unit=unit, effect=effect, scope=scope)
    except ValueError as error:
        raise typer.BadParameter(f"{error} ({MOST_CREDITS:,} credits, {MOST_USD_MICROS:,} USD micros)") from None
    _give(
        context,
        account_id,
        command_id,
        why,
        lambda on, it: worker.set_limit(on.deps, account_id, limit, it, user_id=user or ""),
    )


@account.command("remove-limit")
def remove_limit(
    context: typer.Context,
    account_id: AccountId,
    limit_id: Annotated[str, typer.Argument(help="The limit's id.", metavar="LIMIT")],
    each_user: Annotated[bool, typer.Option("--each-user", help="The one for each user.")] = False,
    user: _User = None,
    command_id: _Id = None,
    why: _Why = "",
) -> None:
    """Take a limit away."""
    scope = Scope.USER if each_user or user else Scope.ACCOUNT
    _give(
        context,
        account_id,
        command_id,
        why,
        lambda on, it: worker.remove_limit(on.deps, account_id, limit_id, it, scope=scope, user_id=user or ""),
    )


@account.command("suspend")
def suspend(
    context: typer.Context,
    account_id: AccountId,
    reason: Annotated[str, typer.Argument(help="What the account's users read.", metavar="REASON")],
    command_id: _Id = None,
    why: _Why = "",
) -> None:
    """Refuse new requests of an account. What is open runs to its end."""
    _give(context, account_id, command_id, why, lambda on, it: worker.suspend(on.deps, account_id, reason, it))


@account.command("reactivate")
def reactivate(context: typer.Context, account_id: AccountId, command_id: _Id = None, why: _Why = "") -> None:
    """End a suspension."""
    _give(context, account_id, command_id, why, lambda on, it: worker.reactivate(on.deps, account_id, it))


@account.command("revoke")
def revoke(
    context: typer.Context,
    account_id: AccountId,
    credits_: _Credits,
    grant: Annotated[str, typer.Option(help="Only of this grant.", metavar="ID")] = "",
    command_id: _Id = None,
    why: _Why = "",
) -> None:
    """Take credits back: at most what is available."""
    amount = amount_of(credits_)
    _give(
        context,
        account_id,
        command_id,
        why,
        lambda on, it: worker.revoke(on.deps, account_id, amount, it, grant_id=grant),
    )


@account.command("refund")
def refund(
    context: typer.Context,
    user_id: Annotated[str, typer.Argument(help="The generation's user.", metavar="USER")],
    generation_id: Annotated[str, typer.Argument(help="The generation, which has ended.", metavar="GENERATION")],
    credits_: _Credits,
    account_id: Annotated[
        str | None, typer.Option("--account", "-a", help="If another pays.", metavar="ACCOUNT")
    ] = None,
    command_id: _Id = None,
    why: _Why = "",
) -> None:
    """Give captured credits of a generation back: all refunds together at most what was captured."""
    key, amount = valid_key(user_id, generation_id, valid_account(account_id)), amount_of(credits_)
    _give(context, key.account_id, command_id, why, lambda on, it: worker.refund(on.deps, key, amount, it))


def _give(
    context: typer.Context,
    account_id: str,
    command_id: str | None,
    why: str,
    act: Callable[[Operations, Command], Awaitable[Account]],
) -> None:
    """Give a command, and show the account after it."""
    valid_id("the account", account_id)
    named = Command(
        command_id=valid_id("--id", uuid4().hex if command_id is None else command_id), by=operator_name(), why=why
    )
    command_context = command_context_of(context)

    async def command(operations: Operations) -> int:
        try:
            after = await act(operations, named)
        except ValueError as error:
            raise RefusedError(f"Nothing was changed: {error}") from None
        command_context.screen.say(f"changed {account_id}, command {named.command_id}")
        command_context.screen.facts(sums_of(after, operations.deps))
        return 0

    command_context.do(command)
