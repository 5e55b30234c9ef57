"""Accounts: grant, terms, account, audit, correct.

Rules of this file:
1. Credits move through shared/worker/accounts.py alone, under an id of their own: the same id twice moves them once.
2. A correction shows what it will do and asks before it does it.
"""

import heapq
import re
import shlex
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Annotated, Any
from uuid import uuid4

import typer

from shared import worker
from shared.cli.context import CommandContext, Operations, RefusedError, command_context_of, valid_id
from shared.core.money.ledger import MOST_CREDITS, Account, LedgerEntry, Move, Plan
from shared.core.reasons import counted
from shared.views.times import moment
from shared.worker.accounts import Difference

#: What may be moved at once: beyond it a number is a typing error.
_MOST = MOST_CREDITS

#: A note is a sentence or two, and a text property of a table holds no more than 64 KiB.
_NOTE_CHARACTERS = 500

BALANCES = ("granted", "available", "held", "captured")

AccountId = Annotated[
    str, typer.Argument(help="The account's id: a user's own, unless requests name another.", metavar="ACCOUNT")
]
Change = Annotated[int, typer.Option(help="Change it by N, such as 5 or -5.", metavar="N", show_default=False)]

_PLANS = "|".join(plan.label for plan in Plan)
_PlanToo = Annotated[str | None, typer.Option(help="Set the plan too.", metavar=_PLANS)]
_NewPlan = Annotated[str | None, typer.Option(help="The plan from now on.", metavar=_PLANS)]
_LimitToo = Annotated[
    int | None, typer.Option(help="Set the most credits per day (UTC) too.", metavar="N", min=0, max=_MOST)
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

    The same --id twice gives once, so a grant whose answer was lost can be given again.
    """
    amount = _amount(credits_)
    entry_id = valid_id("--id", uuid4().hex if grant_id is None else grant_id)
    valid_id("the account", account_id)
    chosen = _plan(plan) if plan is not None else None
    command_context = command_context_of(context)

    async def command(rooms: Operations) -> int:
        before = await _posted(rooms, account_id, Move.GRANT, entry_id)
        try:
            account = await worker.grant(
                rooms.deps, account_id, amount, grant_id=entry_id, plan=chosen, daily_limit_credits=daily_limit
            )
        except ValueError as error:
            raise RefusedError(f"Nothing was changed: {error}") from None
        if before is not None:
            when = moment(before.at)
            command_context.screen.say(
                f"Grant {entry_id} was given before: {counted(before.granted, 'credit')}, {when}. Nothing was changed."
            )
            return 0
        command_context.screen.say(f"granted {counted(amount, 'credit')} to {account_id}, grant {entry_id}")
        command_context.screen.facts(_balances(account, rooms.deps.now().date()))
        return 0

    command_context.do(command)


def terms(
    context: typer.Context,
    account_id: AccountId,
    plan: _NewPlan = None,
    daily_limit: _NewLimit = None,
    no_daily_limit: Annotated[bool, typer.Option("--no-daily-limit", help="Take the daily limit away.")] = False,
    change_id: Annotated[
        str | None, typer.Option("--id", help="The change's id, such as a ticket number; default: a new one.")
    ] = None,
) -> None:
    """Change an account's plan or daily limit, without a credit."""
    valid_id("the account", account_id)
    entry_id = valid_id("--id", uuid4().hex if change_id is None else change_id)
    chosen = _plan(plan) if plan is not None else None
    if chosen is None and daily_limit is None and not no_daily_limit:
        raise typer.BadParameter("say --plan, --daily-limit or --no-daily-limit")
    if daily_limit is not None and no_daily_limit:
        raise typer.BadParameter("--daily-limit and --no-daily-limit contradict each other")
    command_context = command_context_of(context)

    async def command(rooms: Operations) -> int:
        await _account(command_context, rooms, account_id)
        try:
            account = await worker.change_terms(
                rooms.deps,
                account_id,
                change_id=entry_id,
                plan=chosen,
                daily_limit_credits=daily_limit,
                unlimited=no_daily_limit,
            )
        except ValueError as error:
            raise RefusedError(f"Nothing was changed: {error}") from None
        command_context.screen.say(f"changed the terms of {account_id}, change {entry_id}")
        command_context.screen.facts(_balances(account, rooms.deps.now().date()))
        return 0

    command_context.do(command)


def _amount(text: str) -> int:
    """The credits of a grant. A text at first: as a number, -5 would be taken for an option that there is not."""
    if not re.fullmatch(r"[0-9]{1,10}", text) or not 1 <= int(text) <= _MOST:
        taken = " To take credits away, post a correction: see `correct --help`." if text.startswith("-") else ""
        raise typer.BadParameter(f"CREDITS must be a whole number from 1 to {_MOST:,}, such as 100.{taken}")
    return int(text)


def _plan(name: str) -> Plan:
    try:
        return Plan.named(name)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


async def _posted(rooms: Operations, account_id: str, move: Move, entry_id: str) -> LedgerEntry | None:
    """The entry of this kind and id, if there is one."""
    async for entry in rooms.store.ledger(account_id):
        if (entry.move, entry.entry_id) == (move, entry_id):
            return entry
    return None


def account(
    context: typer.Context,
    account_id: AccountId,
    last: Annotated[int, typer.Option(help="So many of the last ledger entries.", metavar="N", min=0, max=10_000)] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show an account's credits, plan, limit and last moves."""
    valid_id("the account", account_id)
    command_context = command_context_of(context)

    async def command(rooms: Operations) -> int:
        found = await _account(command_context, rooms, account_id)
        entries = [entry async for entry in rooms.store.ledger(account_id)]
        recent = heapq.nlargest(last, entries, key=lambda entry: (entry.at, entry.entry_id))
        today = rooms.deps.now().date()
        if as_json:
            command_context.screen.json(_account_json(found, recent, today))
            return 0
        command_context.screen.facts(_balances(found, today))
        if recent:
            command_context.screen.say(f"\nlast {len(recent)} of {len(entries)} ledger entries, the newest first")
            _show_entries(command_context, recent)
        return 0

    command_context.do(command)


async def _account(command_context: CommandContext, rooms: Operations, account_id: str) -> Account:
    found, _ = await rooms.store.load_account(account_id)
    if found is None:
        raise RefusedError(
            f"There is no account {account_id!r}."
            f" Open it with: {command_context.program} grant {shlex.quote(account_id)} CREDITS"
        )
    return found


def _balances(account: Account, today: date) -> list[tuple[str, str]]:
    limit = account.daily_limit_credits
    spent = account.day_credits if account.day == today else 0
    return [
        ("account", account.account_id),
        ("plan", account.plan.label),
        ("available", str(account.available)),
        ("held", str(account.held)),
        ("captured", str(account.captured)),
        ("granted", str(account.granted)),
        ("daily limit", f"{spent} of {limit} used today (UTC)" if limit is not None else "none"),
    ]


def _account_json(account: Account, entries: list[LedgerEntry], today: date) -> dict[str, Any]:
    return {
        "account_id": account.account_id,
        "plan": account.plan.label,
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
    """A generation, with its user where that is not the account's namesake; or the operator's own id."""
    if not entry.generation_id:
        return entry.entry_id
    return entry.generation_id if entry.user_id == entry.account_id else f"{entry.user_id}/{entry.generation_id}"


def _changes(entry: LedgerEntry) -> list[str]:
    """How each balance changed; nothing where it did not."""
    return [f"{getattr(entry, name):+d}" if getattr(entry, name) else "" for name in BALANCES]


def audit(
    context: typer.Context,
    account_id: Annotated[
        str | None, typer.Option("--account", "-a", help="One account only.", metavar="ACCOUNT")
    ] = None,
) -> None:
    """Compare accounts with their books.

    An account must say what its ledger entries add up to, and hold what its open generations hold.
    Nothing is mended. The exit code is 1 if there is a difference.
    """
    if account_id is not None:
        valid_id("the account", account_id)
    command_context = command_context_of(context)

    async def command(rooms: Operations) -> int:
        if account_id is not None:
            await _account(command_context, rooms, account_id)
        found = [each async for each in worker.audit(rooms.deps, account_id)]
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
                command_context.screen.complain(f"{each}. Only whoever may edit the table can mend it.")
        return 1

    command_context.do(command)


def _advice(command_context: CommandContext, found: list[Difference]) -> list[str]:
    """What to consider, a line for each account and kind of difference. Which side is right only a person can say."""
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
        bool, typer.Option("--ledger-only", help="The account is right as it is: complete its ledger alone.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Post a compensating ledger entry.

    Each balance changes by the number given, "granted" by their sum. The same --id twice corrects once.
    """
    valid_id("the account", account_id)
    valid_id("--id", correction_id)
    if not note.strip() or len(note) > _NOTE_CHARACTERS or not note.isprintable():
        raise typer.BadParameter(f"--note must be one line of 1 to {_NOTE_CHARACTERS} characters")
    if not 0 < max(abs(available), abs(held), abs(captured)) <= _MOST:
        raise typer.BadParameter(f"--available, --held or --captured must say a change, each of at most {_MOST}")
    command_context = command_context_of(context)
    asked = _Correction(account_id, correction_id, note, available, held, captured, ledger_only)
    command_context.do(partial(_corrected, command_context, asked, ask=not yes))


@dataclass(frozen=True, slots=True)
class _Correction:
    """What the operator asked for."""

    account_id: str
    correction_id: str
    note: str
    available: int
    held: int
    captured: int
    ledger_only: bool

    @property
    def changes(self) -> dict[str, int]:
        """How each balance changes."""
        granted = self.available + self.held + self.captured
        return {"granted": granted, "available": self.available, "held": self.held, "captured": self.captured}


async def _corrected(command_context: CommandContext, asked: _Correction, rooms: Operations, *, ask: bool) -> int:
    before = await _account(command_context, rooms, asked.account_id)
    posted = await _posted(rooms, asked.account_id, Move.CORRECTION, asked.correction_id)
    if posted is not None:
        command_context.screen.say(
            f"Correction {asked.correction_id} was posted before, {moment(posted.at)}. Nothing was changed."
        )
        return 0
    rows = [
        (name, getattr(before, name), f"{change:+d}", getattr(before, name) + (0 if asked.ledger_only else change))
        for name, change in asked.changes.items()
    ]
    command_context.screen.table(("BALANCE", "NOW", "CHANGE", "THEN"), rows)
    if ask:
        command_context.screen.confirm(f"Post correction {asked.correction_id} to {asked.account_id}?")
    try:
        await worker.correct(
            rooms.deps,
            asked.account_id,
            available=asked.available,
            held=asked.held,
            captured=asked.captured,
            correction_id=asked.correction_id,
            note=asked.note,
            ledger_only=asked.ledger_only,
        )
    except ValueError as error:
        raise RefusedError(f"Nothing was changed: {error}") from None
    command_context.screen.say(f"posted correction {asked.correction_id} to {asked.account_id}")
    return 0
