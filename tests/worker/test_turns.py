"""Turns, end to end on fakes: what is beyond a limit in flight waits for its turn, and nobody waits for ever."""

from dataclasses import replace
from datetime import timedelta

import pytest

from dev.fakes.catalogs import REAL_PLANS
from dev.fakes.world import World
from shared import worker
from shared.core.keys import Key
from shared.core.lifecycle.generation import Generation, Received
from shared.core.money.limits import Limit, Scope, Unit
from shared.core.money.plans import Plans
from shared.core.money.windows import Span as WindowSpan
from shared.core.provider.prediction import DeferReason, NotCreated
from shared.core.reasons import Reason
from shared.core.requests.messages import Look
from shared.core.switches import Order, PauseScope, Span, Switch, Target
from shared.core.turns.shares import Turn
from shared.ports import Envelope, PaceNow, Waiting
from shared.worker.accounts import Command


def plans(**changed: object) -> Plans:
    """The app's plans, with these changes to premium."""
    premium = replace(REAL_PLANS["premium"], **changed)  # type: ignore[arg-type]  # as the caller says
    return replace(REAL_PLANS, plans={**REAL_PLANS.plans, "premium": premium})


@pytest.fixture
async def world() -> World:
    """Ada and Bo have credits; of an account two generations may be in flight."""
    made = World(credits=100, plans=plans(concurrency=2))
    await made.open_account()
    await made.open_account("bo")
    return made


def keys(count: int, account_id: str = "ada", user_id: str = "") -> list[Key]:
    """So many generations of an account."""
    return [Key(user_id or account_id, f"g{number}", account_id) for number in range(count)]


async def ask(world: World, *asked: Key) -> None:
    """Each asks, a millisecond after the other."""
    for key in asked:
        world.pass_time(0.001)
        await world.ask(key)


def in_flight(world: World, account_id: str = "ada") -> list[str]:
    """The generations that have a hold and are not paused."""
    return [
        key.generation_id
        for key, found in world.store.saved_generations.items()
        if key.account_id == account_id
        and isinstance(found, Generation)
        and not found.state.ended
        and found.reason not in (Reason.PAUSED, Reason.WAITS_FOR_TURN)
    ]


def parked(world: World) -> list[str]:
    """What waits for its turn."""
    return [
        key.generation_id
        for key, found in world.store.saved_generations.items()
        if found.reason is Reason.WAITS_FOR_TURN and not found.state.ended
    ]


async def finish(world: World, *numbers: int) -> None:
    """The predictions of these creates end well."""
    ids = world.replicate.ids()
    for number in numbers:
        world.replicate.succeed(ids[number])
        await world.webhook(ids[number])


def pause(world: World, model: str, seconds: float) -> None:
    """A model is paused, and every instance knows it."""
    now = world.now()
    until = now + timedelta(seconds=seconds)
    target = Target(PauseScope.MODEL, model=model)
    order = Order(target=target, issued_at=now, command_id="p", until=until, by="kim")
    world.switches.switches = (Switch(order, (Span(now, until),)),)
    world.pass_time(5)


async def hold_and_pause(world: World) -> None:
    """Ask for the first. Its create is throttled, and then its model is paused: it keeps its hold and has no turn."""
    world.replicate.answer_next_create_with(NotCreated(DeferReason.THROTTLED, 30))
    await ask(world, *keys(1))
    pause(world, "flux-schnell", 100)
    world.pass_time(60)
    await world.pump()


async def looks(world: World, seconds: float = 3) -> None:
    """Time passes in which looks come, and what they give."""
    for _ in range(round(seconds / 0.5)):
        world.pass_time(0.5)
        await world.pump()


async def test_what_is_beyond_the_concurrency_waits_as_received_with_nothing_held(world: World) -> None:
    """Its message is completed, it is not screened, and its row says why."""
    await ask(world, *keys(5))
    screened = len(world.screener.texts)
    assert (in_flight(world), parked(world)) == (["g0", "g1"], ["g2", "g3", "g4"])
    found = world.saved(Key("ada", "g2"))
    assert isinstance(found, Received)
    assert found.text == "Others are before this. Nothing was charged; it goes on by itself."
    assert (world.account().held, len(world.replicate.ids()), screened) == (2, 2, 2)
    assert world.index.rows[Key("ada", "g2")].turn is None


