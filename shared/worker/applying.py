"""Applies an account command: each act is a call of accounts.py, and its ledger entry says what became of it.

Rules of this file:
1. What cannot be done is an answer, and never an exception.
2. A setting that a newer command has set is left as it is: the entry of the older one is superseded.
"""

from datetime import datetime
from typing import assert_never

from shared.core.commands.acts import (
    AccountCommand,
    Approve,
    Deny,
    Grant,
    Pause,
    Reactivate,
    Refund,
    RemoveLimit,
    Resume,
    Revoke,
    SetAccount,
    SetLimit,
    SetPlan,
    Suspend,
)
from shared.core.events.command_event import APPLIED, CommandAnswer, CommandOutcome, CommandReason, refused
from shared.core.keys import Key
from shared.core.money.allowance import Becomes
from shared.core.money.buckets import DEFAULT_PRIORITY
from shared.core.money.entries import LedgerEntry, Move, operator
from shared.core.money.limits import Scope
from shared.core.money.settings import Settings
from shared.core.reasons import counted
from shared.core.values import replace
from shared.ports import Dependencies
from shared.worker import accounts, approving
from shared.worker.app_settings import limit_of, set_app_limit
from shared.worker.switching import switch


async def apply(deps: Dependencies, command: AccountCommand, came_at: datetime) -> CommandAnswer:
    """Apply a command that is offered."""
    act = command.act
    if isinstance(act, SetPlan) and act.plan not in list(deps.plans):
        return refused(
            CommandReason.UNKNOWN_PLAN, f"There is no plan of this name: choose one of {', '.join(deps.plans)}."
        )
    if isinstance(act, Revoke) and (await deps.store.load_account(command.account_id))[0] is None:
        return refused(CommandReason.NO_ACCOUNT, f"There is no account {command.account_id}.")
    if isinstance(act, Pause | Resume):
        return await switch(deps, command, came_at)
    if isinstance(act, SetLimit | RemoveLimit) and act.scope == Scope.APP:
        return await set_app_limit(deps, command, came_at)
    try:
        if isinstance(act, Approve | Deny):
            await _decide(deps, command, act)
            return APPLIED
        await _give(deps, command, came_at)
    except ValueError as impossible:
        return refused(CommandReason.NOT_POSSIBLE, f"Nothing was changed: {impossible}")
    entry = await deps.store.entry(command.account_id, Move(act.kind), command.command_id)
    return APPLIED if entry is None else _answer(command, entry)


def _answer(command: AccountCommand, entry: LedgerEntry) -> CommandAnswer:
    """What the entry of a command says became of it."""
    if entry.superseded:
        text = "A newer command for this setting is in force. Nothing was changed."
        return CommandAnswer(outcome=CommandOutcome.SUPERSEDED, reason=CommandReason.NEWER_COMMAND, text=text)
    if not isinstance(command.act, Revoke) or entry.revoked == command.act.credits:
        return APPLIED
    if not entry.revoked:
        of_grant = " of this grant" if command.act.grant_id else ""
        text = f"The account has no available credits{of_grant}. Nothing was changed."
        return refused(CommandReason.NOT_ENOUGH_CREDITS, text)
    said = f"{counted(entry.revoked, 'credit')} of {command.act.credits} were available and are revoked."
    return replace(APPLIED, text=said)


async def _give(deps: Dependencies, command: AccountCommand, came_at: datetime) -> None:
    """Call what the act names. Raises ValueError for what cannot be done."""
    account_id, by = command.account_id, operator(command.by)
    given = accounts.Command(
        command_id=command.command_id, by=by, why=command.why, issued_at=command.issued_at, enqueued_at=came_at
    )
    match command.act:
        case Grant() | Revoke() | Refund() as act:
            await _move(deps, account_id, act, given)
        case SetAccount(name=name, zone=zone, approvers=approvers):
            wanted = Settings(name=name, zone=zone, approvers=approvers)
            await accounts.set_account(deps, account_id, wanted, given)
        case SetPlan(plan=plan, allowance=allowance):
            becomes = Becomes(allowance or Becomes.KEPT)
            await accounts.set_plan(deps, account_id, plan, given, becomes=becomes)
        case SetLimit() as act:
            limit = limit_of(act, _scope(act.scope, act.user_id))
            await accounts.set_limit(deps, account_id, limit, given, user_id=act.user_id or "")
        case RemoveLimit(limit_id=limit_id, scope=scope, user_id=user_id):
            of = _scope(scope, user_id)
            await accounts.remove_limit(deps, account_id, limit_id, given, scope=of, user_id=user_id or "")
        case Suspend(reason=reason):
            await accounts.suspend(deps, account_id, reason, given)
        case Reactivate():
            await accounts.reactivate(deps, account_id, given)
        case Approve() | Deny() | Pause() | Resume():
            raise TypeError(f"{command.act.kind} is no move and no setting of an account")
        case _:
            assert_never(command.act)


async def _decide(deps: Dependencies, command: AccountCommand, act: Approve | Deny) -> None:
    """Approve or deny. Who gave it stands as it was given: an operator, or an approver's id."""
    key = Key(act.user_id or command.account_id, act.generation_id, command.account_id)
    given = accounts.Command(command_id=command.command_id, by=command.by, why=command.why)
    if isinstance(act, Approve):
        await approving.approve(deps, key, act.limit_id, act.max_credits, given)
    else:
        await approving.deny(deps, key, act.reason or "", given)


async def _move(deps: Dependencies, account_id: str, act: Grant | Revoke | Refund, given: accounts.Command) -> None:
    if isinstance(act, Revoke):
        await accounts.revoke(deps, account_id, act.credits, given, grant_id=act.grant_id or "")
        return
    if isinstance(act, Refund):
        await accounts.refund(deps, Key(act.user_id or account_id, act.generation_id, account_id), act.credits, given)
        return
    await accounts.grant(
        deps,
        account_id,
        act.credits,
        grant_id=given.command_id,
        expires_at=act.expires_at,
        priority=DEFAULT_PRIORITY if act.priority is None else act.priority,
        by=given.by,
        why=given.why,
    )


def _scope(scope: str | None, user_id: str | None) -> Scope:
    return Scope(scope or (Scope.USER if user_id else Scope.ACCOUNT))
