"""Kill switches and the app's limits, as library functions."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dev.fakes.accounts import daily
from dev.fakes.world import START, World
from shared import worker
from shared.core.lifecycle.state import State
from shared.core.money.limits import Effect, Limit, Scope
from shared.core.switches import PauseScope, Target
from shared.core.values import replace
from shared.worker import Command

APP = Target(PauseScope.APP)
OPS = Command(command_id="p1", by="operator:kim", why="bad pictures")


@pytest.fixture
async def world() -> World:
    """Ada has credits."""
    made = World()
    await made.open_account()
    return made


async def test_a_pause_is_in_force_and_is_ended(world: World) -> None:
    """As by a message: who, why, what users read and until when are kept, and a create waits."""
    until = START + timedelta(hours=1)
    answer = await worker.pause(world.deps, APP, OPS, until=until, reason="The model answers wrongly.")
    assert (answer.outcome, answer.text) == ("applied", "Paused until 2026-11-21T13:00:00Z: the whole app.")
    (switch,) = world.switches.switches
    order = switch.order
    assert (order.by, order.why, order.reason) == ("operator:kim", "bad pictures", "The model answers wrongly.")
    await world.ask()
    assert world.saved().state is State.RECEIVED
    world.pass_time(60)
    answer = await worker.resume(world.deps, APP, replace(OPS, command_id="r1"))
    assert answer.text == "Not paused: the whole app."
    older = replace(OPS, command_id="p0", issued_at=START)
    assert (await worker.pause(world.deps, APP, older)).outcome == "superseded"


@pytest.mark.parametrize(
    ("target", "given", "said"),
    [
        (Target(PauseScope.MODEL, model="flux-dvi"), {}, "the catalogue has no model flux-dvi"),
        (Target(PauseScope.ACCOUNT), {}, "account_id"),
        (Target(PauseScope.USER, "ada"), {}, "user_id"),
        (Target(PauseScope.ACCOUNT, "no/id"), {}, "account_id"),
        (APP, {"until": datetime(2026, 12, 1)}, "until"),  # noqa: DTZ001  # that is what is refused
        (APP, {"until": datetime(2020, 12, 1, tzinfo=UTC)}, "until is not later than the command itself"),
        (APP, {"reason": "x" * 301}, "reason"),
    ],
)
async def test_what_cannot_be_paused_is_refused_by_name(
    world: World, target: Target, given: dict[str, Any], said: str
) -> None:
    """The checks are those of the queue."""
    with pytest.raises(ValueError, match=said):
        await worker.pause(world.deps, target, OPS, **given)
    assert world.switches.switches == ()


async def test_a_limit_of_the_app_is_set_and_taken_away(world: World) -> None:
    """It refuses what is beyond it, and no more when it is gone."""
    limit = replace(daily(1), scope=Scope.APP, effect=Effect.BLOCK)
    assert (await worker.set_app_limit(world.deps, limit, OPS)).outcome == "applied"
    assert list(world.switches.limits.limits) == [limit]
    await world.ask(num_outputs=2)
    assert world.saved().state is State.REJECTED
    world.pass_time(1)
    await worker.remove_app_limit(world.deps, "daily", replace(OPS, command_id="r"))
    assert list(world.switches.limits.limits) == []


@pytest.mark.parametrize("amount", [True, 1.0, float("nan"), 2**63, -1, "1"])
async def test_a_limit_of_the_app_is_a_whole_number(world: World, amount: Any) -> None:
    """Another one is refused before anything is written."""
    with pytest.raises(ValueError, match="must be a whole number"):
        await worker.set_app_limit(world.deps, Limit(limit_id="d", window=daily(1).window, amount=amount), OPS)
    assert world.switches.limits.limits == ()


@pytest.mark.process
def test_the_road_of_a_picture_loads_none_of_it() -> None:
    """Importing the message handler imports no command."""
    program = "import sys, shared.worker; print([each for each in sys.modules if 'core.commands' in each])"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
