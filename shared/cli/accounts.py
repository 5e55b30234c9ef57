"""Accounts: grant, terms, account, audit, correct.

Rules of this file:
1. Only shared/worker/accounts.py moves credits. Each move has an id, and the same id twice moves them once.
2. A correction shows what it will change, and asks for confirmation before it changes it.
"""

import heapq
import re
import shlex
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any
from uuid import uuid4

import typer

from shared import worker
from shared.cli.context import CommandContext, Operations, RefusedError, command_context_of, valid_id
from shared.core.money.ledger import MOST_CREDITS, Account, LedgerEntry, Move
from shared.core.reasons import counted
from shared.ports import Dependencies
from shared.views.times import moment
from shared.worker.accounts import Difference

#: The most credits that one command may move. A larger number is a typing error.
_MOST = MOST_CREDITS

#: Enough for a sentence or two, and far below the 64 KiB that a text property of a table holds.
_NOTE_CHARACTERS = 500

BALANCES = ("granted", "available", "held", "captured")

AccountId = Annotated[
    str, typer.Argument(help="The account's id: a user's own, unless requests name another.", metavar="ACCOUNT")
]
Change = Annotated[int, typer.Option(help="Change it by N, such as 5 or -5.", metavar="N", show_default=False)]

_PlanToo = Annotated[str | None, typer.Option(help="Also set the plan.", metavar="NAME")]
_NewPlan = Annotated[str | None, typer.Option(help="The plan from now on.", metavar="NAME")]
_LimitToo = Annotated[
    int | None, typer.Option(help="Also set the most credits per day (UTC).", metavar="N", min=0, max=_MOST)
]
_NewLimit = Annotated[
    int | None, typer.Option(help="The most credits per day (UTC) from now on.", metavar="N", min=0, max=_MOST)
]
_GrantId = Annotated[
    str | None,
    typer.Option("--id", help="The grant's id, such as an invoice number; default: a new one.", metavar="ID"),
]


def grant(
    context: typer.Context,
    account_id: AccountId,
    credits_: Annotated[str, typer.Argument(help="How many credits.", metavar="CREDITS")],
    plan: _PlanToo = None,
    daily_limit: _LimitToo = None,
    grant_id: _GrantId = None,
) -> None:
    """Give an account credits. The first grant opens it.

    The same --id twice gives the credits once, so a grant whose answer was lost can be repeated.
    """
    amount = _amount(credits_)
    entry_id = valid_id("--id", uuid4().hex if grant_id is None else grant_id)
    valid_id("the account", account_id)
    command_context = command_context_of(context)

    async def command(operations: Operations) -> int:
        _check_plan(operations, plan)
        before = await _find_entry(operations, account_id, Move.GRANT, entry_id)
        try:
            account = await worker.grant(
                operations.deps, account_id, amount, grant_id=entry_id, plan=plan, daily_limit_credits=daily_limit
            )
        except ValueError as error:
            raise RefusedError(f"Nothing was changed: {error}") from None
        if before is not None:
            when = moment(before.at)
            command_context.screen.say(
                f"Grant {entry_id} was already given: {counted(before.granted, 'credit')}, {when}. Nothing was changed."
            )
            return 0
        command_context.screen.say(f"granted {counted(amount, 'credit')} to {account_id}, grant {entry_id}")
        command_context.screen.facts(_balances(account, operations.deps))
        return 0

    command_context.do(command)


def terms(
    context: typer.Context,
    account_id: AccountId,
    plan: _NewPlan = None,
    daily_limit: _NewLimit = None,
    no_daily_limit: Annotated[bool, typer.Option("--no-daily-limit", help="Remove the daily limit.")] = False,
    change_id: Annotated[
        str | None, typer.Option("--id", help="The change's id, such as a ticket number; default: a new one.")
    ] = None,
) -> None:
    """Change an account's plan or daily limit, and no credits."""
    valid_id("the account", account_id)
    entry_id = valid_id("--id", uuid4().hex if change_id is None else change_id)
    if plan is None and daily_limit is None and not no_daily_limit:
        raise typer.BadParameter("give --plan, --daily-limit or --no-daily-limit")
    if daily_limit is not None and no_daily_limit:
        raise typer.BadParameter("--daily-limit and --no-daily-limit contradict each other")
    command_context = command_context_of(context)

    async def command(operations: Operations) -> int:
        _check_plan(operations, plan)
        await _account(command_context, operations, account_id)
        try:
            account = await worker.change_terms(
                operations.deps,
                account_id,
                change_id=entry_id,
                plan=plan,
                daily_limit_credits=daily_limit,
                unlimited=no_daily_limit,
            )
        except ValueError as error:
            raise RefusedError(f"Nothing was changed: {error}") from None
        command_context.screen.say(f"changed the terms of {account_id}, change {entry_id}")
        command_context.screen.facts(_balances(account, operations.deps))
        return 0

    command_context.do(command)


