"""Accounts: grant, audit, correct. account_settings.py has the commands of ``account``.

Rules of this file:
1. Only shared/worker/accounts.py moves credits. Each move has an id, and the same id twice moves them once.
2. A correction shows what it will change, and asks for confirmation before it changes it.
"""

import re
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Annotated
from uuid import uuid4

import typer

from shared import worker
from shared.cli.account_view import AccountId, account_of, shown_of, sums_of
from shared.cli.context import (
    CommandContext,
    Operations,
    RefusedError,
    command_context_of,
    operator_name,
    valid_id,
    valid_text,
)
from shared.core.money.account import Account
from shared.core.money.buckets import DEFAULT_PRIORITY, LAST_PRIORITY
from shared.core.money.credits import MOST_CREDITS, Sums
from shared.core.money.entries import LedgerEntry, Move
from shared.core.reasons import counted
from shared.views.times import moment
from shared.worker.auditing import Difference, DifferenceKind

#: The most credits that one command may move. A larger number is a typing error.
_MOST = MOST_CREDITS

#: Enough for a sentence or two, and far below the 64 KiB that a text property of a table holds.
_NOTE_CHARACTERS = 500

_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M"]

Change = Annotated[int, typer.Option(help="Change it by N, such as 5 or -5.", metavar="N", show_default=False)]


