"""app-limits: show, set, remove. The limits of the whole app.

A limit is set here and now, as a kill switch is: it is the same command as that of the queue, with its checks.
"""

import json
from typing import Annotated, Any, Literal
from uuid import uuid4

import typer

from shared.cli.context import Operations, RefusedError, TakesNegative, command_context_of, operator_name
from shared.core.commands.acts import MalformedCommand, RemoveLimit
from shared.core.commands.parsing import parse_command
from shared.core.events.command_event import CommandOutcome
from shared.core.money.limits import Effect, Limit, Unit
from shared.ports.switches import FRESH
from shared.worker.applying import apply

app_limits = typer.Typer(
    help="Show or change the limits of the whole app.", no_args_is_help=True, rich_markup_mode=None
)

#: All but those of a limit in flight: the app's is a setting, and no command sets it.
Window = Literal["hour", "day", "week", "month", "rolling_24h"]
Counted = Literal["credits", "usd_micros"]

_LimitId = Annotated[str, typer.Argument(help="The limit's id: the same one replaces it.", metavar="LIMIT")]
_Id = Annotated[
    str | None, typer.Option("--id", help="The command's id, such as a ticket; default: a new one.", metavar="ID")
]


@app_limits.command("set", cls=TakesNegative)
def set_limit(  # each is an option of the command
    context: typer.Context,
    limit_id: _LimitId,
    amount: Annotated[int, typer.Argument(help="At most this much in each window.", metavar="N")],
    per: Annotated[
        Window, typer.Option(help="In UTC. How many may be in flight is the setting IN_FLIGHT_MOST.")
    ] = "day",
    unit: Annotated[Counted, typer.Option(help="What counts.")] = "credits",
    effect: Annotated[Effect, typer.Option(help="What it does.")] = Effect.BLOCK,
    command_id: _Id = None,
) -> None:
    """Set a limit of the whole app. What was used in the last 24 hours counts."""
    asked = {"type": "set_limit", "limit_id": limit_id, "window": per, unit: amount, "effect": effect.value}
    _give(context, asked, command_id)


@app_limits.command("remove")
def remove(context: typer.Context, limit_id: _LimitId, command_id: _Id = None) -> None:
    """Take a limit away."""
    _give(context, {"type": "remove_limit", "limit_id": limit_id}, command_id)


@app_limits.command("show")
def show(context: typer.Context) -> None:
    """List the limits, and how much of each is used or held."""
    command_context = command_context_of(context)

    async def command(operations: Operations) -> int:
        from shared.worker.app_limits import ground_of, read_now  # noqa: PLC0415  # only this command needs them

        deps = operations.deps
        limits = (await deps.switches.read()).limits.limits
        if not limits:
            command_context.screen.say("the app has no limits")
            return 0
        await read_now(deps)
        used = ground_of(deps).usage.used(deps.now())
        rows = [_row(each, used[each.window][each.unit is Unit.USD]) for each in limits]
        command_context.screen.table(("LIMIT", "PER", "UNIT", "USED", "OF", "EFFECT"), rows)
        return 0

    command_context.do(command)


def _row(limit: Limit, used: int) -> tuple[str, ...]:
    return (limit.limit_id, limit.window, limit.unit, str(used), str(limit.amount), limit.effect)


def _give(context: typer.Context, body: dict[str, Any], command_id: str | None) -> None:
    """Apply the command, and say what became of it."""
    head = {"command_id": command_id or f"cli-{uuid4().hex}", "by": operator_name(), "scope": "app"}
    message = parse_command(json.dumps(head | body).encode())
    if isinstance(message, MalformedCommand):
        raise typer.BadParameter(message.text)
    command_context = command_context_of(context)

    async def command(operations: Operations) -> int:
        if isinstance(message.act, RemoveLimit):
            there = [each.limit_id for each in (await operations.deps.switches.read()).limits.limits]
            if message.act.limit_id not in there:
                named, has = repr(message.act.limit_id), ", ".join(there) or "none"
                raise RefusedError(f"Nothing was changed: the app has no limit {named}; it has {has}")
        answer = await apply(operations.deps, message, operations.deps.now())
        if answer.outcome is not CommandOutcome.APPLIED:
            raise RefusedError(answer.text)
        command_context.screen.say(
            f"changed the app's limits, command {message.command_id}. Every instance knows within {FRESH.seconds} s."
        )
        return 0

    command_context.do(command)
