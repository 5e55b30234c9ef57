"""Requests at once at accounts with room for a few: not one too many gets through. In other designs some do."""

import pytest

from dev.budget import darkroom, peers
from dev.budget.figures import Figure, Load
from shared.core.money.entries import Move
from shared.core.reasons import Reason
from tests.stack.road import Road

pytestmark = [pytest.mark.stack, pytest.mark.process]

LOAD = Load(requests=15, senders=4, room=7)
MOST_S = 60.0


async def test_darkroom_opens_as_many_as_there_is_room_for(road: Road) -> None:
    """By each kind of bound: 7 of 15, by the ledger, the account, the events and the provider; 8 are refused."""
    figures = await darkroom.fired(road.stack, road.app, LOAD, MOST_S)
    assert [figure.bound for figure in figures] == [
        "balance",
        "limit of the account",
        "limit of a user",
        "limit in USD",
    ]
    for figure in figures:
        assert (figure.opened, figure.refused, figure.most_used, figure.made) == (7, 8, 7, 7), figure
        assert (figure.overshoot, figure.unanswered) == (0, 0)
        granted = 7 if figure.bound == "balance" else 22
        assert await road.balances(figure.account_id) == (granted - 7, 0, 7)
        await road.books_balance(figure.account_id)
        entries = [entry async for entry in road.deps.store.ledger(figure.account_id)]
        assert [sum(entry.move is move for entry in entries) for move in (Move.HOLD, Move.RESOLVE)] == [7, 7]
        heard = [event for each in road.app.events.values() for event in each if _is_of(event, figure)]
        refused = [event["data"]["reason"]["code"] for event in heard if event["data"]["reason"]]
        assert refused == [Reason.NO_CREDITS if figure.bound == "balance" else Reason.OVER_LIMIT] * 8


async def test_check_call_deduct_overshoots_under_the_same_load(road: Road) -> None:
    """So the load is hard enough, and the comparison can fail. One of them calls the provider for the refused too."""
    figures = {figure.who: figure for figure in await peers.fired(road.stack, LOAD, MOST_S)}
    assert list(figures) == ["open-saas pattern", "BudgetManager pattern"]
    for figure in figures.values():
        assert figure.overshoot > 0, figure
        assert figure.opened == 7 + figure.overshoot
        assert figure.unanswered == 0
    assert figures["open-saas pattern"].made == 15


def _is_of(event: dict[str, object], figure: Figure) -> bool:
    data = event["data"]
    return isinstance(data, dict) and data.get("account_id") == figure.account_id and "generation_id" in data
