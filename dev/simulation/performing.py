"""How schedules are performed: each of a flow, from an empty world to rest, with every invariant on the way.

Rules of this file:
1. ``perform`` walks one schedule from the start. ``Decider`` decides every schedule of a flow, and takes no step twice.
2. What goes on is a function of the state and of the end and webhook, as far as they are read. So schedules that have
   come to one state, and read none in which they differ until rest, are decided together. States are compared whole
   (digests.py) after each step; what was read is recorded (``Stage.alike``).
3. What was said is part of no state, for nothing reads it (logs.py). What the invariants at rest ask of it is asked of
   each part of a schedule's way, whoever walked that part.
4. Only what has held every promise is remembered: what breaks one ends the run.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache, reduce
from operator import or_

from dev.fakes.world import KEY
from dev.simulation.cases import EVERY, End, Webhook
from dev.simulation.digests import Digests
from dev.simulation.effects import Fault, Mode, modes_of, run
from dev.simulation.invariants import after_step, at_rest
from dev.simulation.logs import NOTHING, Said, lines_of
from dev.simulation.schedules import Faced, Flow, Schedule, Stage
from dev.simulation.secrecy import Unspoken, said_well, unspoken
from dev.simulation.snapshots import Snapshot

#: How many states of a way are compared, of those between webhooks. Nine in ten ways that meet another meet it there,
#: and to compare a state costs as much as a step.
LOOKS = 5

Cases = frozenset[tuple[End, Webhook]]


@dataclass(slots=True)
class Moment:
    """A stage between two steps.

    ``done``: what has faced the fault needs no delivery any more. ``pumped``: what was sent has been delivered, so that
    it comes when the webhooks under way did.
    """

    stage: Stage
    faced: Faced
    done: bool = False
    pumped: bool = False

    @property
    def between(self) -> bool:
        """Whether no webhook is under way."""
        return not (self.stage.fresh or self.stage.arriving)

    def in_case_of(self, schedule: Schedule) -> "Moment":
        """The same, with the end and the webhook of this schedule."""
        self.stage.in_case(schedule.end, schedule.webhook)
        return self


async def prepared(schedule: Schedule) -> Moment:
    """All that comes before the fault, from an empty world on."""
    stage = Stage(schedule.end, schedule.webhook, Fault())
    await stage.open()
    return Moment(stage, await schedule.flow.prepare(stage))


async def meet(moment: Moment, schedule: Schedule) -> None:
    """The fault."""
    moment.stage.meets(Fault(schedule.effect, schedule.mode))
    moment.done = await moment.stage.face(moment.faced)
    after_step(moment.stage.watch, KEY.account_id)


async def repeat(moment: Moment) -> None:
    """The next delivery of what died."""
    await moment.stage.again(moment.faced)
    moment.done = True


async def step(moment: Moment) -> bool:
    """One step towards rest; False at rest. What died is delivered after Replicate's part if it was not before."""
    stage = moment.stage
    if moment.done:
        return await stage.step()
    if not moment.pumped:
        await stage.world.pump()
        moment.pumped = True
        stage.notices()
    elif stage.fresh or stage.arriving:
        await stage.hear_next()
    else:
        await repeat(moment)
    return True


async def perform(schedule: Schedule) -> Stage:
    """Run one schedule from an empty world to rest, with every invariant on the way; returns the stage."""
    return await go_on(await prepared(schedule), schedule)


async def go_on(moment: Moment, schedule: Schedule) -> Stage:
    """Run what comes after the preparation."""
    await meet(moment, schedule)
    if not moment.done and not schedule.again_last:
        await repeat(moment)
    while await step(moment):
        pass
    at_rest(moment.stage.watch)
    return moment.stage


@dataclass(frozen=True, slots=True)
class Rest:
    """The end of a way: the schedule that came there, and what may not have been said until then."""

    walked: Schedule
    unspoken: Unspoken


@dataclass(frozen=True, slots=True)
class Way:
    """A way from a state to rest, on which every promise is kept in these cases. ``said``: on its first step."""

    cases: Cases
    said: Said
    rest: Rest
    then: "Way | None"


@dataclass(eq=False, slots=True)
class Node:
    """A state that schedules come to, and what is known of what comes then, by the cases for which it is known.

    ``kept`` and ``live`` are of those from which a fault's schedules part.
    """

    kept: Snapshot[Moment] | None = None
    live: Moment | None = None
    repeated: "list[Step]" = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)

    def keep(self, moment: Moment) -> None:
        """Keep the moment, for those who go on from it."""
        if self.kept is None:
            self.kept, self.live = Snapshot(moment), moment

    def moment(self) -> Moment:
        """The moment itself, for the first who goes on from it, and a copy for each other."""
        moment, self.live = self.live, None
        if moment is None:
            assert self.kept is not None
            moment = self.kept.copy()
        return moment

    def way(self, schedule: Schedule) -> Way | None:
        """The way to rest that is known in this schedule's case."""
        case = schedule.end, schedule.webhook
        return next((way for way in self.ways if case in way.cases), None)


@dataclass(frozen=True, slots=True)
class Step:
    """A step to a state: in these cases, with this said."""

    cases: Cases
    said: Said
    node: Node


@dataclass(frozen=True, slots=True)
class Met:
    """How a fault was met: the effects up to its end, which of them went wrong, and the step; whether it is done."""

    effects: tuple[str, ...]
    struck: str
    step: Step
    done: bool


