"""What Darkroom promises, as sentences that can be false.

Rules of this file:
1. ``Watch`` sees every save as it happens: what a save may do. ``account_is_sound`` is what must hold for an account's
   partition after every step. ``at_rest`` is what must hold when nothing is left to do.
2. Nothing here asks the message handler: everything is computed anew from the rows and files of the dependencies.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from operator import is_
from pathlib import PurePosixPath

from dev.fakes.blobs import Blob
from dev.fakes.world import World
from dev.simulation.app_invariants import uncounted
from dev.simulation.money_invariants import DUE, broken_books, exceeded_window, missed_allowance, moves_of
from dev.simulation.promise import Broken, require
from dev.simulation.secrecy import nothing_secret, said_well, unspoken
from dev.simulation.turn_invariants import starving, too_many_in_flight
from shared.core.catalog.catalog import Catalog, unit_credits
from shared.core.events.limit_event import LimitEvent
from shared.core.keys import Key, row_key
from shared.core.lifecycle.generation import AnyGeneration, Generation, Received, Transition
from shared.core.lifecycle.state import NEXT, State
from shared.core.lifecycle.steps import MOST_ENTRIES
from shared.core.money.account import Account, User
from shared.core.money.entries import LedgerEntry, Move
from shared.core.money.limits import Scope
from shared.core.reasons import Reason
from shared.core.requests.messages import GenerationRequest
from shared.core.safety.moderation import evaluate

#: The longest that a call takes.
CALL = timedelta(seconds=300)

#: Generations that were found sound, by their address, with their moves and the catalogue of their price: those are
#: frozen, and need not be looked at again after each step. They are kept alive for it; from so many on, all are again.
MOST_KNOWN = 10_000
_SOUND: dict[int, tuple[Generation, int, int, Catalog]] = {}


class Observer:
    """Looks at every save of a world's store, and counts what it looked at."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.checks = 0
        #: Creates whose outcome nobody ever learned: the only thing that may buy a prediction beyond what was needed.
        self.lost: Counter[Key] = Counter()
        #: Attempts that failed for a reason that Replicate gave. The attempt after one of these is not an extra.
        self.attempt_failed: Counter[Key] = Counter()
        #: The predictions that some attempt took as its own.
        self.adopted: set[str] = set()
        #: Accounts whose rows were saved since they were last looked at, and the blobs that were found safe.
        self.touched: set[str] = set()
        self.safe: dict[str, Blob] = {}
        #: Since when an account of which something waits for a turn has room for it.
        self.room_since: dict[Key, datetime] = {}
        world.store.before_commit.append(self.save)

    def state(self) -> dict[str, object]:
        """What an invariant reads: all but how many there were."""
        return {name: part for name, part in vars(self).items() if name != "checks"}

    def save(self, before: AnyGeneration | None, transition: Transition[AnyGeneration]) -> None:
        """One save: states only grow, ended is final, a credit move goes with the state that it belongs to."""
        after, key = transition.generation, transition.generation.key
        self.checks += 1
        self.touched.add(key.account_id)
        if isinstance(after, Generation) and after.attempt.prediction_id is not None:
            self.adopted.add(after.attempt.prediction_id)
        require(after.history != (before.history if before else ()), "a save says what has happened", key)
        require(len(after.history) <= MOST_ENTRIES, "a history is bounded", key)
        begun = before.history[0] if before else after.history[0]
        require(after.history[0].at == begun.at and after.history[0].step == begun.step, "a history goes on", key)
        if any(entry.move is Move.REFUND for entry in transition.entries):
            _refund(before, transition)
            return
        require(after.state in NEXT[before.state if before else None], "a step of the state machine", key)
        if before is not None:
            require(not before.state.ended, "ended is final", key)
            if isinstance(before, Generation):
                require(isinstance(after, Generation), "what has opened stays opened", key)
            grown = after.rank > before.rank
            if isinstance(before, Generation) and isinstance(after, Generation):
                self._opened_changes(before, after, grown=grown)
            else:
                moves_on = grown or _waits_longer(before, after)
                require(moves_on, "the rank only grows", (key, before.rank, after.rank))
        unopened = before is None or isinstance(before, Received)
        opens = unopened and isinstance(after, Generation)
        require(not (opens and after.state.ended), "what opens has not ended", key)
        self._pays(before, transition, ends=not unopened and after.state.ended)
        makes = isinstance(after, Generation) and after.attempt.trains and after.state is State.SUCCEEDED
        require(makes == (transition.version is not None), "a version is saved with its training's end", key)
        if unopened and isinstance(after, Generation) and transition.account is not None:
            _within_its_windows(after, transition.account, transition.user)

    def _pays(self, before: AnyGeneration | None, transition: Transition[AnyGeneration], *, ends: bool) -> None:
        """The moves are those of the change of state."""
        key = transition.generation.key
        pays = transition.account is not None or self._was_there(key.account_id)
        moved = tuple(entry.move for entry in transition.entries if entry.move not in DUE)
        require(moved == moves_of(before, transition, pays=pays), "moves go with states", (key, moved))
        require(ends == (Move.RESOLVE in moved), "an end resolves its hold", key)

    def _was_there(self, account_id: str) -> bool:
        """Whether an account was there when a call that saves now has read its rows: longer than a call takes."""
        entries = self.world.store.entries
        first = next((each.at for each in entries if each.account_id == account_id and each.seq == 1), None)
        return first is not None and first <= self.world.now() - CALL

    def _opened_changes(self, before: Generation, after: Generation, *, grown: bool) -> None:
        key = after.key
        wish = after.rank == before.rank and before.requested_end is None and after.requested_end is not None
        moves_on = grown or wish or _noted(before, after) or _waits_longer(before, after)
        require(moves_on, "the rank only grows", (key, before.rank, after.rank))
        require(after.held_credits == before.held_credits, "a hold does not change", key)
        same = after.attempt.number == before.attempt.number
        kept = after.plan == before.plan and (not same or after.attempt.unit_credits == before.attempt.unit_credits)
        require(kept, "plan and price are those it was opened with", key)
        again = before.state is State.WAITING and after.state is State.SUBMITTING
        require(not (again and before.requested_end), "what is to end is not submitted again", key)
        self._count(before, after)

    def _count(self, before: Generation, after: Generation) -> None:
        if after.attempt.number > before.attempt.number:
            (self.lost if before.state is State.SUBMITTING else self.attempt_failed)[after.key] += 1

    def account_is_sound(self, account_id: str) -> None:
        """An account's books and generations, after any step."""
        self.checks += 1
        store = self.world.store
        entries = [entry for entry in store.entries if entry.account_id == account_id]
        moves = Counter((entry.entry_id, entry.move) for entry in entries)
        require(not moves or max(moves.values()) == 1, "at most one hold and one resolve", account_id)
        mine = [each for each in _opened(self.world) if each.key.account_id == account_id]
        account = store.saved_accounts.get(account_id)
        if account is not None:
            self._books(account, entries, mine)
        for generation in store.saved_generations.values():
            if generation.key.account_id == account_id and not isinstance(generation, Generation):
                opened_moves = moves[row_key(generation.key), Move.HOLD] + moves[row_key(generation.key), Move.RESOLVE]
                require(not opened_moves, "what has not opened moves no credit", generation.key)
        for generation in mine:
            self._holds(generation, moves)

    def _books(self, account: Account, entries: list[LedgerEntry], mine: Iterable[Generation]) -> None:
        whose, broken = account.account_id, broken_books(account, entries)
        require(not broken, broken, whose)
        plan = self.world.deps.plans.find(account.plan)
        if plan is not None and plan.allowance is not None:
            broken = missed_allowance(account, entries)
            require(not broken, broken, whose)
        for entry in entries[-1:]:
            noted = any(whose in accounts and day >= entry.at.date() for day, accounts in self.world.moved.rows.items())
            require(noted, "an account is noted before it moves", (whose, entry.at))
        held = captured = 0
        for each in mine:
            held += 0 if each.state.ended else each.held_credits
            captured += each.captured_credits - each.refunded_credits
        require(account.held == held, "held is what open generations hold", whose)
        require(account.captured == captured, "captured is what generations captured", whose)

    def _holds(self, generation: Generation, moves: Counter[tuple[str, Move]]) -> None:
        key, catalog = generation.key, self.world.deps.catalog
        for output in generation.outputs:
            require(output.name in self.world.blobs.outputs, "what was paid for is there", output.name)
        holds, resolves = moves[row_key(key), Move.HOLD], moves[row_key(key), Move.RESOLVE]
        looked_at = generation, holds, resolves, catalog
        if all(map(is_, looked_at, _SOUND.get(id(generation), (None,)))):
            return
        ended = generation.state.ended
        require(holds == (generation.held_credits > 0), "a hold for each generation that opened", key)
        require(resolves == (holds if ended else 0), "resolved exactly when ended", key)
        require(bool(generation.outputs) == (generation.state is State.SUCCEEDED), "outputs mean success", key)
        require(generation.captured_credits == price_of(generation, catalog), "the price", key)
        self._screened(generation)
        if len(_SOUND) >= MOST_KNOWN:
            _SOUND.clear()
        _SOUND[id(generation)] = looked_at

    def _screened(self, generation: Generation) -> None:
        """Nothing was opened, and nothing is reachable, without a verdict that passed and is on record."""
        passed = {record.subject for record in generation.screenings if record.allowed}
        request = generation.request
        looked = {"prompt"} if _written(request) else set()
        archive = {"input archive", "input captions"} if request.destination else {"input file"}
        looked |= archive if request.input_file else set()
        require(looked <= passed, "what was opened has passed", generation.key)
        for output in generation.outputs:
            subject = f"output {PurePosixPath(output.name).stem.replace('-', '.')}"
            require(subject in passed, "what is reachable has passed, and the record says so", output.name)


