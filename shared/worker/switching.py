"""The commands pause and resume: a kill switch that belongs to the command that was issued last.

Rules of this file:
1. The answer depends on the command and on the switches that are saved, never on how often the command came.
2. A pause of a model that the catalogue does not have is refused: a misspelt name would stop nothing.
"""

from datetime import datetime, timedelta

from shared.core.commands.acts import AccountCommand, Pause, Resume
from shared.core.dependency import Dependency
from shared.core.events.command_event import APPLIED, CommandAnswer, CommandOutcome, CommandReason, refused
from shared.core.money import settings
from shared.core.switches import Order, PauseScope, Switches, Target, latest_until, ordered
from shared.core.values import replace
from shared.ports import Conflict, Dependencies, Unavailable

#: How often a write is tried again after somebody else was faster.
_TRIES = 10


async def switch(deps: Dependencies, command: AccountCommand, came_at: datetime) -> CommandAnswer:
    """Apply a pause or a resume."""
    order = _order(deps, command, came_at)
    impossible = _impossible(deps, order)
    if impossible:
        return refused(CommandReason.NOT_POSSIBLE, f"Nothing was changed: {impossible}")
    for _ in range(_TRIES):
        board = await deps.switches.read()
        before = board.switches
        try:
            after = ordered(before, order, deps.now(), _remembered(deps))
        except ValueError as full:
            return refused(CommandReason.NOT_POSSIBLE, f"Nothing was changed: {full}")
        if after is None:
            text = "A newer command for this switch is in force. Nothing was changed."
            return CommandAnswer(outcome=CommandOutcome.SUPERSEDED, reason=CommandReason.NEWER_COMMAND, text=text)
        try:
            if after is not before:
                await deps.switches.save(replace(board, switches=after))
        except Conflict:
            continue
        deps.recent_switches.forget()
        return replace(APPLIED, text=_said(order, after))
    raise Unavailable(Dependency.TABLES, "the kill switches are being changed by too many at once")


def _order(deps: Dependencies, command: AccountCommand, came_at: datetime) -> Order:
    act, stamp = command.act, settings.Order.of(command.issued_at or came_at, command.command_id, came_at)
    if not isinstance(act, Pause | Resume):
        raise TypeError(f"{act.kind} is no command for a kill switch")
    scope = PauseScope(act.scope or PauseScope.ACCOUNT)
    target = Target(scope, command.account_id, act.user_id or "", act.model or "")
    order = Order(target=target, issued_at=stamp.issued_at, command_id=stamp.command_id, by=command.by, why=command.why)
    if isinstance(act, Resume):
        return order
    most = timedelta(seconds=deps.limits.longest_pause_s)
    return replace(order, until=latest_until(stamp.issued_at, act.until, most), reason=act.reason or "")


def _impossible(deps: Dependencies, order: Order) -> str:
    if order.until is None:
        return ""
    model = order.target.model
    if model and model not in deps.catalog.models:
        return f"the catalogue has no model {model}; models are {', '.join(sorted(deps.catalog.models))}"
    return "" if order.until > order.issued_at else "until is not later than the command itself"


def _remembered(deps: Dependencies) -> timedelta:
    """The longest wait there is, or the longest pause (core/switches.py, rule 4)."""
    limits = deps.limits
    longest = max(deps.timing.give_up_after_s, limits.patience_s, limits.longest_pause_s, limits.approve_within_s)
    return timedelta(seconds=longest)


def _said(order: Order, after: Switches) -> str:
    """What the command has done, by the switches after it (rule 1): a pause that has paused says so for ever."""
    what = order.target.said
    if order.until is None:
        return f"Not paused: {what}."
    until = f"{order.until:%Y-%m-%dT%H:%M:%SZ}"
    spans = next((each.spans for each in after if each.order.target == order.target), ())
    if not spans or spans[-1].until != order.until:
        return f"This pause was over already, at {until}. Not paused: {what}."
    return f"Paused until {until}: {what}."
