"""The figures of `python3 -m dev budget`: what counts as an overshoot."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from dev.budget import peers
from dev.budget.darkroom import cases, most_used
from dev.budget.figures import Figure, table
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


def test_a_generation_too_many_is_an_overshoot() -> None:
    """Whether the ledger shows it or the count of holds; what is unanswered is no refusal."""
    kept = Figure(
        who="x",
        bound="balance",
        account_id="ada",
        room=7,
        sent=15,
        opened=7,
        refused=8,
        most_used=7,
        made=7,
    )
    assert (kept.overshoot, kept.unanswered) == (0, 0)
    assert (replace(kept, most_used=9).overshoot, replace(kept, opened=8).overshoot) == (2, 1)
    assert replace(kept, refused=6).unanswered == 2
    assert table([kept]).splitlines()[1].split() == ["x", "balance", "7", "15", "7", "8", "0", "7"]


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
