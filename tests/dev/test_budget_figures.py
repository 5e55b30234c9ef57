"""The figures of `python3 -m dev budget`: what counts as an overshoot."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from dev.budget import peers
from dev.budget.darkroom import cases, most_used
from dev.budget.figures import OURS, Figure, kept, table
from shared.core.keys import Key
from shared.core.money import moves
from shared.core.money.account import Account
from shared.core.money.entries import LedgerEntry
from shared.core.money.limits import Cost
from shared.core.money.moves import Posting


def test_the_worst_moment_counts_and_not_the_end() -> None:
    """Two held at once are two, though one of them is given back; in USD the worst case counts."""
    at = Posting(at=datetime(2026, 11, 28, 12, tzinfo=UTC))
    account = moves.grant(Account(account_id="ada"), 5, grant_id="g", posting=at).account
    entries: list[LedgerEntry] = []
    for name in ("one", "two"):
        hold, after = moves.hold(account, None, Cost(1, 3_000), key=Key("ada", name), posting=at)
        account, entries = after.account, [*entries, *after.entries]
    back = moves.resolve(account, None, hold, 0, cost_usd_micros=0, key=Key("ada", "two"), posting=at)
    entries += back.entries
    assert back.account.held == 1
    assert (most_used(entries), most_used(entries, 3_000), most_used(entries, 4_000)) == (2, 2, 2)


KEPT = Figure(
    who=OURS,
    bound="balance",
    account_id="ada",
    room=7,
    sent=15,
    opened=7,
    refused=8,
    most_used=7,
    made=7,
)


def test_a_generation_too_many_is_an_overshoot() -> None:
    """Whether the ledger shows it or the count of holds; what is unanswered is no refusal."""
    assert (KEPT.overshoot, KEPT.unanswered) == (0, 0)
    assert (replace(KEPT, most_used=9).overshoot, replace(KEPT, opened=8).overshoot) == (2, 1)
    assert replace(KEPT, refused=6).unanswered == 2
    assert table([KEPT]).splitlines()[1].split() == ["Darkroom", "balance", "7", "15", "7", "8", "0", "7"]


def test_one_account_beyond_its_bound_is_enough_to_fail() -> None:
    """Or one request without an answer; the figures of others decide nothing, and no figures are no success."""
    other = replace(KEPT, who="another", most_used=20)
    assert kept([KEPT, KEPT, other])
    assert not kept([KEPT, replace(KEPT, most_used=8)])
    assert not kept([KEPT, replace(KEPT, refused=7)])
    assert not kept([other])


def test_the_page_names_files_and_bounds_that_there_are() -> None:
    """docs/budgets.md: every file, every account and every pattern of the command is as it says."""
    root = Path(__file__).parents[2]
    page = (root / "docs" / "budgets.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:shared|tests|dev)/[a-z_/.]+)`", page)
    assert len(named) >= 6
    assert [name for name in named if not (root / name).is_file()] == []
    rows = [line.split(" | ")[:2] for line in page.splitlines() if " | 37 | " in line]
    bounds = [["| Darkroom", case.bound] for case in cases(37, 3_000)]
    assert rows == [*bounds, *([f"| {name}", "balance"] for name in peers.PATTERNS)]