async def test_who_frees_a_turn_gives_it_on_within_a_second(world: World) -> None:
    """In the order in which they were asked for, one for each that has ended, and at the end nothing waits."""
    await ask(world, *keys(5))
    await looks(world)
    assert in_flight(world) == ["g0", "g1"]
    for number in range(5):
        ended_at = world.time
        await finish(world, number)
        while len(in_flight(world)) < min(2, 4 - number):
            world.pass_time(0.1)
            await world.pump()
        assert world.time - ended_at <= timedelta(seconds=1)
    await looks(world)
    world.at_rest()
    assert [key.generation_id for key, _ in world.replicate.creates] == [f"g{number}" for number in range(5)]
    assert (world.waiting.rows, world.waiting.kept) == (set(), {})
    assert not world.messenger.scheduled


async def test_another_account_is_not_held_up(world: World) -> None:
    """Its turns are its own."""
    await ask(world, *keys(5), *keys(1, "bo"))
    assert in_flight(world, "bo") == ["g0"]


async def test_what_waits_is_not_overtaken_by_what_comes_later(world: World) -> None:
    """Though there is room again, before a look has come."""
    await ask(world, *keys(3))
    await finish(world, 0)
    await ask(world, Key("ada", "late"))
    assert parked(world) == ["g2", "late"]
    await looks(world)
    assert (in_flight(world), parked(world)) == (["g1", "g2"], ["late"])


async def test_users_of_an_account_take_turns(world: World) -> None:
    """One user's twenty do not hold up another user's first."""
    await ask(world, *keys(20, user_id="ann"), *[Key("zed", "first", "ada")])
    await finish(world, 0)
    await looks(world)
    await finish(world, 1)
    await looks(world)
    assert "first" in in_flight(world)


async def test_the_apps_limit_is_shared_by_weight_and_refuses_nobody(world: World) -> None:
    """Ten at once at most; the account that came later gets its half of what is freed."""
    world.deps = replace(world.deps, plans=plans(), limits=replace(world.deps.limits, in_flight_most=10))
    await ask(world, *keys(20), *keys(20, "bo"))
    assert (len(in_flight(world)), len(in_flight(world, "bo"))) == (10, 0)
    await finish(world, *range(10))
    await looks(world)
    assert (len(in_flight(world)), len(in_flight(world, "bo"))) == (5, 5)
    for ended in range(10, 40, 10):
        assert len(in_flight(world)) + len(in_flight(world, "bo")) == 10
        await finish(world, *range(ended, ended + 10))
        await looks(world)
    world.at_rest()


async def test_a_pace_is_shared_too(world: World) -> None:
    """Where the tokens are spent, an account that asks for little does not wait behind another's burst."""
    world.deps = replace(world.deps, plans=plans(), pace=lambda: PaceNow(per_s=2.0, spare=-1.0))
    await ask(world, *keys(20))
    assert (len(in_flight(world)), len(parked(world))) == (5, 15)
    world.pass_time(1)
    await ask(world, *keys(1, "bo"))
    assert in_flight(world, "bo") == ["g0"]


async def test_nothing_is_read_where_nothing_is_near_its_bound(world: World) -> None:
    """No concurrency, no limit of the app, tokens to spare: no query of turns or places."""
    calls: list[str] = []

    async def queried(*_: object) -> list[Turn]:
        calls.append("a query")
        return []

    world.deps = replace(world.deps, plans=plans(), pace=lambda: PaceNow(per_s=10.0, spare=30.0))
    world.index.turns = world.waiting.places = world.waiting.place = queried  # type: ignore[method-assign,assignment]
    await ask(world, *keys(5))
    assert (len(in_flight(world)), calls) == (5, [])


