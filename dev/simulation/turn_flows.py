"""The flows of turns: what has none is parked, a look gives one on, it is taken; before the hold or after a pause.

One generation may be in flight. The flows differ in whose limit says so, so that every kind meets faults.
"""

from dataclasses import replace
from datetime import timedelta
from enum import StrEnum

from dev.fakes.world import KEY
from dev.simulation.approval_flows import approval, wait_for_approval
from dev.simulation.cases import End
from dev.simulation.pause_flows import paused_waiting, resume
from dev.simulation.schedules import Faced, Flow, Stage
from shared.core.keys import Key
from shared.core.money.limits import Limit, Scope, Unit
from shared.core.money.windows import Span
from shared.core.requests.messages import CancelRequest, Check, Look
from shared.core.switches import PauseScope, Target


class Bound(StrEnum):
    """Whose limit in flight it is."""

    PLAN = "plan"
    ACCOUNT = "account"
    USER = "user"
    APP = "app"


#: What has the one turn of the account before.
BEFORE = Key(KEY.user_id, "before", KEY.account_id)

#: The end is that of the other generation. That of the one that faces the fault is in the flows without turns.
_ONE_END = (End.SUCCEEDED,)


async def request_parked(stage: Stage) -> Faced:
    """A request comes while the account has all that may be in flight."""
    await _full(stage)
    return Faced(stage.request())


async def look_gives(stage: Stage) -> Faced:
    """A look finds a turn that is free."""
    await _freed(stage)
    return Faced(Look(stage.world.now()))


async def request_given(stage: Stage) -> Faced:
    """The message of a request that was given a turn."""
    await _freed(stage)
    await stage.hear(Look(stage.world.now()))
    stage.world.messenger.sent.clear()
    return Faced(stage.request())


async def check_parked(stage: Stage) -> Faced:
    """A crash has lost the place of a parked request, and every look."""
    await _freed(stage)
    stage.world.waiting.rows.clear()
    stage.world.waiting.kept.clear()
    return Faced(Check(KEY))


async def check_given(stage: Stage) -> Faced:
    """The message of a request that was given a turn is lost."""
    await _freed(stage, Bound.ACCOUNT)
    await stage.hear(Look(stage.world.now()))
    stage.world.messenger.sent.clear()
    return Faced(Check(KEY))


async def cancel_parked(stage: Stage) -> Faced:
    """A cancel of a parked request."""
    await _freed(stage, Bound.APP)
    return Faced(CancelRequest(KEY))


async def request_counted(stage: Stage) -> Faced:
    """A request of a user who may have one at a time, and has none: what it has and who waits is read."""
    await stage.open()
    _one_at_once(stage, Bound.USER)
    return Faced(stage.request())


async def resumed_without_a_turn(stage: Stage) -> Faced:
    """The pause of a generation with a hold is over, and another one has its turn."""
    _one_at_once(stage, Bound.USER)
    await paused_waiting(stage)
    await stage.hear(stage.request())
    resume(stage)
    await stage.world.ask(BEFORE)
    stage.world.pass_time(400)
    return Faced(stage.request())


async def approved_without_a_turn(stage: Stage) -> Faced:
    """What was approved would open, and another generation has the one turn: it is parked, and opens later."""
    await _approved(stage, Bound.APP)
    return Faced(Check(KEY))


async def _approved(stage: Stage, bound: Bound) -> None:
    await wait_for_approval(stage)
    _one_at_once(stage, bound)
    await stage.world.ask(BEFORE)
    await stage.again(Faced(None, command=approval()))
    stage.world.messenger.sent.clear()


async def approved_look_gives(stage: Stage) -> Faced:
    """A look gives a turn to what was approved and had none."""
    await _approved(stage, Bound.USER)
    await stage.hear(Check(KEY))
    await _ended(stage)
    return Faced(Look(stage.world.now()))


async def pause_frees_a_turn(stage: Stage) -> Faced:
    """A pause stops the create of the one that has the turn; a request without one waits for it."""
    _one_at_once(stage)
    await paused_waiting(stage)
    (switch,) = stage.world.switches.switches
    target = Target(PauseScope.MODEL, model=stage.world.generation(KEY).attempt.model)
    stage.world.switches.switches = (replace(switch, order=replace(switch.order, target=target)),)
    await stage.world.ask(BEFORE, model="flux-dev")
    return Faced(stage.request())


def _one_at_once(stage: Stage, bound: Bound = Bound.PLAN) -> None:
    world, scope = stage.world, Scope.USER if bound is Bound.USER else Scope.ACCOUNT
    if bound is Bound.APP:
        world.deps = replace(world.deps, limits=replace(world.deps.limits, in_flight_most=1))
    elif bound is Bound.PLAN:
        plans = world.deps.plans
        premium = replace(plans["premium"], concurrency=1)
        world.deps = replace(world.deps, plans=replace(plans, plans={**plans.plans, "premium": premium}))
    else:
        limit = Limit(limit_id="open", window=Span.IN_FLIGHT, amount=1, unit=Unit.GENERATIONS, scope=scope)
        world.store.put_account(replace(world.account(), limits=(*world.account().limits, limit)))


async def _full(stage: Stage, bound: Bound = Bound.PLAN) -> None:
    _one_at_once(stage, bound)
    await stage.world.ask(BEFORE)


async def _freed(stage: Stage, bound: Bound = Bound.PLAN) -> None:
    """The request is parked, the other generation has ended, and no look is left."""
    await _full(stage, bound)
    await stage.ask()
    await _ended(stage)


async def _ended(stage: Stage) -> None:
    """The other generation has ended, and no look is left."""
    await stage.news()
    await stage.world.tick()
    if BEFORE in stage.world.index.rows:
        stage.world.index.rows[BEFORE] = replace(
            stage.world.index.rows[BEFORE], due_at=stage.world.now() + timedelta(seconds=60)
        )
    stage.world.messenger.scheduled.clear()
    stage.world.messenger.sent.clear()


TURN_FLOWS: tuple[Flow, ...] = (
    Flow("request without a turn", request_parked, ends=_ONE_END),
    Flow("request with room for it", request_counted, creates=True, ends=_ONE_END),
    Flow("look gives a turn", look_gives, ends=_ONE_END),
    Flow("request that was given a turn", request_given, creates=True, ends=_ONE_END),
    Flow("check of what is parked", check_parked, ends=_ONE_END),
    Flow("check of what was given a turn", check_given, ends=_ONE_END),
    Flow("cancel of what is parked", cancel_parked, ends=_ONE_END),
    Flow("resumed, without a turn", resumed_without_a_turn, ends=_ONE_END),
    Flow("approved, without a turn", approved_without_a_turn, ends=_ONE_END),
    Flow("look gives a turn to what was approved", approved_look_gives, ends=_ONE_END),
    Flow("pause that frees a turn", pause_frees_a_turn, ends=_ONE_END),
)
