"""pause, resume, paused: the kill switches from the command line."""

import asyncio
from datetime import timedelta

import pytest

from dev.fakes.world import KEY
from tests.cli.counter import Counter


def test_a_pause_is_in_force_at_once_is_listed_and_ended(counter: Counter) -> None:
    """It says until when; the list says by whom and why; nothing is left of it after its end."""
    called = counter.call("pause", "--model", "flux-dev", "--id", "t1", "--why", "bad pictures")
    assert called.code == 0, called.err
    until = f"{counter.time + timedelta(days=7):%Y-%m-%dT%H:%M:%SZ}"
    assert called.out == f"Paused until {until}: the model flux-dev. Every instance knows within 5 s.\n"
    listed = counter.call("paused").out
    for part in ("the model flux-dev", until, "operator:", "t1", "bad pictures"):
        assert part in listed
    counter.pass_time(1)
    again = counter.call("resume", "--model", "flux-dev")
    assert again.out == "Not paused: the model flux-dev. Every instance knows within 5 s.\n"
    assert counter.call("paused").out == "nothing is paused\n"


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--all", "--model", "flux-dev"),
        ("--user", "ada"),
        ("--account", "no/id"),
        ("--all", "--for", "soon"),
        ("--all", "--for", ""),
        ("--all", "--for", "0m"),
        ("--account", "ada", "--user", ""),
        ("--all", "--id", ""),
    ],
)
def test_what_is_paused_is_named(counter: Counter, words: tuple[str, ...]) -> None:
    """A forgotten, empty or malformed option pauses nothing, and never more or for longer than was meant."""
    assert counter.call("pause", *words).code == 2
    assert counter.switches.switches == ()


def test_a_model_that_is_not_there_is_refused_by_name(counter: Counter) -> None:
    """A misspelt one would stop nothing."""
    called = counter.call("pause", "--model", "flux-dvi")
    assert (called.code, called.out) == (1, "")
    assert "the catalogue has no model flux-dvi; models are" in called.err


def test_show_says_that_a_generation_is_paused(counter: Counter) -> None:
    """Why, and until when; its history says by whom."""
    asyncio.run(counter.open_account())
    assert counter.call("pause", "--account", "ada", "--for", "2h", "--reason", "Too many.").code == 0
    counter.request(KEY)
    shown = counter.call("show", "one", "--user", "ada").out
    until = counter.time + timedelta(hours=2)
    assert f"PAUSED: Too many. This is paused until {until:%Y-%m-%d %H:%M} UTC. It goes on by itself." in shown
    assert "the account ada by operator:" in shown
