"""A short run with real kills: the stack under load while its host and broker are killed."""

import pytest

from tests.stack.chaos import Chaos

pytestmark = pytest.mark.stack


@pytest.mark.timeout(240)
def test_nothing_is_lost_or_charged_twice_while_processes_are_killed(chaos: Chaos) -> None:
    """A minute of `python3 -m dev chaos`: kills, lost answers and webhooks, and every invariant holds at rest."""
    code, said = chaos.end()
    assert code == 0, said
    assert "Every invariant holds." in said
    assert "killed and started again" in said
