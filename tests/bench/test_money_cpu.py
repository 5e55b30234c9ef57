"""What limits, buckets, chain and receipts cost in CPU, by calling the pure functions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from shared.adapters.azure_storage.tables import rows_money
from shared.core.keys import Key
from shared.core.lifecycle.receipt import receipted
from shared.core.money import moves
from shared.core.money.account import Account, User
from shared.core.money.allowance import Allowance, Period
from shared.core.money.limits import Cost, Effect, Limit, Scope, Unit
from shared.core.money.moves import Posting
from shared.core.money.windows import Span
from tests.adapters.examples import ending, full_generation, opening
from tests.timing import best_cpu_s

NOW = datetime(2026, 11, 28, 12, 34, 56, tzinfo=UTC)

#: 10,000 calls, in parts of which the best counts.
TIMES, PARTS = 2_000, 5

#: Fewer calls will do for what is far below its bound.
FEW = 200

#: What one balance with one daily limit cost for check, hold and resolve, on the machine where this was written.
BEFORE_S = 0.000_05

#: The bound of a check, a hold and a resolve, beyond what they cost before limits and buckets.
MORE_S = 0.000_5

#: Machines of CI are slower, and shared.
SLOWER = 4


def busy() -> tuple[Account, User]:
    """An account of 20 users with 50 buckets and 12 limits, and one of its users, after a day of use."""
    account = Account(account_id="acme", zone="Europe/Berlin")
    for number in range(50):
        expires_at = NOW + timedelta(days=2 + number) if number % 2 else None
        posting = Posting(at=NOW - timedelta(hours=25))
        account = moves.grant(account, 10_000, grant_id=f"g{number}", posting=posting, expires_at=expires_at).account
    users: dict[str, User | None] = {}
    for number in range(96):
        key, at = Key(f"user{number % 20}", f"x{number}", "acme"), NOW - timedelta(minutes=15 * (96 - number))
        _, after = moves.hold(account, users.get(key.user_id), Cost(3, 900), key=key, posting=Posting(at=at))
        account, users[key.user_id] = after.account, after.user
    user = users["user0"]
    assert user is not None
    return replace(account, limits=limits(Scope.ACCOUNT)), replace(user, limits=limits(Scope.USER)[:4])


def limits(scope: Scope) -> tuple[Limit, ...]:
    """Eight limits: all windows, both units, all effects."""
    return tuple(
        Limit(
            limit_id=f"{span}-{unit}",
            window=span,
            unit=unit,
            amount=900_000_000,
            effect=(Effect.WARN, Effect.BLOCK, Effect.APPROVE)[number % 3],
            scope=scope,
        )
        for number, (unit, span) in enumerate(
            product((Unit.CREDITS, Unit.USD), (Span.HOUR, Span.DAY, Span.MONTH, Span.ROLLING_24H))
        )
    )


@pytest.mark.long
def test_limits_and_buckets_cost_little_cpu() -> None:
    """Checking twice (before and after screening), holding and resolving: at most 0.5 ms more for a generation."""
    account, user = busy()
    key, cost = Key("user0", "now", "acme"), Cost(5, 1234)
    posting = Posting(at=NOW, allowance=Allowance(credits=100, period=Period.MONTHLY))
    account = moves.brought(account, posting).account
    assert (len(account.buckets), len(account.limits) + len(user.limits), len(account.usage.slots)) == (51, 12, 96)

    def generations() -> None:
        for _ in range(TIMES):
            for _ in range(2):
                brought = moves.brought(account, posting).account
                for answer in moves.checked(brought, user, (), cost, NOW):
                    assert answer.blocked is None
            hold, held = moves.hold(account, user, cost, key=key, posting=posting)
            moves.resolve(held.account, held.user, hold, 3, cost_usd_micros=99, key=key, posting=posting)

    each_s = best_cpu_s(generations, PARTS) / TIMES
    print(f"check twice, hold and resolve: {each_s * 1000:.3f} ms of CPU a generation")  # noqa: T201  # the figure
    assert each_s <= (BEFORE_S + MORE_S) * SLOWER


def test_the_chain_and_the_receipt_cost_little_cpu() -> None:
    """Sealing an entry, and the receipt's facts at the end: at most 1.5 ms for each of a generation's two moves."""
    account, user = busy()
    key, names = Key("user0", "now", "acme"), bytes(32)
    transition = opening(key, account, 5, user)
    opened = receipted(transition.sealed("0" * 64, names)).generation
    ready = replace(full_generation(key), hold=opened.hold, ledger=opened.ledger, receipt="")
    assert transition.account is not None
    ends = ending(ready, transition.account, 3, transition.user)
    assert receipted(ends.sealed("0" * 64, names)).generation.receipt

    def moves_of_a_generation() -> None:
        for _ in range(FEW):
            receipted(transition.sealed("0" * 64, names))
            receipted(ends.sealed("0" * 64, names))

    each_s = best_cpu_s(moves_of_a_generation, PARTS) / FEW / 2
    print(f"chain and receipt: {each_s * 1000:.3f} ms of CPU a move")  # noqa: T201  # the figure
    assert each_s <= 0.001_5 * SLOWER


def test_a_large_account_is_read_and_written_in_little_cpu() -> None:
    """Its row has 51 buckets, 96 slots and 8 limits: read twice and written twice for a generation."""
    account, _ = busy()
    row = {name: value for name, value in rows_money.account_row(account).items() if value is not None}
    assert rows_money.account_of(row) == account

    def generations() -> None:
        for _ in range(FEW):
            rows_money.account_of(row)
            rows_money.account_row(account)

    each_s = 2 * best_cpu_s(generations, 2) / FEW
    print(f"the row of a large account: {each_s * 1000:.3f} ms of CPU a generation")  # noqa: T201  # the figure
    assert each_s <= 0.002 * SLOWER
