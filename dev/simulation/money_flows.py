"""The flows of credits beside a hold and its end: refunds, expiry, allowances, plan changes, revokes, grants.

Rules of this file:
1. Each flow has the edge between what comes before the fault and what comes after it, so that a delay crosses it.
2. A plan is set after the one before: at equal times the greater id wins, and nothing would change.
3. A command is faced as the queue delivers it. ``Stage.settle`` delivers what was deferred of it.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from dev.fakes.world import KEY, World
from dev.simulation.cases import End
from dev.simulation.picture_flows import finished
from dev.simulation.schedules import Faced, Flow, Stage
from shared import worker
from shared.core.commands.acts import AccountCommand
from shared.core.commands.parsing import parse_command
from shared.core.money.allowance import Allowance, Period
from shared.ports import NotedToday
from shared.worker.account_commands import handle_command

#: A second before the next month, in which the next allowance is due.
NEARLY_DECEMBER = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)

#: Credits that expire soon are spent first, and expire after so long.
SOON_S = 60

MONTHLY = Allowance(credits=4, period=Period.MONTHLY, rollover_credits=1)

_SUCCEEDS, _PAID_OR_NOT = (End.SUCCEEDED,), (End.SUCCEEDED, End.FEWER, End.CONTENT)


async def refund(stage: Stage) -> Faced:
    """A refund of one of the two credits that a picture captured."""
    await _paid(stage)
    return Faced(None, command=_command("refund", credits=1, generation_id=KEY.generation_id))


async def refund_of_more(stage: Stage) -> Faced:
    """A refund of two credits, of which one was given back before."""
    await _paid(stage)
    await _give(stage.world, _command("refund", "first", credits=1, generation_id=KEY.generation_id))
    return Faced(None, command=_command("refund", credits=2, generation_id=KEY.generation_id))


async def refund_of_expired(stage: Stage) -> Faced:
    """The same, of credits that have expired meanwhile: they expire as they are given back."""
    await _soon(stage)
    await _paid(stage)
    stage.world.pass_time(SOON_S + 1)
    return Faced(None, command=_command("refund", credits=1, generation_id=KEY.generation_id))


async def request_before_expiry(stage: Stage) -> Faced:
    """A request whose credits expire a second later."""
    await _soon(stage)
    stage.world.pass_time(SOON_S - 1)
    return Faced(stage.request())


async def webhook_after_expiry(stage: Stage) -> Faced:
    """The end of a generation whose held credits have expired: what is released expires in the same move."""
    await _soon(stage)
    await stage.ask()
    stage.world.pass_time(SOON_S + 1)
    return Faced(finished(stage))


async def request_before_allowance(stage: Stage) -> Faced:
    """A request in the last second of a period, with credits of its allowance."""
    await _allowed(stage.world)
    stage.world.time = NEARLY_DECEMBER
    return Faced(stage.request())


async def webhook_after_allowance(stage: Stage) -> Faced:
    """The end of a generation that holds credits of the last period: the next period's come with it."""
    await _allowed(stage.world)
    stage.world.time = NEARLY_DECEMBER
    await stage.ask()
    stage.world.pass_time(1)
    return Faced(finished(stage))


async def plan_change(stage: Stage) -> Faced:
    """A plan change that ends the running allowance, while a generation holds credits of it."""
    await _allowed(stage.world)
    await stage.ask()
    stage.world.pass_time(1)
    return Faced(None, command=_command("set_plan", plan="basic", allowance="ended"))


async def plan_change_prorated(stage: Stage) -> Faced:
    """A plan change to a plan with an allowance, in the last second of a period."""
    await _allowed(stage.world)
    stage.world.time = NEARLY_DECEMBER
    return Faced(None, command=_command("set_plan", plan="premium", allowance="prorated"))


