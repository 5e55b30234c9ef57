"""The flows: each prepares a state and returns the message whose handling has the fault."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

from dev.fakes.accounts import daily
from dev.fakes.world import KEY
from dev.simulation.approval_flows import APPROVAL_FLOWS
from dev.simulation.cases import End
from dev.simulation.modality_flows import MODALITY_FLOWS
from dev.simulation.money_flows import MONEY_FLOWS
from dev.simulation.pause_flows import PAUSE_FLOWS
from dev.simulation.picture_flows import PICTURE_FLOWS, finished, finished_event
from dev.simulation.schedules import Faced, Flow, Stage
from dev.simulation.turn_flows import TURN_FLOWS
from shared.core.money.windows import UNUSED
from shared.core.provider.prediction import DeferReason, NotCreated, OutcomeUnknown
from shared.core.requests.digest import digest_of
from shared.core.requests.messages import CancelRequest, Check
from shared.ports import OpenRow

CHECK = Check(KEY)
CANCEL = CancelRequest(KEY)

#: For flows in which the first prediction never ends by itself.
ONE_END = (End.SUCCEEDED,)


async def request(stage: Stage) -> Faced:
    """A request of a user with credits."""
    return Faced(stage.request())


async def request_refused(stage: Stage) -> Faced:
    """A request that is rejected before it opens."""
    return Faced(replace(stage.request(), prompt="A gory lighthouse"))


async def request_clashing(stage: Stage) -> Faced:
    """Another request under the id of a RUNNING generation, which goes on."""
    await stage.ask()
    other = replace(stage.request(), prompt="A kingfisher at night")
    return Faced(replace(other, digest=digest_of(other)))


async def copy(stage: Stage) -> Faced:
    """The deferred copy of the request arrives when the wait of a WAITING generation is over."""
    await _waiting(stage)
    (sent,) = stage.world.messenger.scheduled
    stage.world.messenger.scheduled.clear()
    stage.world.pass_time(60)
    return Faced(sent.message)


async def webhook(stage: Stage) -> Faced:
    """A webhook says that the prediction ended."""
    await stage.ask()
    return Faced(finished(stage))


async def webhook_slimmed(stage: Stage) -> Faced:
    """The same, but the webhook was too large, so its message has no outputs."""
    await stage.ask()
    event = finished(stage)
    return Faced(replace(event, prediction=replace(event.prediction, outputs=(), complete=False)))


async def webhook_slimmed_and_blank(stage: Stage) -> Faced:
    """The same, and for a while a GET does not return the outputs either."""
    faced = await webhook_slimmed(stage)
    stage.world.replicate.blank.add(stage.world.replicate.only_id)
    stage.world.replicate.blank_until = stage.world.time + timedelta(minutes=5)
    return faced


async def webhook_before_the_outputs(stage: Stage) -> Faced:
    """The same, but the second output answers 404 during its first seconds."""
    faced = await webhook(stage)
    for uri in stage.world.prediction().outputs[1:]:
        stage.world.replicate.comes_at[uri] = stage.world.time + timedelta(seconds=90)
    return faced


async def webhook_of_unknown(stage: Stage) -> Faced:
    """The same, but the answer to the create was lost, so the prediction id is not stored yet."""
    stage.world.replicate.answer_next_create_with(OutcomeUnknown("timed out"), really_created=True)
    await stage.ask()
    return Faced(finished(stage))


async def check_submitting(stage: Stage) -> Faced:
    """The answer to the create was lost, and the prediction is in Replicate's list."""
    await webhook_of_unknown(stage)
    stage.world.pass_time(60)
    return Faced(CHECK)


async def check_lost(stage: Stage) -> Faced:
    """The create never reached Replicate, and its ``Cancel-After`` has passed."""
    stage.world.replicate.answer_next_create_with(OutcomeUnknown("timed out"))
    await stage.ask()
    stage.world.pass_time(400)
    return Faced(CHECK)


async def check_held(stage: Stage) -> Faced:
    """The wait of a WAITING generation is over, but the copy of its request was lost."""
    await copy(stage)
    return Faced(CHECK)


async def check_given_up(stage: Stage) -> Faced:
    """The generation has been WAITING for more than six hours."""
    await _waiting(stage, retry_after_s=7 * 3600)
    stage.world.messenger.scheduled.clear()
    stage.world.pass_time(6.5 * 3600)
    return Faced(CHECK)


async def check_running(stage: Stage) -> Faced:
    """The prediction ended, but its webhook was lost."""
    await webhook(stage)
    stage.world.pass_time(60)
    return Faced(CHECK)


async def check_not_known(stage: Stage) -> Faced:
    """Replicate answers 404 for the prediction for the first time, although it runs."""
    await stage.ask()
    stage.world.replicate.start(stage.world.replicate.only_id)
    stage.world.replicate.unknown.add(stage.world.replicate.only_id)
    stage.world.replicate.unknown_until = stage.world.time + timedelta(seconds=90)
    stage.world.pass_time(60)
    return Faced(CHECK)