def _refund(before: AnyGeneration | None, transition: Transition[AnyGeneration]) -> None:
    """A refund gives back credits that an end captured, at most once, and changes nothing else of the generation."""
    after = transition.generation
    if not isinstance(before, Generation) or not isinstance(after, Generation):
        raise Broken(f"what is refunded has opened: {after.key}")
    (refund,) = (entry for entry in transition.entries if entry.move is Move.REFUND)
    plain = replace(after, refunded_credits=before.refunded_credits, history=before.history)
    require(before.state.ended and plain == before, "a refund changes only what was refunded", after.key)
    given = after.refunded_credits - before.refunded_credits
    require(given == refund.available == -refund.captured > 0, "a refund gives back what was captured", after.key)
    require(after.refunded_credits <= after.captured_credits, "no credit is refunded twice", after.key)


def _within_its_windows(opened: Generation, account: Account, user: User | None) -> None:
    """What opens exceeds no window of its account or user, but where it was approved."""
    given = opened.approval.approvals if opened.approval else ()
    approved = {(each.limit_id, each.scope) for each in given if opened.held_credits <= each.most_credits}
    exceeded = exceeded_window(account, user, approved)
    require(not exceeded, "no window is exceeded", (opened.key, exceeded))


def _waits_longer(before: AnyGeneration, after: AnyGeneration) -> bool:
    """Whether it waits as before, and only for what, or until when, has changed."""
    if isinstance(before, Received) and isinstance(after, Received):
        return replace(after, reason=before.reason, text=before.text, history=before.history) == before
    if not isinstance(before, Generation) or not isinstance(after, Generation) or before.state is not State.WAITING:
        return False
    attempt = replace(after.attempt, retry_at=before.attempt.retry_at)
    plain = replace(after, attempt=attempt, reason=before.reason, text=before.text, history=before.history)
    return after.reason in (Reason.PAUSED, Reason.WAITS_FOR_TURN) and plain == before


