"""What the answers to pause and resume say."""

import json
from datetime import timedelta
from typing import Any

from dev.fakes.messenger import COMMANDS as QUEUE
from dev.fakes.world import World
from shared.core.commands.parsing import parse_command
from shared.ports import Envelope
from shared.worker.account_commands import handle_command


async def answer(world: World, kind: str, command_id: str, **fields: Any) -> tuple[str, str]:
    """One command about the account ada; the outcome and the sentence of its event."""
    body = {"type": kind, "command_id": command_id, "account_id": "ada", "by": "kim"} | fields
    message = parse_command(json.dumps(body).encode())
    await handle_command(world.deps, message, Envelope("m", enqueued_at=world.now()), QUEUE)
    event = world.messenger.commanded.pop()
    return event.outcome, event.answer.text


async def test_a_pause_that_is_over_when_it_comes_says_so() -> None:
    """It pauses nothing, and does not say that it does; the pause that ran ends with it."""
    world = World()
    await answer(world, "pause", "p1", issued_at="2026-11-21T10:00:00Z")
    said = await answer(world, "pause", "p2", issued_at="2026-11-21T11:00:00Z", until="2026-11-21T11:30:00Z")
    assert said == ("applied", "This pause was over already, at 2026-11-21T11:30:00Z. Not paused: the account ada.")
    assert not any(each.running(world.now()) for each in world.switches.switches)


async def test_the_same_pause_again_says_the_same() -> None:
    """Its record was lost in a crash, and its time is over meanwhile: it has paused all the same."""
    world = World()
    until = (world.now() + timedelta(minutes=5)).isoformat()
    first = await answer(world, "pause", "p1", until=until, issued_at=world.now().isoformat())
    assert first == ("applied", "Paused until 2026-11-21T12:05:00Z: the account ada.")
    world.commands.records.clear()
    world.messenger.forget_ids()
    world.pass_time(600)
    assert await answer(world, "pause", "p1", until=until, issued_at="2026-11-21T12:00:00Z") == first