async def webhook_after_plan_change(stage: Stage) -> Faced:
    """The end of a generation that was opened with another plan: its price is the one it was opened with."""
    await _allowed(stage.world)
    await stage.ask()
    stage.world.pass_time(1)
    await _give(stage.world, _command("set_plan", plan="free", allowance="ended"))
    return Faced(finished(stage))


async def revoke(stage: Stage) -> Faced:
    """A revoke of more than is available, while a generation holds two credits."""
    await stage.ask()
    return Faced(None, command=_command("revoke", credits=100))


async def grant(stage: Stage) -> Faced:
    """A grant that expires, the account's first move of the day, by an instance that has just started."""
    world = stage.world
    world.pass_time(timedelta(days=1).total_seconds())
    world.deps = replace(world.deps, noted_today=NotedToday())
    expires_at = (world.now() + timedelta(seconds=SOON_S)).isoformat()
    return Faced(None, command=_command("grant", credits=3, expires_at=expires_at, priority=1))


async def request_of_a_new_day(stage: Stage) -> Faced:
    """A request that is the account's first move of the day, at an instance that has just started."""
    world = stage.world
    world.pass_time(timedelta(days=1).total_seconds())
    world.deps = replace(world.deps, noted_today=NotedToday())
    return Faced(stage.request())


async def _soon(stage: Stage) -> None:
    """Two credits that expire soon, and are spent first."""
    world = stage.world
    expires_at = world.now() + timedelta(seconds=SOON_S)
    await worker.grant(world.deps, KEY.account_id, 2, grant_id="soon", expires_at=expires_at, priority=1)


async def _paid(stage: Stage) -> None:
    """A picture was made and paid for."""
    await stage.ask()
    stage.sent.add(stage.world.replicate.only_id)
    await stage.hear(finished(stage))
    await stage.world.pump()


async def _allowed(world: World) -> None:
    """The premium plan has an allowance, and this month's was granted."""
    plans = world.deps.plans
    premium = replace(plans["premium"], allowance=MONTHLY)
    world.deps = replace(world.deps, plans=replace(plans, plans={**plans.plans, "premium": premium}))
    await _give(world, _command("grant", "first", credits=1))


async def _give(world: World, command: AccountCommand) -> None:
    """A command without a fault."""
    faced = Faced(None, command=command)
    await handle_command(world.deps, command, faced.envelope("before"), "account-commands")
    world.messenger.commanded.clear()


def _command(kind: str, command_id: str = "c1", **fields: object) -> AccountCommand:
    head = {"type": kind, "command_id": command_id, "account_id": KEY.account_id, "by": "operator:kim"}
    command = parse_command(json.dumps(head | fields).encode())
    if not isinstance(command, AccountCommand):
        raise TypeError(command.text)
    return command


MONEY_FLOWS: tuple[Flow, ...] = (
    Flow("refund", refund, ends=_SUCCEEDS),
    Flow("refund of more than is left", refund_of_more, ends=_SUCCEEDS),
    Flow("refund of credits that have expired", refund_of_expired, ends=_SUCCEEDS),
    Flow("request with credits that expire", request_before_expiry, creates=True, ends=_PAID_OR_NOT),
    Flow("webhook after the credits have expired", webhook_after_expiry, ends=_PAID_OR_NOT),
    Flow("request at the end of a period", request_before_allowance, creates=True, ends=_PAID_OR_NOT),
    Flow("webhook in the next period", webhook_after_allowance, ends=_PAID_OR_NOT),
    Flow("plan change in flight", plan_change, ends=_PAID_OR_NOT),
    Flow("plan change at the end of a period", plan_change_prorated, ends=_SUCCEEDS),
    Flow("webhook after a plan change", webhook_after_plan_change, ends=_PAID_OR_NOT),
    Flow("revoke in flight", revoke, ends=_PAID_OR_NOT),
    Flow("grant that expires", grant, ends=_SUCCEEDS),
    Flow("request, the first move of a day", request_of_a_new_day, creates=True, ends=_SUCCEEDS),
)