async def test_a_paused_generation_gives_its_turn_back_and_waits_for_one_after_the_pause(world: World) -> None:
    """It keeps its hold all the time; meanwhile others have its turn, and it comes before what is newer."""
    await hold_and_pause(world)
    first = Key("ada", "g0")
    assert (world.generation(first).reason, world.index.rows[first].turn) == (Reason.PAUSED, None)
    for number in range(4):
        world.pass_time(0.001)
        await world.ask(Key("ada", f"dev{number}"), model="flux-dev")
    assert in_flight(world) == ["dev0", "dev1"]
    world.pass_time(45)
    await world.pump()
    assert (in_flight(world), parked(world)) == (["dev0", "dev1"], ["g0", "dev2", "dev3"])
    assert world.generation(first).held_credits == 1
    await finish(world, 0)
    await looks(world)
    assert (in_flight(world), world.generation(first).reason) == (["g0", "dev1"], None)
    await finish(world, 1, 2)
    await looks(world)
    assert in_flight(world) == ["dev2", "dev3"]


async def test_a_place_follows_the_plan(world: World) -> None:
    """A greater concurrency is known with the next turn that is given."""
    await ask(world, *keys(8))
    world.deps = replace(world.deps, plans=plans(concurrency=4))
    await finish(world, 0)
    await looks(world)
    assert len(in_flight(world)) == 4


async def test_a_cancel_of_what_waits_leaves_its_turn_to_the_next(world: World) -> None:
    """Its row in the waiting list is passed over."""
    await ask(world, *keys(4))
    await world.cancel(Key("ada", "g2"))
    await finish(world, 0)
    await looks(world)
    assert (in_flight(world), parked(world)) == (["g1", "g3"], [])


async def test_many_that_are_canceled_delay_no_other(world: World) -> None:
    """A look passes over so many rows only: a cancel takes its own away, and costs nothing where nothing waits."""
    await ask(world, *keys(150))
    removed: list[object] = []
    remove = world.waiting.remove_waiting

    async def noted(waiting: Waiting) -> None:
        removed.append(waiting)
        await remove(waiting)

    world.waiting.remove_waiting = noted  # type: ignore[method-assign]
    for key in keys(149)[2:]:
        await world.cancel(key)
    assert [row.key.generation_id for row in world.waiting.rows] == ["g149"]
    assert len(removed) == 147
    await world.cancel(Key("ada", "g0"))
    assert len(removed) == 147
    await finish(world, 1)
    world.pass_time(1)
    await world.pump()
    assert "g149" in in_flight(world)


async def test_a_limit_in_flight_gives_nobody_up(world: World) -> None:
    """What waits for its turn has no end of its patience; its check lines it up once more."""
    await ask(world, *keys(3))
    world.messenger.scheduled.clear()
    world.waiting.rows.clear()
    world.waiting.kept.clear()
    world.pass_time(world.deps.limits.patience_s * 2)
    await finish(world, 0, 1)
    await world.tick()
    await looks(world)
    assert in_flight(world) == ["g2"]


async def test_a_turn_whose_message_is_lost_is_sent_again(world: World) -> None:
    """The check of its row finds that it has a turn."""
    await ask(world, *keys(3))
    await finish(world, 0)
    world.pass_time(1)
    await worker.handle(world.deps, Look(world.time), Envelope("look"), "prediction-events")
    assert world.index.rows[Key("ada", "g2")].turn is not None
    world.messenger.sent.clear()
    world.messenger.scheduled.clear()
    world.pass_time(200)
    await world.tick()
    assert "g2" in in_flight(world)


async def test_how_long_it_waits_is_counted_without_its_pauses(world: World) -> None:
    """With each check while it waits, and when it gets its turn."""

    def waits(given: str) -> list[float]:
        name = "darkroom.turn_waits_s"
        return [number for each, number, labels in world.telemetry.counts if (each, labels) == (name, {"given": given})]

    await ask(world, *keys(3))
    assert waits("no") == []
    pause(world, "flux-schnell", 50)
    await world.tick(120)
    assert waits("no") == [pytest.approx(75, abs=1)]
    await finish(world, 0)
    await looks(world)
    assert waits("yes") == [pytest.approx(76, abs=3)]
    assert [number for each, number, _ in world.telemetry.counts if each == "darkroom.accounts_waiting"][:1] == [1]


