"""Account commands: each is applied once, and an event says what became of it.

Rules of this file:
1. A command is recorded before it is applied. The same id with the same content gets the same answer, however often it
   is sent. The same id with other content changes nothing, and is refused by name.
2. What a command changes carries the command's id. So a command that a crash has cut off is completed by its next
   delivery, and changes nothing twice.
3. Moves of credits are made in the order in which they arrive. A setting belongs to the command that was issued last:
   the account keeps its stamp (core/money/account.py).
4. What is refused stays undone: its answer is saved together with the row that forbids its move. If the move is there
   already, a worker that was taken for dead has made it, and the command is answered by it.
5. If a dependency is unavailable, a copy is scheduled with back-off, without an end: nothing else knows of the command.
"""

import hashlib
import logging
from datetime import datetime

from shared.core.commands.acts import (
    AccountCommand,
    MalformedCommand,
)
from shared.core.events.command_event import (
    CommandAnswer,
    CommandEvent,
    CommandOutcome,
    CommandReason,
    refused,
)
from shared.core.metric import Metric
from shared.ports import Dependencies, Envelope, Messenger, Unavailable
from shared.worker.applying import apply
from shared.worker.dead_letters import archive
from shared.worker.deferring import deferred_until

logger = logging.getLogger("darkroom.worker")


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
    if record.digest != message.digest:
        await _refuse_mismatch(deps, message, "")
        return
    if record.answer is not None:
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
    record = await deps.commands.claim(command, deps.now())
    if record.digest != command.digest:
        await _refuse_mismatch(deps, command, again)
        return
    if record.answer is None:
        record = await deps.commands.settle(command, await apply(deps, command, came_at), deps.now())
    if record.answer is None:
        answer = await apply(deps, command, came_at)
        record = await deps.commands.settle(command, answer, deps.now(), is_made=True)
    if record.answer is not None:
        await _publish(deps, command, record.answer, record.at, again)


async def _refuse_mismatch(deps: Dependencies, command: AccountCommand, again: str) -> None:
    """Publish that the id is of another command. The digest keeps the event apart from those of that command."""
    text = f"The id {command.command_id} was used before for another command. Nothing was changed: use another id."
    answer = refused(CommandReason.IDEMPOTENCY_MISMATCH, text)
    await _publish(deps, command, answer, deps.now(), again, command.digest[:16])


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
