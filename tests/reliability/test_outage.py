"""An outage of Replicate under load: nothing is lost, nothing dies, and the backlog is retried as it can be served.

The hour at 50 requests a second is `python3 -m dev outage`. Here are four minutes at 3 a second, with the same message
handler, the same breakers, and a pace at the same part of the limit.
"""

import logging
from dataclasses import replace

import pytest

from dev import outage as command
from dev.simulation.outage import SLOTS, Case, Figures, Outage
from dev.simulation.outage_dependencies import Trouble

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]  # a busy machine may take long over what is long

SMALL = Case(trouble=Trouble.ERRORS, rate_per_s=3, outage_s=240, instances=4, observers=4, creates_per_minute=360)

#: What is under way when it begins, and a probe every two minutes or more often.
TRIED_MOST = SMALL.instances * (SLOTS + 15)

#: The limit, and a burst of a tenth of it.
MINUTE_MOST = SMALL.creates_per_minute * 1.1

#: 720 requests at the half of the limit that those who come meanwhile leave are 240 s, after the longest pause of a
#: probe. Some meet an instance that has no token left and wait a second time, behind those who came meanwhile.
WORKED_OFF_S = 2 * 240 + 150


def nothing_is_lost(found: Figures) -> None:
    """Assert that every request has its picture and is paid once, and that no message is dead."""
    assert found.requests > 1200
    assert found.outcomes == {"succeeded": found.requests}
    assert (found.lost, found.dead, found.charged_twice) == (0, 0, 0)
    assert found.timed_out == 0


@pytest.mark.parametrize("trouble", Trouble)
def test_an_outage_loses_nothing_and_makes_no_storm(trouble: Trouble) -> None:
    """During 5xx, refused connections, silence or 402 Replicate gets few requests, and then no more than the pace."""
    found = Outage(replace(SMALL, trouble=trouble)).run()
    nothing_is_lost(found)
    assert found.extra_predictions == 0
    assert 0 < found.creates_in_outage <= TRIED_MOST
    assert found.questions_in_outage <= 200
    assert found.deferrals_mean < 3
    assert found.deferrals_most <= 15
    assert found.peak_per_minute <= MINUTE_MOST
    assert found.throttled == 0
    assert found.worked_off_s < WORKED_OFF_S


def test_it_is_the_same_each_time() -> None:
    """One seed gives one history, and another seed another."""
    short = replace(SMALL, rate_per_s=1, outage_s=20)
    assert Outage(short).run() == Outage(short).run() != Outage(replace(short, seed=2)).run()


def test_the_command_says_what_it_came_to(capsys: pytest.CaptureFixture[str]) -> None:
    """The run is bounded, prints each figure of the documentation with its name, and leaves the log's level alone."""
    before = logging.getLogger("darkroom").level
    assert command.main(["--trouble", "402", "--rate", "5", "--minutes", "1", "--limit", "600"]) == 0
    printed = capsys.readouterr().out
    assert "402 to creates" in printed
    for name, _ in command.LINES:
        assert name in printed
    assert logging.getLogger("darkroom").level == before


def test_the_command_fails_where_something_is_lost(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit code is 1."""
    monkeypatch.setattr(command, "played", lambda case: (Figures(requests=1), 0.0))
    assert command.main(["--trouble", "5xx"]) == 1
    assert "lost" in capsys.readouterr().out