def _noted(before: Generation, after: Generation) -> bool:
    """Whether all that a save did was to note what Replicate does not know or show."""
    if before.state is not State.RUNNING:
        return False
    plain = replace(after.attempt, missing_since=before.attempt.missing_since, promised=before.attempt.promised)
    return after != before and replace(after, attempt=plain, history=before.history) == before


def price_of(generation: Generation, catalog: Catalog) -> int:
    """The price of the model that was used, for each output that was stored; nothing without success."""
    if generation.state is not State.SUCCEEDED:
        return 0
    return unit_credits(catalog.models[generation.attempt.entry], generation.request) * len(generation.outputs)


def _opened(world: World) -> list[Generation]:
    return [each for each in world.store.saved_generations.values() if isinstance(each, Generation)]


def _written(request: GenerationRequest) -> str:
    """All that a user wrote, as it is to be screened: at once."""
    return "\n\n".join(request.written_texts)


def after_step(watch: Observer, *account_ids: str) -> None:
    """What must hold after every step, for the accounts that it was about."""
    for account_id in account_ids:
        if account_id in watch.touched:
            watch.account_is_sound(account_id)
            watch.touched.discard(account_id)
    _open_is_known(watch.world)
    many = too_many_in_flight(watch.world)
    require(many is None, "no limit in flight is exceeded", many)
    require(starving(watch.world, watch.room_since) is None, "nobody starves", watch.room_since)
    _stored_is_safe(watch)


