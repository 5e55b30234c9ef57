"""ResilientProvider and creates: which are sent, which are deferred, and what each answer changes."""

import asyncio
from dataclasses import replace

import pytest

from shared.adapters.replicate.resilience.guarded import RULE, ResilientProvider
from shared.core.dependency import Dependency
from shared.core.provider.pacing import CLIMB_S, LOWERED_S
from shared.core.provider.prediction import CreateOutcome, DeferReason, NotCreated
from shared.ports import Unavailable
from tests.adapters.examples import attempt
from tests.adapters.guard import CREATED, KEY, NO_CREDIT, REFUSED, UNKNOWN, Scripted, made, why


@pytest.mark.parametrize(
    "outcome",
    [
        CREATED,
        REFUSED,
        UNKNOWN,
        NO_CREDIT,
        NotCreated(DeferReason.UNREACHABLE, 5),
        NotCreated(DeferReason.THROTTLED, 7),
    ],
    ids=str,
)
async def test_what_replicate_answers_is_returned(outcome: CreateOutcome) -> None:
    """Unchanged, while the pace allows it and the circuit is closed."""
    world = made()
    world.replicate.say = outcome
    (result,) = await world.create()
    assert type(result) is type(outcome)
    if isinstance(result, NotCreated) and isinstance(outcome, NotCreated):
        assert result.why == outcome.why
        assert result.retry_after_s == pytest.approx(outcome.retry_after_s, abs=0.01)
    else:
        assert result == outcome


# The pace.


async def test_creates_above_the_pace_are_deferred_without_a_call() -> None:
    """60 a minute with a burst of 6: the seventh gets the time of its slot, and is not sent."""
    world = made(per_minute=60)
    outcomes = await world.create(times=8)
    assert outcomes[:6] == [CREATED] * 6
    assert [why(each) for each in outcomes[6:]] == [("paced", 1.0), ("paced", 2.0)]
    assert world.replicate.creates == 6


async def test_a_deferred_create_takes_precedence_over_a_new_one() -> None:
    """A later post and a later attempt have waited already."""
    world = made(per_minute=60)
    await world.create(times=8)
    world.time[0] += 1
    assert why((await world.create())[0]) == ("paced", 2.0)
    assert await world.create(posts=2) == [CREATED]
    world.time[0] += 1
    assert await world.guard.create(KEY, replace(attempt(), number=2)) == CREATED


async def test_a_429_slows_all_creates_down() -> None:
    """No create is sent for the time it names. Then the pace is half of what it was, and recovers by itself."""
    world = made(per_minute=600)
    world.replicate.say = NotCreated(DeferReason.THROTTLED, 20)
    assert why((await world.create())[0]) == ("throttled", pytest.approx(20.2))
    world.replicate.say = CREATED
    assert why((await world.create(posts=2))[0]) == ("paced", pytest.approx(20.4))
    assert world.replicate.creates == 1
    world.time[0] += 20 + LOWERED_S
    assert len([each for each in await world.create(posts=2, times=100) if each == CREATED]) == 30
    world.time[0] += CLIMB_S
    assert len([each for each in await world.create(posts=2, times=100) if each == CREATED]) == 60


async def test_the_limit_that_a_429_names_is_the_accounts() -> None:
    """6 a minute for four instances: one of them makes one create in 40 seconds, and the next 40 later."""
    time = [0.0]
    replicate = Scripted()
    guard = ResilientProvider(replicate, creates_per_minute=600, instances=4, now=lambda: time[0], chance=lambda: 0)
    replicate.say = NotCreated(DeferReason.THROTTLED, 10, 6)
    await guard.create(KEY, attempt())
    replicate.say = CREATED
    back = replace(attempt(), posts=2)
    gone = []
    for time[0] in range(1, 70):
        gone += [time[0]] if await guard.create(KEY, back) == CREATED else []
    assert gone == [50]


async def test_what_was_throttled_together_returns_one_after_the_other() -> None:
    """Replicate gives sixteen creates the same wait; we give them sixteen different ones, and none is shorter."""
    world = made(per_minute=600)
    world.replicate.say = NotCreated(DeferReason.THROTTLED, 10)
    world.replicate.hangs.clear()
    tasks = [asyncio.create_task(world.guard.create(KEY, attempt())) for _ in range(16)]
    await asyncio.sleep(0)
    world.replicate.hangs.set()
    waits = [why(each)[1] for each in await asyncio.gather(*tasks)]
    assert waits == [pytest.approx(10 + 0.2 * number) for number in range(1, 17)]


# The breaker of creates.


@pytest.mark.parametrize(
    "trouble",
    [UNKNOWN, NO_CREDIT, NotCreated(DeferReason.UNREACHABLE, 5), NotCreated(DeferReason.UNAUTHORIZED, 60)],
    ids=str,
)
async def test_after_failures_in_a_row_nobody_is_sent(trouble: CreateOutcome) -> None:
    """5xx, 402, no connection, 401: after the fifth, creates are deferred without a call."""
    world = made()
    await world.open(trouble)
    outcomes = await world.create(times=20)
    assert {why(each)[0] for each in outcomes} == {"circuit open"}
    assert all(why(each)[1] >= RULE.pause_s for each in outcomes)
    assert world.replicate.creates == 0


