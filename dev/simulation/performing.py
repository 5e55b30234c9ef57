"""How schedules are performed: each of a flow, from an empty world to rest, with every invariant on the way."""

from collections.abc import Iterator
from dataclasses import replace

from dev.fakes.world import KEY
from dev.simulation.effects import Fault, Mode, modes_of, run
from dev.simulation.invariants import after_step, at_rest
from dev.simulation.schedules import End, Faced, Flow, Schedule, Stage, Webhook
from dev.simulation.snapshots import Snapshot


class Shared:
    """What the schedules of one flow have in common: schedules that do not differ before a fault meet it once.

    It is known, not guessed, that they do not differ: a stage records which ends and webhooks it has distinguished
    (``Stage.alike``), and the rest of a schedule is in the key. The common part is copied whole (snapshots.py).
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[Flow, int, Mode, bool], list[tuple[frozenset[tuple[End, Webhook]], Met]]] = {}

    def find(self, schedule: Schedule) -> "tuple[Stage, Faced, bool] | None":
        """A copy of the stage that has met this schedule's fault; nothing if there is none yet."""
        for alike, met in self._kept.get(_key(schedule), ()):
            if (schedule.end, schedule.webhook) in alike:
                stage, faced, done = met.copy()
                stage.turned(schedule.end, schedule.webhook)
                return stage, faced, done
        return None

    def keep(self, schedule: Schedule, stage: Stage, faced: Faced, *, done: bool) -> None:
        """Remember it as it is, if it is of use to any other."""
        if len(stage.alike) > 1:
            self._kept.setdefault(_key(schedule), []).append((stage.alike, Snapshot((stage, faced, done))))


Met = Snapshot[tuple[Stage, Faced, bool]]


def _key(schedule: Schedule) -> tuple[Flow, int, Mode, bool]:
    return schedule.flow, schedule.effect, schedule.mode, schedule.again_last


async def met(schedule: Schedule, shared: Shared | None = None) -> tuple[Stage, Faced, bool]:
    """The fault, from an empty world on, and the next delivery unless that comes last; or what others came to there.

    Returns the stage, what has faced the fault, and whether it needs no delivery any more.
    """
    found = shared.find(schedule) if shared else None
    if found is not None:
        return found
    stage = Stage(schedule.end, schedule.webhook, Fault(schedule.effect, schedule.mode))
    await stage.open()
    faced = await schedule.flow.prepare(stage)
    done = await stage.face(faced)
    after_step(stage.watch, KEY.account_id)
    if not done and not schedule.again_last:
        await stage.again(faced)
        done = True
    if shared:
        shared.keep(schedule, stage, faced, done=done)
    return stage, faced, done


async def perform(schedule: Schedule, shared: Shared | None = None) -> Stage:
    """Run one schedule from an empty world to rest, with every invariant on the way; returns the stage."""
    stage, faced, done = await met(schedule, shared)
    if not done:
        await stage.world.pump()
        await stage.news()
        await stage.again(faced)
    await stage.settle()
    at_rest(stage.watch)
    return stage


#: The webhooks that come before what died is delivered again, if that comes last.
_TELLING = (Webhook.ONCE, Webhook.TWICE, Webhook.DISORDERED)


def schedules(flow: Flow, shared: Shared | None = None) -> Iterator[Schedule]:
    """Every schedule of a flow: each effect of it, however the webhook comes and the prediction ends."""
    for end in flow.ends:
        for webhook in Webhook:
            if webhook is Webhook.EARLY and not flow.creates:
                continue
            whole = Schedule(flow, 0, Mode.CRASH_BEFORE, webhook, end)
            yield whole
            stage, _, _ = run(met(whole, shared))
            names = stage.fault.names
            for number, name in enumerate(names, start=1):
                for mode in modes_of(name):
                    schedule = replace(whole, effect=number, mode=mode)
                    yield schedule
                    if mode in (Mode.CRASH_BEFORE, Mode.CRASH_AFTER) and webhook in _TELLING:
                        yield replace(schedule, again_last=True)