def _open_is_known(world: World) -> None:
    """Whatever is open is in the open index, from before it opened."""
    for key, generation in world.store.saved_generations.items():
        if not generation.state.ended:
            require(key in world.index.rows, "what is open is in the open index", key)


def _stored_is_safe(watch: Observer) -> None:
    """Whatever is in the users' container has passed."""
    policy, screener = watch.world.deps.policy, watch.world.screener
    for name, blob in watch.world.blobs.outputs.items():
        if watch.safe.get(name) is not blob:
            text = blob.content_type.startswith("text/")
            assessment = screener.read(blob.content.decode()) if text else screener.seen(blob.content)
            require(evaluate(policy, assessment).allowed, "what is stored has passed", name)
            watch.safe[name] = blob


def at_rest(watch: Observer) -> None:
    """What must hold when nothing is left to do."""
    world = watch.world
    watch.touched |= {*world.store.saved_accounts, *(key.account_id for key in world.store.saved_generations)}
    after_step(watch, *sorted(watch.touched))
    require(not world.index.rows, "nothing is open", list(world.index.rows))
    require(not world.replicate.running, "no prediction runs", [each.prediction_id for each in world.replicate.running])
    require(set(world.blobs.inputs) <= world.blobs.kept, "no input is left of what has ended", list(world.blobs.inputs))
    for key, generation in world.store.saved_generations.items():
        require(generation.state.ended, "every generation ends", key)
    _announced(world)
    _warned(world)
    require(not uncounted(world), "the app's use is that of its accounts", uncounted(world))
    _outputs(world)
    _asked_once(watch)
    nothing_secret(world)
    said_well(unspoken(world, watch.adopted), world.telemetry.steps, world.telemetry.counts)


def _announced(world: World) -> None:
    """Every end is announced, at least once, with one id and the same words."""
    announced: dict[Key, set[str]] = {}
    for event in world.messenger.published:
        announced.setdefault(event.key, set()).add(event.event_id)
        saved = world.store.saved_generations[event.key]
        says = (event.outcome, event.captured_credits, event.outputs, event.reason)
        paid = (saved.captured_credits, saved.outputs) if isinstance(saved, Generation) else (0, ())
        kept = (saved.state.value, *paid, saved.reason)
        require(says == kept, "the event says what is saved", event.key)
    asked = {event.key for event in world.messenger.approvals}
    for key, generation in world.store.saved_generations.items():
        waited = generation.reason is Reason.APPROVAL_EXPIRED
        require(not waited or key in asked, "an approval that is waited for was asked for", key)
        require(len(announced.get(key, ())) == 1, "every end is announced with one id", key)


def _warned(world: World) -> None:
    """Each step of a limit that a hold has reached is published, at least once, and nothing else is."""
    published = {event.event_id for event in world.messenger.warnings if event.key is not None}
    mine = [(each, notice) for each in _opened(world) for notice in each.notices if notice.limit.scope is not Scope.APP]
    reached = {LimitEvent(key=each.key, notice=notice, at=each.opened_at).event_id for each, notice in mine}
    require(published == reached, "each warning is published", published ^ reached)
    require(len(mine) == len(reached), "a step is warned of once in a window", len(mine))


def _outputs(world: World) -> None:
    """What is stored is what was paid for, and nothing else."""
    paid = {output.name for each in _opened(world) for output in each.outputs}
    stored = set(world.blobs.outputs)
    require(stored == paid, "each stored output is paid for, and each paid one is stored", stored ^ paid)


def _asked_once(watch: Observer) -> None:
    """Each save of SUBMITTING is POSTed at most once, with a prompt that was screened; extras are what got lost."""
    world = watch.world
    creates = Counter((key, attempt.number, attempt.posts) for key, attempt in world.replicate.creates)
    require(not creates or max(creates.values()) == 1, "each try is POSTed once", creates.most_common(1))
    seen = set(world.screener.texts)
    made: Counter[Key] = Counter(key for key, _ in world.replicate.made_for.values())
    for key, _ in world.replicate.creates:
        request = world.store.saved_generations[key].request
        require(request is not None and _written(request) in seen, "what is paid for was screened", key)
    for key, predictions in made.items():
        extra = predictions - 1 - watch.attempt_failed[key]
        require(extra <= watch.lost[key], "extra predictions are lost answers", (key, extra))