async def check_known_again(stage: Stage) -> Faced:
    """Replicate answered 404 before, and now the prediction has finished."""
    faced = await check_not_known(stage)
    await stage.hear(CHECK)
    finished(stage)
    stage.world.pass_time(60)
    return faced


async def check_vanished(stage: Stage) -> Faced:
    """Replicate has answered 404 for a long time, and ``Cancel-After`` has passed."""
    faced = await check_not_known(stage)
    stage.world.replicate.unknown_until = None
    await stage.hear(CHECK)
    stage.world.pass_time(400)
    stage.world.replicate.keep_deadlines()
    return faced


async def cancel_not_known(stage: Stage) -> Faced:
    """A cancel while Replicate answers 404 for the running prediction."""
    await check_not_known(stage)
    return Faced(CANCEL)


async def check_overdue(stage: Stage) -> Faced:
    """The prediction still runs long after Replicate should have canceled it."""
    await stage.ask()
    stage.world.replicate.start(stage.world.replicate.only_id)
    stage.world.pass_time(400)
    return Faced(CHECK)


async def check_ended(stage: Stage) -> Faced:
    """The end was saved, and the process died before it was announced (or before the next attempt was on its way)."""
    await stage.ask()
    event = finished(stage)
    stage.world.messenger.down = True
    await _raises(lambda: stage.hear(event))
    stage.world.messenger.down = False
    stage.world.pass_time(60)
    return Faced(CHECK)


async def held_while_asked(stage: Stage) -> Faced:
    """A request whose create is answered with 429."""
    stage.world.replicate.answer_next_create_with(NotCreated(DeferReason.THROTTLED, 30))
    return Faced(stage.request())


async def request_over_limit(stage: Stage) -> Faced:
    """A request over the daily limit shortly before midnight. Its prompt is unsafe."""
    stage.world.store.put_account(
        replace(stage.world.account(), limits=(daily(2),), usage=UNUSED.plus(stage.world.time, 2, 0, "UTC"))
    )
    stage.world.time = stage.world.time.replace(hour=23, minute=59)
    return Faced(replace(stage.request(), prompt="A gory lighthouse"))


async def request_taken_in(stage: Stage) -> Faced:
    """The copy of a request that was received while content safety was unavailable."""
    await _taken_in(stage)
    (sent,) = stage.world.messenger.scheduled
    stage.world.messenger.scheduled.clear()
    return Faced(sent.message)


async def check_taken_in(stage: Stage) -> Faced:
    """The same, but the copy was lost."""
    await request_taken_in(stage)
    return Faced(CHECK)


async def check_taken_in_given_up(stage: Stage) -> Faced:
    """The same, and the time to give up has come."""
    await request_taken_in(stage)
    stage.world.pass_time(7 * 3600)
    return Faced(CHECK)


async def cancel_taken_in(stage: Stage) -> Faced:
    """A cancel while the request waits to open; its copy arrives later."""
    await _taken_in(stage)
    return Faced(CANCEL)


async def dead_letter_taken_in(stage: Stage) -> Faced:
    """The copy of such a request is a dead letter."""
    await request_taken_in(stage)
    return Faced(stage.request(), dead=True)


async def request_of_ended(stage: Stage) -> Faced:
    """The same request again, after its end was announced."""
    await webhook(stage)
    await stage.hear(finished_event(stage))
    return Faced(stage.request())


async def check_of_nothing(stage: Stage) -> Faced:
    """An old row of the open index whose generation never opened: its request was deferred and may still come."""
    now = stage.world.time
    stage.world.index.rows[KEY] = OpenRow(key=KEY, due_at=now, expires_at=now, written_at=now - timedelta(seconds=1000))
    stage.rival = stage.request()
    return Faced(CHECK)


async def timer(stage: Stage) -> Faced:
    """The timer runs, and one generation is overdue."""
    await check_running(stage)
    return Faced(None)


async def cancel_unopened(stage: Stage) -> Faced:
    """A cancel for a request that never comes."""
    return Faced(CANCEL)


async def cancel_submitting(stage: Stage) -> Faced:
    """A cancel while the outcome of the create is unknown."""
    stage.world.replicate.answer_next_create_with(OutcomeUnknown("timed out"), really_created=True)
    await stage.ask()
    return Faced(CANCEL)


async def cancel_held(stage: Stage) -> Faced:
    """A cancel while the generation is WAITING and has no prediction."""
    await _waiting(stage)
    return Faced(CANCEL)


async def cancel_running(stage: Stage) -> Faced:
    """A cancel while the prediction runs."""
    await stage.ask()
    stage.world.replicate.start(stage.world.replicate.only_id)
    return Faced(CANCEL)


async def cancel_finished(stage: Stage) -> Faced:
    """A cancel that is too late: the prediction has ended, and its webhook has not arrived."""
    await webhook(stage)
    return Faced(CANCEL)


