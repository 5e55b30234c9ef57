"""Account commands: each is applied once, and an event says what became of it.

Rules of this file:
1. A command is recorded before it is applied. The same id with the same content gets the same answer, however often it
   is sent. The same id with other content changes nothing, and is refused by name.
2. What a command changes carries the command's id. So a command that a crash has cut off is completed by its next
   delivery, and changes nothing twice.
3. Moves of credits are made in the order in which they arrive. A setting belongs to the command that was issued last
   (core/commands/settings.py): its stamp is raised after the account was read and before the account is saved, so the
   account's ETag keeps a command that was overtaken from being saved late.
4. A command that does not work yet is refused with a sentence, and is not recorded: once it works, the same message
   does.
5. If a dependency is unavailable, a copy is scheduled with back-off, without an end: nothing else knows of the command.
"""

import hashlib
import logging
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from shared.core.commands.acts import (
    AccountCommand,
    Approve,
    Deny,
    Grant,
    MalformedCommand,
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
from shared.core.commands.settings import settings_of, stamp_of
from shared.core.dependency import Dependency
from shared.core.events.command_event import (
    APPLIED,
    CommandAnswer,
    CommandEvent,
    CommandOutcome,
    CommandReason,
    refused,
)
from shared.core.metric import Metric
from shared.core.money import ledger
from shared.core.money.ledger import Account, LedgerEntry, Move, Terms
from shared.core.reasons import counted
from shared.ports import Conflict, Dependencies, Envelope, Messenger, Unavailable
from shared.worker import accounts
from shared.worker.dead_letters import archive
from shared.worker.deferring import deferred_until
from shared.worker.saving import CONFLICT_TRIES

logger = logging.getLogger("darkroom.worker")

#: The one limit that accounts have so far: credits of the account per day.
_DAILY = "daily"

_NOT_YET = "is not offered yet"


async def handle_command(
    deps: Dependencies, message: AccountCommand | MalformedCommand, envelope: Envelope, queue: str
) -> None:
    """Process a message of the queue of account commands, or defer it. Raises only unexpected errors."""
    with deps.telemetry.span("command"):
        if isinstance(message, MalformedCommand):
            await _refuse_malformed(deps, message, envelope, queue)
            return
        try:
            await _process(deps, message, envelope)
        except Unavailable as trouble:
            deps.telemetry.count(Metric.DEFERRALS, dependency=trouble.dependency)
            await defer_command(deps.messenger, message, envelope, trouble, now=deps.now(), chance=deps.chance())


async def dead_letter_command(
    deps: Dependencies, message: AccountCommand | MalformedCommand, raw: bytes, queue: str
) -> None:
    """Archive a dead letter of the queue, and publish that its command failed, unless it was decided before."""
    name = await archive(deps, raw, None, "dead-lettered", queue)
    logger.warning("%s: a dead letter, archived as %s", queue, name)
    deps.telemetry.count(Metric.DEAD_LETTERS, queue=queue)
    if isinstance(message, MalformedCommand):
        return
    record = await deps.commands.claim(message, deps.now())
    if record.digest == message.digest and record.answer is not None:
        await _publish(deps, message, record.answer, record.at, "")
        return
    text = "The command could not be processed. Send the same message again: what is done already is not done twice."
    failed = CommandAnswer(outcome=CommandOutcome.FAILED, reason=CommandReason.DEAD_LETTERED, text=text)
    await _publish(deps, message, failed, deps.now(), "")


async def defer_command(
    messenger: Messenger,
    command: AccountCommand,
    envelope: Envelope,
    trouble: Unavailable,
    *,
    now: datetime,
    chance: float,
) -> None:
    """Schedule a copy of a command that an unavailable dependency stopped. It carries when the command came."""
    deferrals = envelope.deferrals + 1
    came_at = envelope.since or envelope.enqueued_at or now
    came = f"{envelope.enqueued_at:%Y%m%dT%H%M%S.%f}" if envelope.enqueued_at else ""
    ids = ("command", command.account_id, command.command_id, "deferred", str(deferrals), came, command.digest[:16])
    later = Envelope("/".join(ids), deferrals=deferrals, since=came_at, lost=envelope.lost)
    at = deferred_until(now, envelope.deferrals, trouble.retry_after_s, chance)
    await messenger.send_command(command, later, at=at)


async def _process(deps: Dependencies, command: AccountCommand, envelope: Envelope) -> None:
    came_at = envelope.since or envelope.enqueued_at or deps.now()
    again = came_at.isoformat()
    missing = _not_offered(command)
    if missing:
        answer = refused(CommandReason.NOT_OFFERED, missing)
        await _publish(deps, command, answer, deps.now(), again, command.digest[:16])
        return
    record = await deps.commands.claim(command, deps.now())
    if record.digest != command.digest:
        text = f"The id {command.command_id} was used before for another command. Nothing was changed: use another id."
        answer = refused(CommandReason.IDEMPOTENCY_MISMATCH, text)
        await _publish(deps, command, answer, deps.now(), again, command.digest[:16])
        return
    if record.answer is None:
        record = await deps.commands.settle(command, await _apply(deps, command, came_at), deps.now())
    if record.answer is not None:
        await _publish(deps, command, record.answer, record.at, again)


async def _publish(  # each is a part of the event
    deps: Dependencies, command: AccountCommand, answer: CommandAnswer, at: datetime, again: str, digest: str = ""
) -> None:
    """Publish the answer. ``again`` is when the command came: whoever repeats a command gets its event again."""
    kind, outcome = command.act.kind, answer.outcome.value
    event = CommandEvent(
        account_id=command.account_id,
        command_id=command.command_id,
        kind=kind,
        by=command.by,
        answer=answer,
        at=at,
        digest=digest,
    )
    logger.info("command %s of account %s, %s: %s", command.command_id, command.account_id or "-", kind, outcome)
    deps.telemetry.count(Metric.ACCOUNT_COMMANDS, kind=kind, outcome=outcome)
    await deps.messenger.publish(event, again)


async def _refuse_malformed(deps: Dependencies, message: MalformedCommand, envelope: Envelope, queue: str) -> None:
    """Archive a message that is no command, and publish its refusal if its ids can be returned to the sender."""
    name = await archive(deps, message.raw, None, CommandReason.INVALID_COMMAND.value, queue)
    logger.warning("%s: not a valid command, archived as %s: %s", queue, name, message.text)
    deps.telemetry.count(Metric.MALFORMED_MESSAGES, queue=queue)
    if message.command_id is None:
        return
    event = CommandEvent(
        account_id=message.account_id,
        command_id=message.command_id,
        kind=message.kind,
        by="",
        answer=refused(CommandReason.INVALID_COMMAND, message.text),
        at=deps.now(),
        digest=hashlib.sha256(message.raw).hexdigest()[:32],
    )
    await deps.messenger.publish(event, (envelope.enqueued_at or deps.now()).isoformat())


def _not_offered(command: AccountCommand) -> str:
    """Why a command cannot be applied by this version; empty if it can."""
    match command.act:
        case Grant(expires_at=expires_at, priority=priority):
            wanted = {"expires_at": expires_at is not None, "priority": priority is not None}
        case Revoke(grant_id=grant_id):
            wanted = {"grant_id": grant_id is not None}
        case SetPlan(allowance=allowance):
            wanted = {f"allowance {allowance}": allowance not in (None, "kept")}
        case SetLimit(limit_id=limit_id, window=window, credits=credits_, effect=effect, scope=scope):
            wanted = {
                f"a limit other than {_DAILY!r}": limit_id != _DAILY,
                f"the window {window}": window != "day",
                "a limit in USD": credits_ is None,
                f"the effect {effect}": effect not in (None, "block"),
                f"the scope {scope}": scope not in (None, "account"),
            }
        case RemoveLimit(limit_id=limit_id, scope=scope):
            wanted = {
                f"a limit other than {_DAILY!r}": limit_id != _DAILY,
                f"the scope {scope}": scope not in (None, "account"),
            }
        case Refund() | SetAccount() | Suspend() | Reactivate() | Approve() | Deny() | Pause() | Resume():
            return f"The command {command.act.kind} {_NOT_YET}. Nothing was changed."
        case _:
            assert_never(command.act)
    missing = [name for name, is_wanted in wanted.items() if is_wanted]
    return f"In the command {command.act.kind}, {missing[0]} {_NOT_YET}. Nothing was changed." if missing else ""


async def _apply(deps: Dependencies, command: AccountCommand, came_at: datetime) -> CommandAnswer:
    """Apply a command that is offered. What cannot be done is an answer, and never an exception."""
    try:
        match command.act:
            case Grant(credits=credits_):
                await accounts.grant(deps, command.account_id, credits_, grant_id=command.command_id)
                return APPLIED
            case Revoke(credits=credits_):
                return await _revoke(deps, command, credits_)
            case SetPlan(plan=plan):
                if plan not in list(deps.plans):
                    text = f"There is no plan of this name: choose one of {', '.join(deps.plans)}."
                    return refused(CommandReason.UNKNOWN_PLAN, text)
                return await _change(deps, command, came_at, Terms(plan=plan))
            case SetLimit(credits=credits_):
                return await _change(deps, command, came_at, Terms(daily_limit_credits=credits_))
            case RemoveLimit():
                return await _change(deps, command, came_at, Terms(unlimited=True))
            case Refund() | SetAccount() | Suspend() | Reactivate() | Approve() | Deny() | Pause() | Resume():
                return refused(CommandReason.NOT_OFFERED, _not_offered(command))
            case _:
                assert_never(command.act)
    except ValueError as impossible:
        return refused(CommandReason.NOT_POSSIBLE, f"Nothing was changed: {impossible}")


async def _revoke(deps: Dependencies, command: AccountCommand, amount: int) -> CommandAnswer:
    """Take back what is available, at most ``amount``."""
    account_id, entry_id = command.account_id, command.command_id
    note = f"revoked by {command.by}" + (f": {command.why}" if command.why else "")
    posted = await _find_posted(deps, account_id, Move.CORRECTION, entry_id)
    if posted is None:
        account, _ = await deps.store.load_account(account_id)
        if account is None:
            return refused(CommandReason.NO_ACCOUNT, f"There is no account {account_id}.")
        taken = min(amount, account.available)
        if not taken:
            return refused(
                CommandReason.NOT_ENOUGH_CREDITS, "The account has no available credits. Nothing was changed."
            )
        try:
            await accounts.correct(
                deps, account_id, available=-taken, held=0, captured=0, correction_id=entry_id, note=note
            )
        except ValueError:  # spent meanwhile, or posted by another delivery
            posted = await _find_posted(deps, account_id, Move.CORRECTION, entry_id)
            if posted is None:
                raise
    revoked = taken if posted is None else -posted.available
    less = f"{counted(revoked, 'credit')} of {amount} were available and are revoked." if revoked < amount else ""
    return replace(APPLIED, text=less)


async def _find_posted(deps: Dependencies, account_id: str, move: Move, entry_id: str) -> LedgerEntry | None:
    """The entry of this command, if an earlier delivery has made it."""
    async for entry in deps.store.ledger(account_id):
        if (entry.move, entry.entry_id) == (move, entry_id):
            return entry
    return None


async def _change(deps: Dependencies, command: AccountCommand, came_at: datetime, terms: Terms) -> CommandAnswer:
    """Set one setting, unless a newer command has set it (rule 3). The first command of an account opens it."""
    (setting,) = settings_of(command.act)
    stamp = stamp_of(command, came_at)
    for _ in range(CONFLICT_TRIES):
        account, etag = await deps.store.load_account(command.account_id)
        newest = await deps.commands.raise_stamp(command.account_id, setting, stamp)
        if newest != stamp:
            if await _find_posted(deps, command.account_id, Move.TERMS, command.command_id):
                return APPLIED  # by an earlier delivery, before the newer command came
            text = f"A newer command for this setting is in force: {newest.command_id}. Nothing was changed."
            return CommandAnswer(outcome=CommandOutcome.SUPERSEDED, reason=CommandReason.NEWER_COMMAND, text=text)
        changed, entry = ledger.changed(
            account or Account(account_id=command.account_id), terms, change_id=command.command_id, at=deps.now()
        )
        try:
            await deps.store.post(changed, etag, entry)  # False: an earlier delivery has posted it
        except Conflict:
            await deps.sleep(deps.chance() / 10)
            continue
        return APPLIED
    raise Unavailable(Dependency.TABLES, "the account is being changed by too many at once")