@dataclass(frozen=True, slots=True)
class Decided:
    """A schedule that has kept every promise.

    ``struck``: what went wrong in it. ``walked``: the schedule that came to its end; it, or its equal. ``parts``: what
    was said on its way until its steps are those of ``way``.
    """

    struck: str
    walked: Schedule
    parts: tuple[Said, ...]
    way: Way

    def said(self) -> Said:
        """All that was said from the empty world to rest."""
        parts, way = list(self.parts), self.way
        while True:
            parts.append(way.said)
            if way.then is None:
                return reduce(or_, parts)
            way = way.then


class Decider:
    """Decides the schedules of one flow."""

    def __init__(self) -> None:
        self._digests = Digests()
        self._nodes: dict[bytes, Node] = {}
        self._prepared: list[tuple[Cases, Said, Snapshot[Moment]]] = []
        #: What is known of each fault.
        self.all_met: dict[tuple[int, Mode], list[Met]] = {}

    def decide(self, schedule: Schedule) -> Decided:
        """Walk the schedule as far as nobody has; Broken if a promise is."""
        met = self.met(schedule)
        steps = [met.step]
        if not (met.done or schedule.again_last):
            steps.append(self._repeated(met.step.node, schedule))
        way = self._way(steps[-1].node, schedule)
        parts = tuple(step.said for step in steps)
        for said in parts:
            _said_well(way.rest.unspoken, said)
        return Decided(met.struck, way.rest.walked, parts, way)

    def met(self, schedule: Schedule) -> Met:
        """How this schedule's fault is met."""
        known = self.all_met.setdefault((schedule.effect, schedule.mode), [])
        for met in known:
            if (schedule.end, schedule.webhook) in met.step.cases:
                return met
        moment, before, said = self._before(schedule)
        run(meet(moment, schedule))
        fault = moment.stage.fault
        step = self._stepped(moment, before, said)
        known.append(Met(tuple(fault.names), fault.struck, step, moment.done))
        return known[-1]

    def _before(self, schedule: Schedule) -> tuple[Moment, Cases, Said]:
        for cases, said, kept in self._prepared:
            if (schedule.end, schedule.webhook) in cases:
                return kept.copy().in_case_of(schedule), cases, said
        moment = run(prepared(schedule))
        cases, said = moment.stage.alike, moment.stage.take_said()
        self._prepared.append((cases, said, Snapshot(moment)))
        return moment.in_case_of(schedule), cases, said

    def _repeated(self, node: Node, schedule: Schedule) -> Step:
        for step in node.repeated:
            if (schedule.end, schedule.webhook) in step.cases:
                return step
        moment = node.moment().in_case_of(schedule)
        run(repeat(moment))
        node.repeated.append(self._stepped(moment))
        return node.repeated[-1]

    def _stepped(self, moment: Moment, before: Cases = EVERY, said: Said = NOTHING) -> Step:
        """The step that this moment has just made, to a state from which several may go on."""
        step = Step(before & moment.stage.alike, said | moment.stage.take_said(), self._node(moment))
        step.node.keep(moment)
        return step

    def _way(self, node: Node, schedule: Schedule) -> Way:
        """The way from here to rest, walked as far as nobody has."""
        found = node.way(schedule)
        if found is not None:
            return found
        moment, steps, looks = node.moment(), list[Step](), LOOKS
        while found is None:
            going_on = run(step(moment.in_case_of(schedule)))
            steps.append(Step(moment.stage.alike, moment.stage.take_said(), node))
            if not going_on:
                at_rest(moment.stage.watch)
                break
            if looks and moment.between:
                node, looks = self._node(moment), looks - 1
            else:
                node = Node()
            found = node.way(schedule)
        rest = found.rest if found else Rest(schedule, unspoken(moment.stage.watch.world, moment.stage.watch.adopted))
        for each in reversed(steps):
            _said_well(rest.unspoken, each.said)
            found = Way(each.cases & (found.cases if found else EVERY), each.said, rest, found)
            each.node.ways.append(found)
        assert found is not None
        return found

    def _node(self, moment: Moment) -> Node:
        """The node of this state, the same for the same."""
        to_come = None if moment.done else (moment.faced, moment.pumped)
        return self._nodes.setdefault(self._digests.of((moment.stage, to_come)), Node())


@cache
def _said_well(what: Unspoken, said: Said) -> None:
    said_well(what, lines_of(said.steps), lines_of(said.counts))


#: The webhooks that come before what died is delivered again, if that comes last.
_TELLING = (Webhook.ONCE, Webhook.TWICE, Webhook.DISORDERED)


def schedules(flow: Flow, decider: Decider) -> Iterator[Schedule]:
    """Every schedule of a flow: each effect of it, however the webhook comes and the prediction ends."""
    for end in flow.ends:
        for webhook in Webhook:
            if webhook is Webhook.EARLY and not flow.creates:
                continue
            whole = Schedule(flow, 0, Mode.CRASH_BEFORE, webhook, end)
            yield whole
            for number, name in enumerate(decider.met(whole).effects, start=1):
                for mode in modes_of(name):
                    schedule = replace(whole, effect=number, mode=mode)
                    yield schedule
                    if mode in (Mode.CRASH_BEFORE, Mode.CRASH_AFTER) and webhook in _TELLING:
                        yield replace(schedule, again_last=True)
