"""The flows of limits: warnings, and approvals that are asked, given, denied, forgotten, canceled."""

import json
from dataclasses import replace

from dev.fakes.accounts import daily
from dev.fakes.world import KEY
from dev.simulation.cases import End
from dev.simulation.schedules import Faced, Flow, Stage
from shared.core.commands.acts import AccountCommand
from shared.core.commands.parsing import parse_command
from shared.core.money.app_limits import AppLimits
from shared.core.money.limits import Effect, Limit, Scope
from shared.core.money.windows import Span
from shared.core.requests.messages import CancelRequest, Check

#: An approval is waited for this long here: everything ends within the bound of a schedule.
_WITHIN_S = 1800

_APPROVE = {"type": "approve", "limit_id": "daily", "max_credits": 2}

_NO_SUCCESS = (End.SUCCEEDED,)


async def request_warns(stage: Stage) -> Faced:
    """A request that reaches half of a limit that warns."""
    world = stage.world
    world.store.put_account(replace(world.account(), limits=(replace(daily(2), effect=Effect.WARN),)))
    return Faced(stage.request())


async def request_counts(stage: Stage) -> Faced:
    """A request that the app's limits count: one blocks later, and of one it reaches half."""
    blocks = Limit(limit_id="app", window=Span.DAY, amount=9, scope=Scope.APP)
    warns = Limit(limit_id="spend", window=Span.HOUR, amount=4, effect=Effect.WARN, scope=Scope.APP)
    stage.world.switches.limits = AppLimits((blocks, warns))
    return Faced(stage.request())


async def request_asks(stage: Stage) -> Faced:
    """A request that needs an approval, which never comes."""
    _limit(stage)
    return Faced(stage.request())


async def approve(stage: Stage) -> Faced:
    """An approval of what waits."""
    await wait_for_approval(stage)
    return Faced(None, command=approval())


async def check_approved(stage: Stage) -> Faced:
    """The check that opens what was approved."""
    await wait_for_approval(stage)
    await stage.again(Faced(None, command=approval()))
    stage.world.messenger.sent.clear()
    return Faced(Check(KEY))


async def deny(stage: Stage) -> Faced:
    """A denial of what waits."""
    await wait_for_approval(stage)
    return Faced(None, command=_command({"type": "deny"}))


async def check_undecided(stage: Stage) -> Faced:
    """The time to decide is over."""
    await wait_for_approval(stage)
    stage.world.pass_time(_WITHIN_S + 1)
    return Faced(Check(KEY))


async def cancel_waiting(stage: Stage) -> Faced:
    """A cancel of what waits for an approval."""
    await wait_for_approval(stage)
    return Faced(CancelRequest(KEY))


async def wait_for_approval(stage: Stage) -> None:
    """A request waits for an approval."""
    _limit(stage)
    await stage.ask()


def approval() -> AccountCommand:
    """The approval of what waits."""
    return _command(_APPROVE)


def _limit(stage: Stage) -> None:
    world = stage.world
    world.store.put_account(replace(world.account(), limits=(replace(daily(1), effect=Effect.APPROVE),)))
    world.deps = replace(world.deps, limits=replace(world.deps.limits, approve_within_s=_WITHIN_S))


def _command(fields: dict[str, object]) -> AccountCommand:
    head = {"command_id": "a1", "account_id": KEY.account_id, "by": "operator:kim"}
    command = parse_command(json.dumps(head | {"generation_id": KEY.generation_id} | fields).encode())
    if not isinstance(command, AccountCommand):
        raise TypeError(command.text)
    return command


APPROVAL_FLOWS: tuple[Flow, ...] = (
    Flow("request that reaches half of a limit", request_warns, creates=True, ends=(End.SUCCEEDED,)),
    Flow("request that the app's limits count", request_counts, creates=True, ends=(End.SUCCEEDED, End.FEWER)),
    Flow("request that needs an approval", request_asks, ends=_NO_SUCCESS),
    Flow("approval", approve, creates=True),
    Flow("check of RECEIVED, approved", check_approved, creates=True),
    Flow("denial", deny, ends=_NO_SUCCESS),
    Flow("check of RECEIVED, not decided", check_undecided, ends=_NO_SUCCESS),
    Flow("cancel of RECEIVED, not decided", cancel_waiting, ends=_NO_SUCCESS),
)