_Expires = Annotated[
    datetime | None,
    typer.Option(help="When they expire (UTC); default: never.", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"]),
]
_Priority = Annotated[int, typer.Option(help="The lowest is spent first.", min=0, max=LAST_PRIORITY, metavar="N")]
_GrantId = Annotated[
    str | None,
    typer.Option("--id", help="The grant's id, such as an invoice number; default: a new one.", metavar="ID"),
]


def grant(
    context: typer.Context,
    account_id: AccountId,
    credits_: Annotated[str, typer.Argument(help="How many credits.", metavar="CREDITS")],
    expires: _Expires = None,
    priority: _Priority = DEFAULT_PRIORITY,
    grant_id: _GrantId = None,
    why: Annotated[str, typer.Option(help="Why; kept in the ledger.", metavar="TEXT")] = "",
) -> None:
    """Give an account credits. The first command opens it.

    The same --id twice gives the credits once, so a grant whose answer was lost can be repeated.
    """
    hint = " To take credits away: see `account revoke --help`." if credits_.startswith("-") else ""
    amount, expires_at = amount_of(credits_, hint), expires.replace(tzinfo=UTC) if expires else None
    entry_id = valid_id("--id", uuid4().hex if grant_id is None else grant_id)
    valid_id("the account", account_id)
    why = valid_text("--why", why)
    command_context = command_context_of(context)

    async def command(operations: Operations) -> int:
        store = operations.deps.store
        before, (found, _) = await store.entry(account_id, Move.GRANT, entry_id), await store.load_account(account_id)
        named = {"grant_id": entry_id, "by": operator_name(), "why": why}
        try:
            account = await worker.grant(
                operations.deps, account_id, amount, expires_at=expires_at, priority=priority, **named
            )
        except ValueError as error:
            raise RefusedError(f"Nothing was changed: {error}") from None
        if before is not None:
            command_context.screen.say(_given_before(before))
            return 0
        opened = "" if found else f"opened {account_id}\n"
        command_context.screen.say(f"{opened}granted {counted(amount, 'credit')} to {account_id}, grant {entry_id}")
        command_context.screen.facts(sums_of(account, operations.deps))
        return 0

    command_context.do(command)


def _given_before(entry: LedgerEntry) -> str:
    given = f"{counted(entry.granted, 'credit')}, {moment(entry.at)}"
    return f"Grant {entry.entry_id} was already given: {given}. Nothing was changed."


def amount_of(text: str, hint: str = "") -> int:
    """The credits of a command. ``hint`` goes on after the rule. Raises typer.BadParameter."""
    if not re.fullmatch(r"[0-9]{1,10}", text) or not 1 <= int(text) <= _MOST:
        raise typer.BadParameter(f"CREDITS must be a whole number from 1 to {_MOST:,}, such as 100.{hint}")
    return int(text)


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
            await account_of(command_context, operations, account_id)
        found = [each async for each in worker.audit(operations.deps, account_id)]
        if not found:
            command_context.screen.say("No difference.")
            return 0
        heads = ("ACCOUNT", "WHAT", "ACCOUNT SAYS", "COUNTED", "DIFFERENCE")
        rows = [
            (each.account_id, each.what, each.account, each.counted, f"{each.gap:+d}")
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
        gaps = [each for each in found if each.account_id == account_id and each.gap]
        line = f"{command_context.program} correct {shlex.quote(account_id)}"
        extra = sum(each.gap for each in gaps if each.kind is DifferenceKind.OPEN_HOLDS)
        if extra:
            moves = f"--held {-extra} --available {extra}"
            lines.append(
                f"{account_id}: if no generation is about to end, consider:"
                f" {line} {moves} --note 'audit: open holds' --id ID"
            )
        sums = {each.sum_name: each.gap for each in gaps if each.kind is DifferenceKind.SUM}
        parts = {name: sums[name] for name in ("available", "held", "captured") if name in sums}
        if parts:
            moves = " ".join(f"--{name} {gap}" for name, gap in parts.items())
            buckets = {each.bucket_id for each in gaps if each.kind is DifferenceKind.BUCKET}
            moves += f" --bucket {shlex.quote(buckets.pop())}" if len(buckets) == 1 else ""
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
    bucket: Annotated[str, typer.Option(help="The bucket that it is about.", metavar="ID")] = "",
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
    correction = _Correction(account_id, correction_id, note, available, held, captured, bucket, ledger_only)
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
    bucket_id: str
    ledger_only: bool

    @property
    def changes(self) -> dict[str, int]:
        """The change of each balance, in credits, by name."""
        granted = self.available + self.held + self.captured
        return {"granted": granted, "available": self.available, "held": self.held, "captured": self.captured}


async def _post_correction(
    command_context: CommandContext, correction: _Correction, operations: Operations, *, ask: bool
) -> int:
    before = await account_of(command_context, operations, correction.account_id)
    store = operations.deps.store
    posted = await store.entry(correction.account_id, Move.CORRECTION, correction.correction_id)
    if posted is not None:
        await _correct(operations, correction)  # it compares the content, and changes nothing
        command_context.screen.say(
            f"Correction {correction.correction_id} was already posted, {moment(posted.at)}. Nothing was changed."
        )
        return 0
    await _check_bucket(operations, correction, before)
    rows = [
        (name, getattr(before, name), f"{change:+d}", getattr(before, name) + (0 if correction.ledger_only else change))
        for name, change in correction.changes.items()
    ]
    command_context.screen.table(("BALANCE", "NOW", "CHANGE", "THEN"), rows)
    if ask:
        command_context.screen.confirm(f"Post correction {correction.correction_id} to {correction.account_id}?")
    await _correct(operations, correction)
    command_context.screen.say(f"posted correction {correction.correction_id} to {correction.account_id}")
    return 0


async def _correct(operations: Operations, correction: _Correction) -> None:
    """Post a correction; once for each id. Raises RefusedError for an impossible one, and for a used id."""
    try:
        await worker.correct(
            operations.deps,
            correction.account_id,
            Sums(available=correction.available, held=correction.held, captured=correction.captured),
            worker.Command(command_id=correction.correction_id, by=operator_name(), why=correction.note),
            bucket_id=correction.bucket_id,
            ledger_only=correction.ledger_only,
        )
    except ValueError as error:
        raise RefusedError(f"Nothing was changed: {error}") from None


async def _check_bucket(operations: Operations, correction: _Correction, account: Account) -> None:
    """Check that there is the bucket that is named: a misspelt one would be a new one. Raises RefusedError.

    With ``--ledger-only`` it may be one of the ledger that the account has no more.
    """
    named = correction.bucket_id
    there = [bucket.terms.bucket_id for bucket in shown_of(account, operations.deps).buckets]
    if not named or named in there:
        return
    if correction.ledger_only:
        async for entry in operations.deps.store.ledger(account.account_id, 0):
            if any(change.terms.bucket_id == named for change in entry.buckets):
                return
    has = ", ".join(there) or "none"
    raise RefusedError(f"Nothing was changed: {account.account_id} has no bucket {named!r}; it has {has}")
