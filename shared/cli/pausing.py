"""pause, resume, paused: the kill switches.

Rules of this file:
1. A pause is applied here and now, and not by a message: whoever needs it must not wait for a queue. It is the same
   command all the same, with its checks, its stamp and its answer.
2. What is paused is always named. ``--all`` is a word of its own, so that a forgotten option pauses nothing.
"""

import json
from datetime import timedelta
from typing import Annotated, Any
from uuid import uuid4

import typer

from shared.cli.context import Operations, RefusedError, command_context_of, operator_name, span_of, valid_id
from shared.core.commands.acts import MalformedCommand, Pause
from shared.core.commands.parsing import parse_command
from shared.core.events.command_event import CommandOutcome
from shared.core.switches import Switch
from shared.core.values import replace
from shared.ports.switches import FRESH
from shared.worker.applying import apply

_All = Annotated[bool, typer.Option("--all", help="Every create of the app.")]
_Model = Annotated[str | None, typer.Option("--model", "-m", help="Creates on this model.", metavar="MODEL")]
_Account = Annotated[str | None, typer.Option("--account", "-a", help="Creates of this account.", metavar="ACCOUNT")]
_User = Annotated[str | None, typer.Option("--user", "-u", help="Only of this user of the account.", metavar="USER")]
_Id = Annotated[
    str | None, typer.Option("--id", help="The command's id, such as a ticket; default: a new one.", metavar="ID")
]
_Why = Annotated[str | None, typer.Option(help="Why; for operators.", metavar="TEXT")]


def pause(  # noqa: PLR0913, PLR0917  # each is an option of the command
    context: typer.Context,
    everything: _All = False,
    model: _Model = None,
    account: _Account = None,
    user: _User = None,
    lasts: Annotated[
        str | None,
        typer.Option(
            "--for", help="For so long, such as 90m or 2d; default and most: LONGEST_PAUSE_S.", metavar="SPAN"
        ),
    ] = None,
    reason: Annotated[str | None, typer.Option(help="What users read.", metavar="TEXT")] = None,
    command_id: _Id = None,
    why: _Why = None,
) -> None:
    """Pause all creates, or those of a model, account or user.

    What has a hold keeps it, requests wait, and no deadline runs meanwhile. A second pause of the same renews it.
    """
    span = None if lasts is None else span_of(lasts, "--for")
    if span is not None and not span:
        raise typer.BadParameter("--for must be longer than 0; `resume` ends a pause")
    target = _target(everything=everything, model=model, account=account, user=user)
    _give(context, {"type": "pause", "reason": reason, **target}, command_id, why, span)


def resume(
    context: typer.Context,
    everything: _All = False,
    model: _Model = None,
    account: _Account = None,
    user: _User = None,
    command_id: _Id = None,
    why: _Why = None,
) -> None:
    """End a pause before its time. What waits goes on within minutes."""
    target = _target(everything=everything, model=model, account=account, user=user)
    _give(context, {"type": "resume", **target}, command_id, why)


def paused(context: typer.Context) -> None:
    """List what is paused, by whom and until when."""
    command_context = command_context_of(context)

    async def command(operations: Operations) -> int:
        switches = (await operations.deps.switches.read()).switches
        rows = [_row(each) for each in switches if each.running(operations.deps.now())]
        if rows:
            command_context.screen.table(("PAUSED", "UNTIL", "BY", "COMMAND", "WHY"), rows)
        else:
            command_context.screen.say("nothing is paused")
        return 0

    command_context.do(command)


def _row(switch: Switch) -> tuple[str, ...]:
    order = switch.order
    until = f"{switch.spans[-1].until:%Y-%m-%dT%H:%M:%SZ}"
    return order.target.said, until, order.by, order.command_id, order.why or order.reason


def _target(*, everything: bool, model: str | None, account: str | None, user: str | None) -> dict[str, Any]:
    if [everything, model is not None, account is not None].count(True) != 1 or (user is not None and account is None):
        raise typer.BadParameter("name what: --all, or --model MODEL, or --account ACCOUNT, perhaps with --user USER")
    if everything:
        return {"scope": "app"}
    if model is not None:
        return {"scope": "model", "model": model}
    return {"scope": "user" if user else "account", "account_id": account, "user_id": user}


def _give(
    context: typer.Context,
    body: dict[str, Any],
    command_id: str | None,
    why: str | None,
    lasts: timedelta | None = None,
) -> None:
    """Apply the command, and say what became of it."""
    named = f"cli-{uuid4().hex}" if command_id is None else valid_id("--id", command_id)
    head = {"command_id": named, "by": operator_name(), "why": why}
    message = parse_command(json.dumps(head | body).encode())
    if isinstance(message, MalformedCommand):
        raise typer.BadParameter(message.text)
    command_context = command_context_of(context)

    async def command(operations: Operations) -> int:
        now = operations.deps.now()
        act = message.act
        if lasts is not None and isinstance(act, Pause):
            act = replace(act, until=now + lasts)
        answer = await apply(operations.deps, replace(message, act=act), now)
        if answer.outcome is not CommandOutcome.APPLIED:
            raise RefusedError(answer.text)
        command_context.screen.say(f"{answer.text} Every instance knows within {FRESH.seconds} s.")
        return 0

    command_context.do(command)