async def test_a_request_that_comes_again_while_it_waits_changes_nothing(world: World) -> None:
    """It stands in line once, and its row is as it was."""
    await ask(world, *keys(3))
    before, rows = world.saved(Key("ada", "g2")), set(world.waiting.rows)
    await ask(world, Key("ada", "g2"))
    assert (world.saved(Key("ada", "g2")), world.waiting.rows) == (before, rows)


async def test_what_a_dependency_stops_has_no_turn(world: World) -> None:
    """While screening is down the turn is another's, and it asks anew."""
    world.screener.down = True
    await ask(world, *keys(1))
    assert world.index.rows[Key("ada", "g0")].turn is None
    world.screener.down = False
    await ask(world, Key("ada", "a"), Key("ada", "b"))
    assert in_flight(world) == ["a", "b"]


async def limit(world: World, amount: int, *, user_id: str = "", scope: Scope = Scope.USER) -> None:
    """A limit on generations in flight: of one user, of each user, or of the account."""
    each = Limit(limit_id="open", window=WindowSpan.IN_FLIGHT, amount=amount, unit=Unit.GENERATIONS, scope=scope)
    command = Command(command_id=f"l{amount}{scope}{user_id}")
    await worker.set_limit(world.deps, "ada", each, command, user_id=user_id)


@pytest.mark.parametrize("one", [True, False])
async def test_what_is_beyond_a_users_limit_waits_and_the_others_go_on(one: bool) -> None:
    """One in flight, of one user or of each; what waits gets its turn when the first has ended. Nobody is refused."""
    world = World(credits=100, plans=plans())
    await world.open_account()
    await limit(world, 1, user_id="ann" if one else "")
    await ask(world, *keys(4, user_id="ann"), Key("zed", "first", "ada"), Key("zed", "second", "ada"))
    assert parked(world)[:3] == ["g1", "g2", "g3"]
    await looks(world)
    assert sorted(in_flight(world)) == (["first", "g0", "second"] if one else ["first", "g0"])
    assert [(entry.step, entry.times) for entry in world.saved(Key("ann", "g1", "ada")).history] == [("taken_in", 1)]
    for number, after in enumerate(("g1", "g2", "g3")):
        await finish(world, [key for key, _ in world.replicate.creates].index(Key("ann", f"g{number}", "ada")))
        await looks(world)
        assert [name for name in in_flight(world) if name.startswith("g")] == [after]
    assert not world.events or all(event.outcome == "succeeded" for event in world.events)


async def test_a_limit_in_flight_of_the_accounts_namesake_is_no_others() -> None:
    """One of ada's is in flight, and two of another user who used the account before."""
    world = World(credits=100, plans=plans())
    await world.open_account()
    await limit(world, 1, user_id="ada")
    await ask(world, Key("zed", "first", "ada"), Key("zed", "second", "ada"), *keys(3))
    await looks(world)
    assert (sorted(in_flight(world)), parked(world)) == (["first", "g0", "second"], ["g1", "g2"])


async def test_a_limit_of_the_account_in_flight_is_one_beside_its_plans() -> None:
    """The smaller one counts; when it is removed, what waits goes on."""
    world = World(credits=100, plans=plans(concurrency=3))
    await world.open_account()
    await limit(world, 1, scope=Scope.ACCOUNT)
    await ask(world, *keys(4))
    await looks(world)
    assert in_flight(world) == ["g0"]
    await worker.remove_limit(world.deps, "ada", "open", Command(command_id="r"), scope=Scope.ACCOUNT)
    await finish(world, 0)
    await looks(world)
    assert in_flight(world) == ["g1", "g2", "g3"]


async def test_many_full_users_keep_no_other_waiting() -> None:
    """More than one look passes over: the next goes on where it stopped."""
    world = World(credits=1000, plans=plans())
    await world.open_account()
    await limit(world, 1)
    full = [Key(f"u{number:03}", f"{name}{number}", "ada") for name in "ab" for number in range(60)]
    await ask(world, *full)
    await looks(world)
    assert len(in_flight(world)) == 60
    await ask(world, Key("u055x", "last", "ada"))
    await looks(world, 5)
    assert "last" in in_flight(world)
