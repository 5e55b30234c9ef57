"""When anything can happen next in a world in which nothing is under way, and the commands that are due by then."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from dev.fakes.messenger import COMMANDS
from dev.fakes.world import World
from shared.worker.account_commands import handle_command


def moments_of(world: World) -> Iterator[datetime]:
    """When a row is due, a scheduled message or command comes, or a prediction reaches its Cancel-After."""
    yield from (row.due_at for row in world.index.rows.values())
    yield from (sent.at for sent in world.messenger.scheduled if sent.at is not None)
    yield from (sent.at for sent in world.messenger.commands if sent.at is not None)
    for prediction in world.replicate.running:
        _, attempt = world.replicate.made_for[prediction.prediction_id]
        if not attempt.guarantees.cancel_after:
            continue  # nothing bounds it
        yield (prediction.created_at or world.time) + timedelta(seconds=attempt.cancel_after_s)


async def carry_commands(world: World) -> None:
    """Deliver the deferred commands that are due."""
    messenger, now = world.messenger, world.time
    due = [sent for sent in messenger.commands if sent.at is None or sent.at <= now]
    messenger.commands = [sent for sent in messenger.commands if sent not in due]
    for sent in due:
        await handle_command(world.deps, sent.command, sent.envelope, COMMANDS)
