"""Sums of what was used."""

import random
from dataclasses import asdict, replace
from datetime import UTC, datetime

import pytest

from shared.core.money.usage import Sum, Usage, Used, usd


def used(user_id: str, model: str, credits_: int) -> Used:
    """A generation that succeeded."""
    return Used(
        account_id=user_id,
        user_id=user_id,
        model=model,
        succeeded=True,
        outputs=1,
        captured_credits=credits_,
        cost_usd_micros=credits_ * 2**53 + 1,
        opened_at=datetime(2026, 11, 21, tzinfo=UTC),
    )


def test_all_sums_agree_whatever_the_order() -> None:
    """Over users, over models, and over both it is the same whole; integers lose nothing beyond 53 bits."""
    chance = random.Random(1)
    everything = [used(chance.choice("abc"), chance.choice("xyz"), number) for number in range(100)]
    sums, other = Usage(), Usage()
    for each in everything:
        sums.add(each)
    for each in chance.sample(everything, len(everything)):
        other.add(each)
    assert list(sums.by_user_and_model()) == list(other.by_user_and_model())
    assert [user for user, _, _ in sums.by_user_and_model()] == [(user, user) for user in "abc" for _ in range(3)]
    whole = {
        "generations": 100,
        "succeeded": 100,
        "outputs": 100,
        "captured_credits": 4950,
        "cost_usd_micros": 4950 * 2**53 + 100,
    }
    assert asdict(sums.total()) == whole
    assert sum(sums.by_user().values(), Sum()) == sum(sums.by_model().values(), Sum()) == sums.total()


def test_a_user_of_two_accounts_is_two_users() -> None:
    """One id in two accounts: nobody's use is added to somebody else's."""
    sums = Usage()
    for account_id, credits_ in (("acme", 2), ("ada", 3), ("acme", 4)):
        sums.add(replace(used("ada", "x", credits_), account_id=account_id))
    assert {user: each.captured_credits for user, each in sums.by_user().items()} == {
        ("acme", "ada"): 6,
        ("ada", "ada"): 3,
    }
    assert sums.by_model()["x"].captured_credits == 9


@pytest.mark.parametrize(
    ("micros", "shown"),
    [(0, "0.000000"), (3_000, "0.003000"), (1_000_000, "1.000000"), (-1, "-0.000001"), (2**63, "9223372036854.775808")],
)
def test_money_is_shown_exactly(micros: int, shown: str) -> None:
    """Six decimals, by whole numbers alone."""
    assert usd(micros) == shown
