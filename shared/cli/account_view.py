"""What is shown of an account: sums, buckets, limits, the last entries of its ledger.

What is due now (allowance, expiry) is reckoned in, and nothing is saved.
"""

import heapq
import shlex
from typing import Annotated, Any

import typer

from shared import worker
from shared.cli.account_limits import HEADS, LimitNow, Whose, limits_now, whose_of
from shared.cli.context import CommandContext, Operations, RefusedError, command_context_of, valid_id
from shared.core.money import moves
from shared.core.money.account import Account
from shared.core.money.buckets import Bucket
from shared.core.money.credits import SUMS
from shared.core.money.entries import LedgerEntry
from shared.core.money.moves import Posting
from shared.ports import Dependencies
from shared.views.times import moment
from shared.worker.accounts import allowance_of

AccountId = Annotated[
    str, typer.Argument(help="The account's id: a user's own, unless requests name another.", metavar="ACCOUNT")
]


def show(
    context: typer.Context,
    account_id: AccountId,
    last: Annotated[int, typer.Option(help="Show the last N ledger entries.", metavar="N", min=0, max=10_000)] = 10,
    user: Annotated[
        str | None, typer.Option(help="Show the limits of this user, and what it uses.", metavar="USER")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show an account's credits, plan, limits and last moves."""
    valid_id("the account", account_id)
    if user is not None:
        valid_id("--user", user)
    command_context = command_context_of(context)

    async def command(operations: Operations) -> int:
        found = await account_of(command_context, operations, account_id)
        entries = [entry async for entry in operations.deps.store.ledger(account_id, max(0, found.seq - last))]
        recent = heapq.nlargest(last, entries, key=lambda entry: entry.seq)
        whose = await whose_of(found, user, operations.deps)
        if as_json:
            command_context.screen.json(_account_json(found, whose, recent, operations.deps))
            return 0
        command_context.screen.facts(sums_of(found, operations.deps))
        shown = shown_of(found, operations.deps)
        _show_parts(command_context, shown, limits_now(shown, whose, operations.deps))
        if recent:
            command_context.screen.say(
                f"\nlast {len(recent)} of {max(found.seq, recent[0].seq)} ledger entries, the newest first"
            )
            _show_entries(command_context, recent)
        return 0

    command_context.do(command)


async def account_of(command_context: CommandContext, operations: Operations, account_id: str) -> Account:
    """The account as it is saved. RefusedError, with what helps, if there is none.

    An account whose row somebody has taken away is not opened anew: its first entry would have a number that is there.
    """
    found, _ = await operations.store.load_account(account_id)
    if found is not None:
        return found
    program, named = command_context.program, shlex.quote(account_id)
    if gone := await worker.gone(operations.deps, account_id):
        raise RefusedError(
            f"The row of account {account_id!r} is gone: {gone.text}. Restore the row. How far its ledger fits:"
            f" {program} account verify {named}"
        )
    raise RefusedError(f"There is no account {account_id!r}. Open it with: {program} grant {named} CREDITS")


def shown_of(account: Account, deps: Dependencies) -> Account:
    """The account with what is due now, which nobody has posted yet."""
    return moves.brought(account, Posting(at=deps.now(), allowance=allowance_of(deps, account.plan))).account


def sums_of(account: Account, deps: Dependencies) -> list[tuple[str, str]]:
    """The facts of an account: plan, sums, settings."""
    shown = shown_of(account, deps)
    plan = shown.plan or deps.plans.default
    gone = "" if plan in deps.plans else " (there is no such plan: requests wait; set another with `account plan`)"
    facts = [("account", shown.account_id), ("name", shown.name), ("plan", f"{plan}{gone}")]
    facts += [(name, str(getattr(shown, name))) for name in ("available", "held", "captured")]
    facts += [(name, str(number)) for name in ("expired", "revoked") if (number := getattr(shown, name))]
    facts += [("granted", str(shown.granted)), ("zone", shown.zone if shown.zone != "UTC" else "")]
    facts += [("approvers", ", ".join(shown.approvers)), ("suspended", shown.suspended_for)]
    return [(name, value) for name, value in facts if value]


def _show_parts(command_context: CommandContext, account: Account, limits: list[LimitNow]) -> None:
    """The buckets, if there are several or one that expires, and the limits that hold."""
    if any(bucket.terms.expires_at for bucket in account.buckets) or len(account.buckets) > 1:
        heads = ("BUCKET", "PRIORITY", "EXPIRES", "AVAILABLE", "HELD")
        command_context.screen.say("\nbuckets, in the order of spending")
        command_context.screen.table(heads, [_bucket_row(bucket) for bucket in account.buckets])
    if limits:
        command_context.screen.say("\nlimits")
        command_context.screen.table(HEADS, [each.row() for each in limits])


def _bucket_row(bucket: Bucket) -> tuple[str, str, str, str, str]:
    terms = bucket.terms
    until = moment(terms.expires_at) if terms.expires_at else "never"
    return (terms.bucket_id, str(terms.priority), until, str(bucket.available), str(bucket.held))


def _account_json(
    account: Account, whose: Whose | None, entries: list[LedgerEntry], deps: Dependencies
) -> dict[str, Any]:
    shown = shown_of(account, deps)
    return {
        "account_id": shown.account_id,
        "name": shown.name,
        "plan": shown.plan or deps.plans.default,
        "standing": shown.standing,
        "suspended_for": shown.suspended_for,
        "zone": shown.zone,
        "approvers": shown.approvers,
        **{name: getattr(shown, name) for name in SUMS},
        "buckets": [
            {
                "bucket_id": each.terms.bucket_id,
                "priority": each.terms.priority,
                "expires_at": each.terms.expires_at.isoformat() if each.terms.expires_at else None,
                "available": each.available,
                "held": each.held,
            }
            for each in shown.buckets
        ],
        "limits": [each.as_json() for each in limits_now(shown, whose, deps)],
        "ledger": [_entry_json(entry) for entry in entries],
    }


def _entry_json(entry: LedgerEntry) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "at": entry.at.isoformat(),
        "move": entry.move.value,
        "belongs_to": entry.generation_id or entry.entry_id,
        "user_id": entry.user_id or None,
        **{name: getattr(entry, name) for name in SUMS},
        "asked": entry.asked,
        "superseded": entry.superseded,
        "by": entry.by,
        "why": entry.why,
    }


def _show_entries(command_context: CommandContext, entries: list[LedgerEntry]) -> None:
    heads = ("TIME", "MOVE", "BELONGS TO", *(name.upper() for name in SUMS), "BY", "WHAT AND WHY")
    rows = [
        (moment(entry.at), entry.move.value, _belongs_to(entry), *_changes(entry), entry.by, _said(entry))
        for entry in entries
    ]
    command_context.screen.table(heads, rows)


def _said(entry: LedgerEntry) -> str:
    """What was asked, whether a newer command came first, and why."""
    return "; ".join(each for each in (entry.asked, "superseded" if entry.superseded else "", entry.why) if each)


def _belongs_to(entry: LedgerEntry) -> str:
    """The generation, with its user if the user's id is not the account's; without a generation, the entry's own id."""
    if not entry.generation_id:
        return entry.entry_id
    mine = entry.user_id in ("", entry.account_id)  # empty: the name was erased
    return entry.generation_id if mine else f"{entry.user_id}/{entry.generation_id}"


def _changes(entry: LedgerEntry) -> list[str]:
    """The change of each balance, such as ``+5``; empty if it did not change."""
    return [f"{getattr(entry, name):+d}" if getattr(entry, name) else "" for name in SUMS]
