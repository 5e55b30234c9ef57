"""The flows of kill switches: what is about to be created is paused, before and after it has a hold."""

from dataclasses import replace
from datetime import timedelta

from dev.fakes.world import KEY
from dev.simulation.cases import End
from dev.simulation.schedules import Faced, Flow, Stage
from shared.core.provider.prediction import DeferReason, NotCreated
from shared.core.requests.messages import CancelRequest, Check
from shared.core.switches import Order, PauseScope, Span, Switch, Target

#: How long the app is paused: longer than a create is retried, where most of it is over before the fault.
LONG, SHORT = timedelta(hours=7), timedelta(minutes=20)

#: For flows in which nothing is created before the fault.
ONE_END = (End.SUCCEEDED,)


async def request_paused(stage: Stage) -> Faced:
    """A request comes while the app is paused."""
    _pause(stage)
    return Faced(stage.request())


async def request_resumed(stage: Stage) -> Faced:
    """The copy of a request that was taken in while the app was paused comes after the pause was ended."""
    await _taken_in(stage)
    resume(stage)
    return Faced(stage.request())


async def check_received_paused(stage: Stage) -> Faced:
    """The copy of a paused request was lost, and it has waited for longer than anything else would."""
    await _taken_in(stage, LONG)
    stage.world.messenger.scheduled.clear()
    stage.world.pass_time(6.5 * 3600)
    return Faced(Check(KEY))


async def waiting_paused(stage: Stage) -> Faced:
    """The wait of a WAITING generation is over, and the app was paused meanwhile."""
    await paused_waiting(stage)
    return Faced(stage.request())


async def check_waiting_paused(stage: Stage) -> Faced:
    """The same after more than six hours of the pause."""
    await paused_waiting(stage, LONG)
    await stage.hear(stage.request())
    stage.world.messenger.scheduled.clear()
    stage.world.pass_time(6.5 * 3600)
    return Faced(Check(KEY))


async def cancel_received_paused(stage: Stage) -> Faced:
    """A cancel of a paused request."""
    await _taken_in(stage)
    return Faced(CancelRequest(KEY))


async def cancel_waiting_paused(stage: Stage) -> Faced:
    """A cancel of a generation that is paused and keeps its hold."""
    await paused_waiting(stage)
    await stage.hear(stage.request())
    return Faced(CancelRequest(KEY))


def _pause(stage: Stage, lasts: timedelta = SHORT) -> None:
    now = stage.world.now()
    order = Order(target=Target(PauseScope.APP), issued_at=now, command_id="p", until=now + lasts, by="kim")
    stage.world.switches.switches = (Switch(order, (Span(now, now + lasts),)),)
    stage.world.pass_time(5)


def resume(stage: Stage) -> None:
    """The pause ends by hand, and every instance knows it."""
    (switch,) = stage.world.switches.switches
    span = replace(switch.spans[0], until=stage.world.now())
    stage.world.switches.switches = (replace(switch, spans=(span,)),)
    stage.world.pass_time(5)


async def _taken_in(stage: Stage, lasts: timedelta = SHORT) -> None:
    _pause(stage, lasts)
    await stage.ask()


async def paused_waiting(stage: Stage, lasts: timedelta = SHORT) -> None:
    """A generation with a hold waits to be created, and the app was paused meanwhile."""
    stage.world.replicate.answer_next_create_with(NotCreated(DeferReason.THROTTLED, 30))
    await stage.ask()
    stage.world.messenger.scheduled.clear()
    _pause(stage, lasts)
    stage.world.pass_time(60)


PAUSE_FLOWS: tuple[Flow, ...] = (
    Flow("paused request", request_paused, ends=ONE_END),
    Flow("paused request, resumed", request_resumed, creates=True),
    Flow("check of RECEIVED, paused", check_received_paused, ends=ONE_END),
    Flow("copy of a request, paused", waiting_paused, ends=ONE_END),
    Flow("check of WAITING, paused", check_waiting_paused, ends=ONE_END),
    Flow("cancel of RECEIVED, paused", cancel_received_paused, ends=ONE_END),
    Flow("cancel of WAITING, paused", cancel_waiting_paused, ends=ONE_END),
)
