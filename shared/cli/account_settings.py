"""account: show, statement, ledger, verify, erase-names, set, plan, limits, suspend, reactivate, revoke, refund.

Rules of this file:
1. Everything can be set without granting a credit, and taken away again. Each command is an entry of the ledger with
   who gave it and why; the same --id twice is one command.
2. What is shown has reckoned in what is due (allowance, expiry), and saves nothing.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
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
    TakesNegative,
    command_context_of,
    operator_name,
    valid_account,
    valid_id,
    valid_key,
    valid_text,
)
from shared.core.money.account import Account
from shared.core.money.allowance import Becomes
from shared.core.money.entries import LedgerEntry, Move
from shared.core.money.limits import Effect, Limit, Scope, Unit
from shared.core.money.settings import Settings
from shared.core.money.windows import Span
from shared.core.reasons import counted
from shared.ports import Conflict
from shared.views.times import moment
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
    if approver and no_approvers:
        raise typer.BadParameter("give --approver or --no-approvers, not both")
    try:
        wanted = Settings(name=name, zone=zone, approvers=tuple(approver or ()) if approver or no_approvers else None)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    _give(
        context,
        Move.SET_ACCOUNT,
        account_id,
        command_id,
        why,
        lambda on, it: worker.set_account(on.deps, account_id, wanted, it),
    )


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
        Move.SET_PLAN,
        account_id,
        command_id,
        why,
        lambda on, it: worker.set_plan(on.deps, account_id, plan, it, becomes=allowance),
    )


@account.command("limit", cls=TakesNegative)
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
    _check_whose(user, each_user=each_user)
    scope = Scope.USER if each_user or user else Scope.ACCOUNT
    try:
        limit = Limit(limit_id=limit_id, window=per, amount=amount, unit=unit, effect=effect, scope=scope)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    _give(
        context,
        Move.SET_LIMIT,
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
    _check_whose(user, each_user=each_user)
    scope = Scope.USER if each_user or user else Scope.ACCOUNT
    removal = _Removal(account_id, limit_id, scope, user or "")
    _give(context, Move.REMOVE_LIMIT, account_id, command_id, why, removal.act, check=removal.check)


@account.command("suspend")
def suspend(
    context: typer.Context,
    account_id: AccountId,
    reason: Annotated[str, typer.Argument(help="What the account's users read.", metavar="REASON")],
    command_id: _Id = None,
    why: _Why = "",
) -> None:
    """Refuse new requests of an account. What is open runs to its end."""
    _give(
        context,
        Move.SUSPEND,
        account_id,
        command_id,
        why,
        lambda on, it: worker.suspend(on.deps, account_id, reason, it),
    )


@account.command("reactivate")
def reactivate(context: typer.Context, account_id: AccountId, command_id: _Id = None, why: _Why = "") -> None:
    """End a suspension."""
    _give(
        context, Move.REACTIVATE, account_id, command_id, why, lambda on, it: worker.reactivate(on.deps, account_id, it)
    )


@account.command("revoke", cls=TakesNegative)
def revoke(
    context: typer.Context,
    account_id: AccountId,
    credits_: _Credits,
    grant: Annotated[str | None, typer.Option(help="Only of this grant.", metavar="ID")] = None,
    command_id: _Id = None,
    why: _Why = "",
) -> None:
    """Take credits back: at most what is available."""
    amount, grant_id = amount_of(credits_), "" if grant is None else valid_id("--grant", grant)

    def act(on: Operations, it: Command) -> Awaitable[Account]:
        return worker.revoke(on.deps, account_id, amount, it, grant_id=grant_id)

    _give(context, Move.REVOKE, account_id, command_id, why, act, said=lambda entry: _taken(entry, amount))


@account.command("refund", cls=TakesNegative)
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

    def act(on: Operations, it: Command) -> Awaitable[Account]:
        return worker.refund(on.deps, key, amount, it)

    _give(context, Move.REFUND, key.account_id, command_id, why, act, said=_given_back)


def _check_whose(user: str | None, *, each_user: bool) -> None:
    """Check that a limit has one holder: an option that is dropped would set another limit. Raises BadParameter."""
    if user is not None:
        valid_id("--user", user)
        if each_user:
            raise typer.BadParameter("give --each-user or --user, not both")


@dataclass(frozen=True, slots=True)
class _Removal:
    """A limit that is taken away."""

    account_id: str
    limit_id: str
    scope: Scope
    user_id: str

    def act(self, on: Operations, it: Command) -> Awaitable[Account]:
        """Take it away."""
        return worker.remove_limit(on.deps, self.account_id, self.limit_id, it, scope=self.scope, user_id=self.user_id)

    async def check(self, on: Operations) -> None:
        """Check that there is the limit to remove. Raises RefusedError, which names those that are there."""
        account_id, store = self.account_id, on.deps.store
        found, _ = await store.load_account(account_id)
        if found is None:
            raise RefusedError(f"Nothing was changed: there is no account {account_id!r}")
        of, holder = f"the {self.scope}" if self.scope is Scope.ACCOUNT else "each user", found.limits
        if self.user_id == account_id:
            of, holder = f"the user {self.user_id}", found.own_limits
        elif self.user_id:
            user, _ = await store.load_user(account_id, self.user_id)
            of, holder = f"the user {self.user_id}", user.limits if user else ()
        there = [each.limit_id for each in holder if each.scope is self.scope]
        if self.limit_id not in there:
            has = ", ".join(there) or "none"
            raise RefusedError(
                f"Nothing was changed: {account_id} has no limit {self.limit_id!r} of {of}; it has {has}"
            )


def _given_back(entry: LedgerEntry) -> str:
    """What a refund gave back."""
    return f"gave {counted(entry.available, 'credit')} back to {entry.account_id}"


def _taken(entry: LedgerEntry, asked: int) -> str:
    """What a revoke took back; empty if that is nothing."""
    if not entry.revoked:
        return ""
    less = f", of {asked} that were asked" if entry.revoked < asked else ""
    return f"took back {counted(entry.revoked, 'credit')} from {entry.account_id}{less}"


def _give(  # noqa: PLR0913  # each is a fact of the command
    context: typer.Context,
    move: Move,
    account_id: str,
    command_id: str | None,
    why: str,
    act: Callable[[Operations, Command], Awaitable[Account]],
    *,
    check: Callable[[Operations], Awaitable[None]] | None = None,
    said: Callable[[LedgerEntry], str] | None = None,
) -> None:
    """Give a command. ``check`` refuses what would change nothing; ``said`` says what moved, or nothing."""
    valid_id("the account", account_id)
    its_id = valid_id("--id", uuid4().hex if command_id is None else command_id)
    named = Command(command_id=its_id, by=operator_name(), why=valid_text("--why", why))
    command_context_of(context).do(partial(_apply, context, move, account_id, named, act, check, said))


async def _apply(  # noqa: PLR0913, PLR0917  # as of _give
    context: typer.Context,
    move: Move,
    account_id: str,
    named: Command,
    act: Callable[[Operations, Command], Awaitable[Account]],
    check: Callable[[Operations], Awaitable[None]] | None,
    said: Callable[[LedgerEntry], str] | None,
    operations: Operations,
) -> int:
    screen, store = command_context_of(context).screen, operations.deps.store
    before = await _posted(operations, account_id, move, named.command_id)
    if check is not None and before is None:
        await check(operations)
    changed = "changed" if (await store.load_account(account_id))[0] else "opened"
    try:
        after = await act(operations, named)
    except ValueError as error:
        raise RefusedError(f"Nothing was changed: {error}") from None
    entry = await _posted(operations, account_id, move, named.command_id)
    if entry and entry.superseded:
        raise RefusedError("Nothing was changed: a newer command for this setting is in force")
    text = said(entry) if said and entry else f"{changed} {account_id}"
    if not text:
        raise RefusedError(f"took nothing from {account_id}: it has no available credits, or none of this grant")
    again = f"Command {named.command_id} was already given, {moment(before.at)}. Nothing was changed." if before else ""
    screen.say(again or f"{text}, command {named.command_id}")
    screen.facts(sums_of(after, operations.deps))
    return 0


async def _posted(operations: Operations, account_id: str, move: Move, command_id: str) -> LedgerEntry | None:
    """The ledger's entry of a command. None if there is none, or if a command of this id was refused."""
    try:
        return await operations.deps.store.entry(account_id, move, command_id)
    except Conflict:
        return None