async def dead_letter_unopened(stage: Stage) -> Faced:
    """A dead letter: a request that opened no generation."""
    return Faced(stage.request(), dead=True)


async def dead_letter_submitting(stage: Stage) -> Faced:
    """A dead letter: a request whose create lost its answer."""
    await cancel_submitting(stage)
    return Faced(stage.request(), dead=True)


async def dead_letter_held(stage: Stage) -> Faced:
    """A dead letter: the copy of a deferred request."""
    await _waiting(stage)
    return Faced(stage.request(), dead=True)


async def dead_letter_running(stage: Stage) -> Faced:
    """A dead letter: a check, while the prediction runs."""
    await stage.ask()
    return Faced(CHECK, dead=True)


async def dead_letter_finished(stage: Stage) -> Faced:
    """A dead letter: a request whose prediction has succeeded."""
    await webhook(stage)
    return Faced(stage.request(), dead=True)


async def dead_letter_event(stage: Stage) -> Faced:
    """A dead letter: a webhook's message whose output could not be delivered."""
    await stage.ask()
    return Faced(finished(stage), dead=True)


async def _waiting(stage: Stage, retry_after_s: float = 30) -> None:
    stage.world.replicate.answer_next_create_with(NotCreated(DeferReason.THROTTLED, retry_after_s))
    await stage.ask()


async def _taken_in(stage: Stage) -> None:
    stage.world.screener.down = True
    await stage.ask()
    stage.world.screener.down = False
    stage.world.pass_time(60)


async def _raises(act: Callable[[], Awaitable[None]]) -> None:
    try:
        await act()
    except Exception:  # noqa: BLE001  # what it is does not matter: it is the end of this delivery
        return


#: The ends after which there is an output.
_SUCCESSES = (End.SUCCEEDED, End.UNSAFE, End.EXPIRES)

FLOWS: tuple[Flow, ...] = (
    Flow("request", request, creates=True),
    Flow("request that is refused", request_refused, ends=ONE_END),
    Flow("request that is deferred", held_while_asked, creates=True),
    Flow("request over a limit, near midnight", request_over_limit, ends=ONE_END),
    Flow("request that clashes", request_clashing, ends=ONE_END),
    Flow("copy of a request", copy, creates=True),
    Flow("copy of a request that was taken in", request_taken_in, creates=True),
    Flow("request of what has ended", request_of_ended, ends=ONE_END),
    Flow("webhook", webhook),
    Flow("webhook without its outputs", webhook_slimmed),
    Flow("webhook without its outputs, not shown either", webhook_slimmed_and_blank, ends=_SUCCESSES),
    Flow("webhook before the outputs are there", webhook_before_the_outputs, ends=_SUCCESSES),
    Flow("webhook after a lost answer", webhook_of_unknown),
    Flow("check of SUBMITTING, created", check_submitting),
    Flow("check of SUBMITTING, lost", check_lost),
    Flow("check of WAITING", check_held, creates=True),
    Flow("check of WAITING, given up", check_given_up, ends=ONE_END),
    Flow("check of RUNNING", check_running),
    Flow("check of RUNNING, not known", check_not_known),
    Flow("check of RUNNING, known again", check_known_again, ends=_SUCCESSES),
    Flow("check of RUNNING, vanished", check_vanished, ends=ONE_END),
    Flow("check of RUNNING, overdue", check_overdue, ends=ONE_END),
    Flow("check of ended", check_ended),
    Flow("check of RECEIVED", check_taken_in, creates=True),
    Flow("check of RECEIVED, given up", check_taken_in_given_up, ends=ONE_END),
    Flow("check of nothing", check_of_nothing),
    Flow("timer", timer),
    Flow("cancel of nothing", cancel_unopened, ends=ONE_END),
    Flow("cancel of RECEIVED", cancel_taken_in, ends=ONE_END),
    Flow("cancel of SUBMITTING", cancel_submitting),
    Flow("cancel of WAITING", cancel_held, ends=ONE_END),
    Flow("cancel of RUNNING", cancel_running, ends=ONE_END),
    Flow("cancel of RUNNING, not known", cancel_not_known, ends=ONE_END),
    Flow("cancel of finished", cancel_finished),
    Flow("dead request, unopened", dead_letter_unopened, ends=ONE_END),
    Flow("dead request, RECEIVED", dead_letter_taken_in, ends=ONE_END),
    Flow("dead request, SUBMITTING", dead_letter_submitting),
    Flow("dead request, WAITING", dead_letter_held, ends=ONE_END),
    Flow("dead check, RUNNING", dead_letter_running, ends=ONE_END),
    Flow("dead request, finished", dead_letter_finished),
    Flow("dead event", dead_letter_event),
    *APPROVAL_FLOWS,
    *PAUSE_FLOWS,
    *MONEY_FLOWS,
    *PICTURE_FLOWS,
    *TURN_FLOWS,
    *MODALITY_FLOWS,
)
