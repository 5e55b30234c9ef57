"""The library functions for what belongs to no account: the kill switches and the limits of the whole app.

Rules of this file:
1. Each is the command of the queue, with its checks, its stamp and its answer. What is refused is a ValueError with the
   sentence; a newer command that is in force is an answer.
2. The commands are imported with the first call: the road of a picture never needs them.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from shared.core.money.limits import Limit, Scope
from shared.core.switches import Target
from shared.ports import Dependencies
from shared.worker.accounts import Command

if TYPE_CHECKING:
    from shared.core.events.command_event import CommandAnswer


async def pause(
    deps: Dependencies, target: Target, command: Command, *, until: datetime | None = None, reason: str = ""
) -> "CommandAnswer":
    """Create nothing for a target until a time, at the latest for ``LONGEST_PAUSE_S``. ``reason`` is what users read.

    Raises ValueError if that cannot be.
    """
    body = {"type": "pause", "until": until.isoformat() if until else None, "reason": reason or None}
    return await _give(deps, body | _named(target), command)


async def resume(deps: Dependencies, target: Target, command: Command) -> "CommandAnswer":
    """End a pause before its time. Raises ValueError if that cannot be."""
    return await _give(deps, {"type": "resume", **_named(target)}, command)


async def set_app_limit(deps: Dependencies, limit: Limit, command: Command) -> "CommandAnswer":
    """Set a limit of the whole app. Raises ValueError if that cannot be."""
    body = {
        "type": "set_limit",
        "scope": Scope.APP.value,
        "limit_id": limit.limit_id,
        "window": limit.window.value,
        limit.unit.value: limit.amount,
        "effect": limit.effect.value,
    }
    return await _give(deps, body, command)


async def remove_app_limit(deps: Dependencies, limit_id: str, command: Command) -> "CommandAnswer":
    """Take a limit of the whole app away. Raises ValueError if that cannot be."""
    return await _give(deps, {"type": "remove_limit", "scope": Scope.APP.value, "limit_id": limit_id}, command)


def _named(target: Target) -> dict[str, str | None]:
    ids = {"account_id": target.account_id, "user_id": target.user_id, "model": target.model}
    return {"scope": target.scope.value, **{name: given or None for name, given in ids.items()}}


async def _give(deps: Dependencies, body: Mapping[str, object], command: Command) -> "CommandAnswer":
    """Apply it as the queue would (rule 1)."""
    from shared.core.commands.acts import MalformedCommand  # noqa: PLC0415  # rule 2
    from shared.core.commands.parsing import parse_command  # noqa: PLC0415  # rule 2
    from shared.core.events.command_event import CommandOutcome  # noqa: PLC0415  # rule 2
    from shared.worker.applying import apply  # noqa: PLC0415  # rule 2

    head = {
        "command_id": command.command_id,
        "by": command.by,
        "why": command.why or None,
        "issued_at": command.issued_at.isoformat() if command.issued_at else None,
    }
    given = {name: value for name, value in (head | dict(body)).items() if value is not None}
    message = parse_command(json.dumps(given).encode())
    if isinstance(message, MalformedCommand):
        raise ValueError(message.text)  # noqa: TRY004  # it is the caller's value
    answer = await apply(deps, message, command.enqueued_at or deps.now())
    if answer.outcome is CommandOutcome.REFUSED:
        raise ValueError(answer.text)
    return answer