@pytest.mark.parametrize("answer", [CREATED, REFUSED, NotCreated(DeferReason.THROTTLED, 1)], ids=str)
async def test_one_probe_closes_it(answer: CreateOutcome) -> None:
    """After the pause one create is sent; any answer closes the circuit."""
    world = made()
    await world.open()
    world.time[0] += RULE.pause_s
    world.replicate.say = answer
    world.replicate.hangs.clear()
    probe = asyncio.create_task(world.guard.create(KEY, attempt()))
    await asyncio.sleep(0)
    assert why((await world.create())[0])[0] == "circuit open"
    world.replicate.hangs.set()
    assert type(await probe) is type(answer)
    assert (world.replicate.asked, world.replicate.creates) == (1, 1)
    assert world.guard.states()["creates"] == "closed"


async def test_no_create_is_a_probe_while_questions_are_not_answered() -> None:
    """Its outcome would be unknown for minutes. So a read is the first probe, and the only one until it is answered."""
    world = made()
    await world.open()
    world.replicate.trouble = Unavailable(Dependency.REPLICATE, "answered 503")
    for _ in range(RULE.failures):
        world.time[0] += RULE.pause_s
        assert why((await world.create())[0]) == ("circuit open", pytest.approx(RULE.pause_s, abs=0.01))
    assert (world.replicate.asked, world.replicate.creates) == (RULE.failures, 0)
    await world.create(times=10)  # the circuit of questions is open too by now
    assert (world.replicate.asked, world.replicate.creates) == (RULE.failures, 0)
    world.replicate.trouble, world.replicate.say = None, CREATED
    world.time[0] += RULE.pause_s
    assert await world.create() == [CREATED]
    assert world.guard.states() == {"creates": "closed", "questions": "closed", "outputs": "closed"}


async def test_a_probe_that_fails_makes_the_pause_longer() -> None:
    """Each time twice as long, up to two minutes; the probe's own message waits as long as all others."""
    world = made()
    await world.open(NotCreated(DeferReason.UNREACHABLE, 5))
    pauses = []
    for _ in range(7):
        pauses.append(why((await world.create())[0])[1])
        world.time[0] += pauses[-1]
        assert why((await world.create())[0])[1] >= 2 * pauses[-1] or pauses[-1] > RULE.longest_pause_s / 2
    assert pauses == [pytest.approx(seconds, abs=0.1) for seconds in (5, 10, 20, 40, 80, 120, 120)]
    assert world.replicate.creates == 7


async def test_a_probe_that_is_canceled_leaves_its_place() -> None:
    """A canceled invocation is not counted, and the next create may be the probe."""
    world = made()
    await world.open()
    world.time[0] += RULE.pause_s
    world.replicate.hangs.clear()
    probe = asyncio.create_task(world.guard.create(KEY, attempt()))
    await asyncio.sleep(0)
    assert why((await world.create())[0])[0] == "circuit open"
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    world.replicate.hangs.set()
    world.replicate.say = CREATED
    assert await world.create() == [CREATED]


async def test_our_own_trouble_is_not_replicates() -> None:
    """A secret that is not available is not counted: the breaker stays as it was, and another probe may go."""
    world = made()
    world.replicate.say = NotCreated(DeferReason.KEY_VAULT_UNAVAILABLE, 5)
    await world.create(times=10)
    assert world.guard.states()["creates"] == "closed"
    await world.open()
    world.time[0] += RULE.pause_s
    world.replicate.say = NotCreated(DeferReason.NOT_CONFIGURED, 60)
    await world.create(times=2)
    assert world.replicate.creates == 2
    assert world.guard.states()["creates"] == "half-open"


async def test_what_an_outage_defers_returns_at_the_pace() -> None:
    """600 creates while the circuit is open: their waits spread them at ten a second."""
    world = made(per_minute=600)
    await world.open()
    waits = sorted(why(each)[1] for each in await world.create(times=600))
    assert waits[-1] == pytest.approx(60, abs=1)
    assert sum(wait_s <= 30 for wait_s in waits) == pytest.approx(300, abs=10)


async def test_after_an_outage_there_is_no_burst() -> None:
    """The probe closes the circuit; then the creates follow one by one, at the pace."""
    world = made(per_minute=600)
    await world.open()
    world.time[0] += RULE.pause_s
    world.replicate.say = CREATED
    assert await world.create(posts=2) == [CREATED]
    assert why((await world.create(posts=2))[0])[0] == "paced"
    world.time[0] += 10  # the ten seconds' worth that waits has slots of its own: a burst is saved up again only now
    assert len([each for each in await world.create(posts=2, times=100) if each == CREATED]) == 60


async def test_the_log_says_which_circuit_is_open_and_why(caplog: pytest.LogCaptureFixture) -> None:
    """One line when the circuit opens and one when it closes; none for the messages in between."""
    world = made()
    with caplog.at_level("WARNING", "darkroom.replicate"):
        await world.open(NO_CREDIT)
        await world.create(times=50)
        world.time[0] += RULE.pause_s
        world.replicate.say = CREATED
        await world.create()
    assert [record.getMessage() for record in caplog.records] == [
        "replicate's creates: circuit open for 5 s: no credit",
        "replicate answers again: its creates are asked for as usual",
    ]
