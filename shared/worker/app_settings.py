"""The commands set_limit and remove_limit of the whole app.

Rules of this file:
1. A limit belongs to the command that was issued last, as a kill switch does. The answer depends on the command and on
   what is saved, never on how often the command came.
2. With the first limit, and whenever nothing was rebuilt for long, the app's use is rebuilt at once: what was used in
   the last 24 h counts. While there is no limit nobody counts, so one that is set again is a first one. A week or a
   month counts from then on, because no account remembers its days.
3. A limit that is changed warns anew.
"""

from datetime import datetime

from shared.core.commands.acts import AccountCommand, RemoveLimit, SetLimit
from shared.core.dependency import Dependency
from shared.core.events.command_event import APPLIED, CommandAnswer, CommandOutcome, CommandReason, refused
from shared.core.money.app_limits import AppLimits, limit_removed, limit_set
from shared.core.money.limits import Effect, Limit, Scope, Unit
from shared.core.money.settings import Order
from shared.core.money.windows import Span
from shared.core.values import replace
from shared.ports import Conflict, Dependencies, Unavailable
from shared.ports.app_windows import AppRows
from shared.worker.reconsidering import reconsider

#: How often a write is tried again after somebody else was faster.
_TRIES = 10


def limit_of(act: SetLimit, scope: Scope) -> Limit:
    """The limit that a command sets. Raises ValueError if its window and its unit do not belong together."""
    given = {Unit.CREDITS: act.credits, Unit.USD: act.usd_micros, Unit.GENERATIONS: act.generations}
    unit, amount = next((unit, amount) for unit, amount in given.items() if amount is not None)
    return Limit(
        limit_id=act.limit_id,
        window=Span(act.window),
        amount=amount,
        unit=unit,
        effect=Effect(act.effect or Effect.BLOCK),
        scope=scope,
    )


async def set_app_limit(deps: Dependencies, command: AccountCommand, came_at: datetime) -> CommandAnswer:
    """Set or remove a limit of the app."""
    order = Order.of(command.issued_at or came_at, command.command_id, came_at)
    for _ in range(_TRIES):
        board = await deps.switches.read()
        try:
            after = _after(board.limits, command, order)
        except ValueError as impossible:
            return refused(CommandReason.NOT_POSSIBLE, f"Nothing was changed: {impossible}")
        if after is None:
            text = "A newer command for this limit is in force. Nothing was changed."
            return CommandAnswer(outcome=CommandOutcome.SUPERSEDED, reason=CommandReason.NEWER_COMMAND, text=text)
        try:
            if after is not board.limits:
                await deps.switches.save(replace(board, limits=after))
        except Conflict:
            continue
        deps.recent_switches.forget()
        await _follow_up(deps, board.limits, after, command.command_id)
        return APPLIED
    raise Unavailable(Dependency.TABLES, "the app's limits are being changed by too many at once")


def _after(found: AppLimits, command: AccountCommand, order: Order) -> AppLimits | None:
    match command.act:
        case SetLimit() as act:
            return limit_set(found, limit_of(act, Scope.APP), order)
        case RemoveLimit(limit_id=limit_id):
            return limit_removed(found, limit_id, order)
        case _:
            raise TypeError(f"{command.act.kind} is no command for a limit of the app")


async def _follow_up(deps: Dependencies, before: AppLimits, after: AppLimits, command_id: str) -> None:
    """Rules 2 and 3. What waits for an approval past one of the limits may need none now."""
    from shared.worker.app_rebuild import EVERY, rebuild  # noqa: PLC0415  # a command of the app is rare

    rows = await deps.app_windows.read()
    changed = {each.limit_id for each in set(before.limits) ^ set(after.limits)}
    for warned in rows.warned:
        if warned.limit_id in changed:
            await deps.app_windows.forget(warned)
    unknown = not before.limits or rows.base is None or deps.now() - rows.base.at >= EVERY
    if after.limits and unknown:
        await rebuild(deps, AppRows(rows.base, rows.instances), at_once=True)
    await reconsider(deps, "", command_id)
