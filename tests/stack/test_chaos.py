"""A short run with real kills: the stack under load while its host and broker are killed."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.stack

#: In a process of its own: the SDK leaves sockets that a killed broker cut to the garbage collector.
SCRIPT = "import sys; from dev.chaos import main; sys.exit(main(sys.argv[1:]))"


@pytest.mark.timeout(240)
def test_nothing_is_lost_or_charged_twice_while_processes_are_killed() -> None:
    """A minute of `python3 -m dev chaos`: kills, lost answers and webhooks, and every invariant holds at rest."""
    arguments = ["--generations", "60", "--seconds", "14", "--every", "3"]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=False, timeout=220
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every invariant holds." in done.stdout
