"""The flows: each with what comes before it (before.py), and the play of all its schedules."""

from collections import Counter
from dataclasses import dataclass

from tests.reliability import before
from tests.reliability.effects import run
from tests.reliability.invariants import Broken
from tests.reliability.modality_flows import MODALITY_FLOWS
from tests.reliability.schedules import End, Flow, perform, schedules

#: For flows in which the first prediction never lives to its own end.
ONE_END = (End.SUCCEEDED,)

#: The ends after which there is something to be shown.
_SUCCESSES = (End.SUCCEEDED, End.UNSAFE, End.EXPIRES)

FLOWS: tuple[Flow, ...] = (
    Flow("request", before.request, creates=True),
    Flow("request with an image", before.request_with_image, creates=True, ends=(End.SUCCEEDED, End.TRANSIENT)),
    Flow("request that is refused", before.request_refused, ends=ONE_END),
    Flow("request that is put off", before.held_while_asked, creates=True),
    Flow("request over a limit, near midnight", before.request_over_limit, ends=ONE_END),
    Flow("copy of a request", before.copy, creates=True),
    Flow("copy of a request that was taken in", before.request_taken_in, creates=True),
    Flow("request of what has ended", before.request_of_ended, ends=ONE_END),
    Flow("webhook", before.webhook),
    Flow("webhook, with an image", before.webhook_with_image, ends=(End.SUCCEEDED, End.CONTENT)),
    Flow("webhook without its outputs", before.webhook_slimmed),
    Flow("webhook without its outputs, not shown either", before.webhook_slimmed_and_blank, ends=_SUCCESSES),
    Flow("webhook before the outputs are there", before.webhook_before_the_outputs, ends=_SUCCESSES),
    Flow("webhook, with an image that is leased", before.webhook_with_leased_image, ends=(End.SUCCEEDED, End.CONTENT)),
    Flow("webhook after a lost answer", before.webhook_of_unknown),
    Flow("check of SUBMITTING, created", before.check_submitting),
    Flow("check of SUBMITTING, lost", before.check_lost),
    Flow("check of HELD", before.check_held, creates=True),
    Flow("check of HELD, given up", before.check_given_up, ends=ONE_END),
    Flow("check of RUNNING", before.check_running),
    Flow("check of RUNNING, not known", before.check_not_known),
    Flow("check of RUNNING, known again", before.check_known_again, ends=_SUCCESSES),
    Flow("check of RUNNING, vanished", before.check_vanished, ends=ONE_END),
    Flow("check of RUNNING, overdue", before.check_overdue, ends=ONE_END),
    Flow("check of ended", before.check_ended),
    Flow("check of RECEIVED", before.check_taken_in, creates=True),
    Flow("check of RECEIVED, given up", before.check_taken_in_given_up, ends=ONE_END),
    Flow("check of nothing", before.check_of_nothing),
    Flow("timer", before.timer),
    Flow("cancel of nothing", before.cancel_unopened, ends=ONE_END),
    Flow("cancel of RECEIVED", before.cancel_taken_in, ends=ONE_END),
    Flow("cancel of SUBMITTING", before.cancel_submitting),
    Flow("cancel of HELD", before.cancel_held, ends=ONE_END),
    Flow("cancel of RUNNING", before.cancel_running, ends=ONE_END),
    Flow("cancel of RUNNING, not known", before.cancel_not_known, ends=ONE_END),
    Flow("cancel of finished", before.cancel_finished),
    Flow("dead request, unopened", before.bury_unopened, ends=ONE_END),
    Flow("dead request, RECEIVED", before.bury_taken_in, ends=ONE_END),
    Flow("dead request, SUBMITTING", before.bury_submitting),
    Flow("dead request, HELD", before.bury_held, ends=ONE_END),
    Flow("dead check, RUNNING", before.bury_running, ends=ONE_END),
    Flow("dead request, finished", before.bury_finished),
    Flow("dead event", before.bury_event),
    *MODALITY_FLOWS,
)


@dataclass(frozen=True, slots=True)
class Tally:
    """What all schedules of a flow came to: how many there were, what went wrong how often, the first that broke."""

    schedules: int
    struck: Counter[str]
    broken: str = ""


def play(name: str) -> Tally:
    """Run every schedule of the flow of this name, up to the first that breaks a promise."""
    (flow,) = [flow for flow in FLOWS if flow.name == name]
    count, struck = 0, Counter[str]()
    for schedule in schedules(flow):
        try:
            stage = run(perform(schedule))
        except (Broken, AssertionError) as broken:
            return Tally(count, struck, f"{schedule}: {broken}")
        count += 1
        if stage.fault.struck:
            struck[f"{schedule.mode} {stage.fault.struck}"] += 1
    return Tally(count, struck)
