"""approve, deny, and what show says of what waits."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from dev.fakes.accounts import daily
from dev.fakes.world import KEY
from shared import worker
from shared.core.lifecycle.state import State
from shared.core.money.limits import Effect
from shared.core.switches import Order, PauseScope, Span, Switch, Target
from shared.worker.accounts import Command
from tests.cli.counter import Counter


def waiting(counter: Counter) -> None:
    """A request for two pictures that waits for an approval; what opens only begins to run."""
    counter.works = False
    counter.store.put_account(
        replace(counter.account(), limits=(replace(daily(1), effect=Effect.APPROVE),)),
    )
    counter.request(KEY, num_outputs=2)


def test_show_says_what_it_waits_for(counter: Counter) -> None:
    """Which limit, at what cost, who may give it, until when; in JSON too."""
    waiting(counter)
    out = " ".join(counter.call("show", "one").out.split())
    assert "approval past the account's limit daily, up to 2 credits, by an operator or an approver, until" in out
    facts = json.loads(counter.call("show", "one", "--json").out)["approval"]
    assert (facts["limit_id"], facts["credits"], facts["pending"], facts["decisions"]) == ("daily", 2, True, [])


def test_show_says_until_when_it_can_be_decided(counter: Counter) -> None:
    """A pause of a day moves it by a day, for people and for programs; what is decided has no such time."""
    waiting(counter)
    ends = counter.saved().opened_at + timedelta(days=3)
    assert f"until {ends:%Y-%m-%d %H:%M:%S}Z, in 3 d" in " ".join(counter.call("show", "one").out.split())
    paused = Order(target=Target(PauseScope.APP), issued_at=counter.time, command_id="p")
    counter.switches.switches = (Switch(paused, (Span(counter.time, counter.time + timedelta(days=1)),)),)
    counter.pass_time(5)
    before = counter.saved()
    assert f"until {ends + timedelta(days=1):%Y-%m-%d %H:%M:%S}Z" in " ".join(counter.call("show", "one").out.split())
    facts = json.loads(counter.call("show", "one", "--json").out)["approval"]
    assert facts["until"] == (ends + timedelta(days=1)).isoformat()
    assert counter.saved() == before
    assert counter.call("deny", "one", "--user", "ada").code == 0
    facts = json.loads(counter.call("show", "one", "--json").out)["approval"]
    assert (facts["until"], facts["pending"]) == (None, False)


def test_approve_opens_it_and_names_the_operator(counter: Counter) -> None:
    """Without options it approves what is asked; a second time is refused."""
    waiting(counter)
    called = counter.call("approve", "one", "--user", "ada", "--id", "t1")
    assert (called.code, called.err) == (0, "")
    assert "approved generation one, command t1" in called.out
    assert "daily approved by operator:" in called.out
    asyncio.run(counter.pump())
    assert counter.generation().state is State.RUNNING
    again = counter.call("approve", "one", "--user", "ada")
    assert again.code == 1
    assert "Nothing was changed: it was approved before" in again.err


@pytest.mark.parametrize(
    ("words", "said", "state"),
    [
        (("approve", "one", "--user", "ada"), "approved generation one", State.RUNNING),
        (("deny", "one", "--user", "ada"), "denied generation one", State.REJECTED),
    ],
)
def test_it_needs_no_more_than_an_operators_roles(
    counter: Counter, words: tuple[str, ...], said: str, state: State
) -> None:
    """A command is sent and the app applies it: an operator writes no open row and no blob, and publishes nothing."""
    waiting(counter)
    counter.use_operators_roles()
    called = counter.call(*words)
    assert (called.code, called.err) == (0, "")
    assert said in called.out
    asyncio.run(counter.pump())
    assert counter.saved().state is state


def test_what_the_app_has_not_applied_yet_is_said_to_be_sent(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """The app is down: how to look later is said. What was sent is applied when it is back."""
    waiting(counter)
    monkeypatch.setattr(counter, "apply_commands", _nothing)
    called = counter.call("approve", "one", "--user", "ada", "--id", "t1")
    assert (called.code, called.err) == (0, "")
    assert called.out == (
        "sent command t1 (approve) of account ada; it is not applied yet. Look later:\ndarkroom show one --user ada\n"
    )
    monkeypatch.undo()
    asyncio.run(counter.apply_commands())
    asyncio.run(counter.pump())
    assert counter.generation().state is State.RUNNING


def test_what_somebody_else_decided_meanwhile_is_said(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read from the generation: the command was sent, and changes nothing."""
    waiting(counter)

    async def denied_first() -> None:
        await worker.deny(counter.deps, KEY, "No.", Command(command_id="first", by="operator:bo"))

    monkeypatch.setattr(counter, "apply_commands", denied_first)
    called = counter.call("approve", "one", "--user", "ada")
    assert called.code == 1
    assert "The command was sent and changes nothing: it was denied before, and has ended" in called.err


async def _nothing() -> None:
    """Apply no command."""


def test_approve_of_too_little_is_refused(counter: Counter) -> None:
    """Fewer credits, or another limit; and what waits for nothing."""
    waiting(counter)
    before = counter.saved()
    assert "needs up to 2 credits" in counter.call("approve", "one", "--user", "ada", "--most", "1").err
    assert "not 'weekly'" in counter.call("approve", "one", "--user", "ada", "--limit", "weekly").err
    assert counter.saved() == before
    counter.store.put_account(replace(counter.account(), limits=()))
    counter.request(replace(KEY, generation_id="two"))
    assert "does not wait for an approval" in counter.call("approve", "two", "--user", "ada").err


def test_deny_ends_it_with_a_reason(counter: Counter) -> None:
    """The user reads it; nothing is held."""
    waiting(counter)
    called = counter.call("deny", "one", "--user", "ada", "--reason", "Not this quarter.")
    assert called.code == 0
    assert "denied by operator:" in called.out
    (event,) = counter.events
    assert (event.outcome, event.text) == ("rejected", "Not this quarter.")
    assert counter.balances() == (10, 0, 0)
