"""Real kills in short: the stack under load while its host and broker are killed."""

import pytest

from dev import chaos

pytestmark = pytest.mark.stack


@pytest.mark.timeout(240)
def test_nothing_is_lost_or_charged_twice_while_processes_are_killed(capsys: pytest.CaptureFixture[str]) -> None:
    """A minute of `python3 -m dev chaos`: kills, lost answers and webhooks, and every invariant holds at rest."""
    exit_code = chaos.main(["--generations", "60", "--seconds", "14", "--every", "3"])
    assert exit_code == 0, capsys.readouterr().out