def _amount(text: str) -> int:
    """The credits of a grant, from text: if typer read a number, it would take -5 for an unknown option."""
    if not re.fullmatch(r"[0-9]{1,10}", text) or not 1 <= int(text) <= _MOST:
        hint = " To take credits away, post a correction: see `correct --help`." if text.startswith("-") else ""
        raise typer.BadParameter(f"CREDITS must be a whole number from 1 to {_MOST:,}, such as 100.{hint}")
    return int(text)


def _check_plan(operations: Operations, name: str | None) -> None:
    plans = operations.deps.plans
    if name is not None and name not in plans:
        raise typer.BadParameter(f"--plan must be one of {', '.join(plans)}")


async def _find_entry(operations: Operations, account_id: str, move: Move, entry_id: str) -> LedgerEntry | None:
    """The ledger entry of this kind and id, or None."""
    async for entry in operations.store.ledger(account_id):
        if (entry.move, entry.entry_id) == (move, entry_id):
            return entry
    return None


def account(
    context: typer.Context,
    account_id: AccountId,
    last: Annotated[int, typer.Option(help="Show the last N ledger entries.", metavar="N", min=0, max=10_000)] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show an account's credits, plan, limit and last moves."""
    valid_id("the account", account_id)
    command_context = command_context_of(context)

    async def command(operations: Operations) -> int:
        found = await _account(command_context, operations, account_id)
        entries = [entry async for entry in operations.store.ledger(account_id)]
        recent = heapq.nlargest(last, entries, key=lambda entry: (entry.at, entry.entry_id))
        if as_json:
            command_context.screen.json(_account_json(found, recent, operations.deps))
            return 0
        command_context.screen.facts(_balances(found, operations.deps))
        if recent:
            command_context.screen.say(f"\nlast {len(recent)} of {len(entries)} ledger entries, the newest first")
            _show_entries(command_context, recent)
        return 0

    command_context.do(command)


async def _account(command_context: CommandContext, operations: Operations, account_id: str) -> Account:
    found, _ = await operations.store.load_account(account_id)
    if found is None:
        raise RefusedError(
            f"There is no account {account_id!r}."
            f" Open it with: {command_context.program} grant {shlex.quote(account_id)} CREDITS"
        )
    return found


def _plan_name(account: Account, deps: Dependencies) -> str:
    """The name of the account's plan. That of the default plan, if the account has none."""
    return account.plan or deps.plans.default


def _balances(account: Account, deps: Dependencies) -> list[tuple[str, str]]:
    plan, today = _plan_name(account, deps), deps.now().date()
    known = "" if plan in deps.plans else " (there is no such plan: requests wait; set another with `terms --plan`)"
    limit = account.daily_limit_credits
    spent = account.day_credits if account.day == today else 0
    return [
        ("account", account.account_id),
        ("plan", f"{plan}{known}"),
        ("available", str(account.available)),
        ("held", str(account.held)),
        ("captured", str(account.captured)),
        ("granted", str(account.granted)),
        ("daily limit", f"{spent} of {limit} used today (UTC)" if limit is not None else "none"),
    ]


def _account_json(account: Account, entries: list[LedgerEntry], deps: Dependencies) -> dict[str, Any]:
    today = deps.now().date()
    return {
        "account_id": account.account_id,
        "plan": _plan_name(account, deps),
        **{name: getattr(account, name) for name in BALANCES},
        "daily_limit_credits": account.daily_limit_credits,
        "today_credits": account.day_credits if account.day == today else 0,
        "ledger": [
            {
                "at": entry.at.isoformat(),
                "move": entry.move.value,
                "belongs_to": entry.generation_id or entry.entry_id,
                "user_id": entry.user_id or None,
                **{name: getattr(entry, name) for name in BALANCES},
                "note": entry.note,
            }
            for entry in entries
        ],
    }


def _show_entries(command_context: CommandContext, entries: list[LedgerEntry]) -> None:
    heads = ("TIME", "MOVE", "BELONGS TO", "GRANTED", "AVAILABLE", "HELD", "CAPTURED", "NOTE")
    rows = [(moment(entry.at), entry.move.value, _belongs_to(entry), *_changes(entry), entry.note) for entry in entries]
    command_context.screen.table(heads, rows)


def _belongs_to(entry: LedgerEntry) -> str:
    """The generation, with its user if the user's id is not the account's; without a generation, the entry's own id."""
    if not entry.generation_id:
        return entry.entry_id
    return entry.generation_id if entry.user_id == entry.account_id else f"{entry.user_id}/{entry.generation_id}"


def _changes(entry: LedgerEntry) -> list[str]:
    """The change of each balance, such as ``+5``; empty if it did not change."""
    return [f"{getattr(entry, name):+d}" if getattr(entry, name) else "" for name in BALANCES]


def audit(
    context: typer.Context,
    account_id: Annotated[
        str | None, typer.Option("--account", "-a", help="One account only.", metavar="ACCOUNT")
    ] = None,
) -> None:
    """Compare accounts with their ledgers.

    An account's balances must be the sums of its ledger entries. Its held credits must be what its open generations
    hold. Nothing is changed. The exit code is 1 if there is a difference.
    """
    if account_id is not None:
        valid_id("the account", account_id)
    command_context = command_context_of(context)

    async def command(operations: Operations) -> int:
        if account_id is not None:
            await _account(command_context, operations, account_id)
        found = [each async for each in worker.audit(operations.deps, account_id)]
        if not found:
            command_context.screen.say("No difference.")
            return 0
        heads = ("ACCOUNT", "WHAT", "ACCOUNT SAYS", "COUNTED", "DIFFERENCE")
        rows = [
            (each.account_id, each.what, each.account, each.counted, f"{each.account - each.counted:+d}")
            for each in found
            if not each.unreadable
        ]
        if rows:
            command_context.screen.table(heads, rows)
            command_context.screen.say("\n" + "\n".join(_advice(command_context, found)))
        for each in found:
            if each.unreadable:
                command_context.screen.complain(f"{each}. Repair the row in the table itself.")
        return 1

    command_context.do(command)


def _advice(command_context: CommandContext, found: list[Difference]) -> list[str]:
    """Corrections to consider: a line for each account and kind of difference. A person decides which is right."""
    lines = []
    for account_id in dict.fromkeys(each.account_id for each in found):
        gaps = {
            each.what: each.account - each.counted
            for each in found
            if each.account_id == account_id and each.what != "unreadable"
        }
        line = f"{command_context.program} correct {shlex.quote(account_id)}"
        extra = gaps.pop("open holds", 0)
        if extra:
            moves = f"--held {-extra} --available {extra}"
            lines.append(
                f"{account_id}: if no generation is about to end, consider:"
                f" {line} {moves} --note 'audit: open holds' --id ID"
            )
        parts = {name: gaps.get(f"ledger {name}", 0) for name in ("available", "held", "captured")}
        if any(gaps.values()):
            moves = " ".join(f"--{name} {gap}" for name, gap in parts.items() if gap)
            lines.append(
                f"{account_id}: the ledger does not explain the account. If the account is right, consider:"
                f" {line} {moves} --ledger-only --note 'audit: ledger' --id ID"
            )
    return lines


def correct(  # noqa: PLR0913, PLR0917  # each is an option of the command
    context: typer.Context,
    account_id: AccountId,
    note: Annotated[
        str, typer.Option(help=f"Why, in at most {_NOTE_CHARACTERS} characters; kept in the ledger.", metavar="TEXT")
    ],
    correction_id: Annotated[
        str, typer.Option("--id", help="The correction's id, such as a ticket number.", metavar="ID")
    ],
    available: Change = 0,
    held: Change = 0,
    captured: Change = 0,
    ledger_only: Annotated[
        bool, typer.Option("--ledger-only", help="Leave the account as it is, and correct only its ledger.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Post a compensating ledger entry.

    Each balance changes by the number given, and "granted" by their sum. The same --id twice corrects once.
    """
    valid_id("the account", account_id)
    valid_id("--id", correction_id)
    if not note.strip() or len(note) > _NOTE_CHARACTERS or not note.isprintable():
        raise typer.BadParameter(f"--note must be one line of 1 to {_NOTE_CHARACTERS} characters")
    if not 0 < max(abs(available), abs(held), abs(captured)) <= _MOST:
        raise typer.BadParameter(f"--available, --held or --captured must give a change of at most {_MOST}")
    command_context = command_context_of(context)
    correction = _Correction(account_id, correction_id, note, available, held, captured, ledger_only)
    command_context.do(partial(_post_correction, command_context, correction, ask=not yes))


@dataclass(frozen=True, slots=True)
class _Correction:
    """A correction as the operator gave it. The three numbers are changes, in credits."""

    account_id: str
    correction_id: str
    note: str
    available: int
    held: int
    captured: int
    ledger_only: bool

    @property
    def changes(self) -> dict[str, int]:
        """The change of each balance, in credits, by name."""
        granted = self.available + self.held + self.captured
        return {"granted": granted, "available": self.available, "held": self.held, "captured": self.captured}


async def _post_correction(
    command_context: CommandContext, correction: _Correction, operations: Operations, *, ask: bool
) -> int:
    before = await _account(command_context, operations, correction.account_id)
    posted = await _find_entry(operations, correction.account_id, Move.CORRECTION, correction.correction_id)
    if posted is not None:
        command_context.screen.say(
            f"Correction {correction.correction_id} was already posted, {moment(posted.at)}. Nothing was changed."
        )
        return 0
    rows = [
        (name, getattr(before, name), f"{change:+d}", getattr(before, name) + (0 if correction.ledger_only else change))
        for name, change in correction.changes.items()
    ]
    command_context.screen.table(("BALANCE", "NOW", "CHANGE", "THEN"), rows)
    if ask:
        command_context.screen.confirm(f"Post correction {correction.correction_id} to {correction.account_id}?")
    try:
        await worker.correct(
            operations.deps,
            correction.account_id,
            available=correction.available,
            held=correction.held,
            captured=correction.captured,
            correction_id=correction.correction_id,
            note=correction.note,
            ledger_only=correction.ledger_only,
        )
    except ValueError as error:
        raise RefusedError(f"Nothing was changed: {error}") from None
    command_context.screen.say(f"posted correction {correction.correction_id} to {correction.account_id}")
    return 0
