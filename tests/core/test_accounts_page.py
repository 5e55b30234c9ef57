"""docs/accounts.md: every number and sentence of its examples is what the functions of the money make."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shared.core.keys import Key
from shared.core.money import moves, settings
from shared.core.money.account import Account, Hold, User
from shared.core.money.allowance import Allowance, Becomes, Period
from shared.core.money.buckets import DEFAULT_PRIORITY, MOST_BUCKETS
from shared.core.money.credits import SUMS
from shared.core.money.limits import MOST_LIMITS, STEPS, Cost, Effect, Limit, Scope, Unit
from shared.core.money.moves import Posting
from shared.core.money.payer import Payer, refusal, to_approve
from shared.core.money.settings import Order
from shared.core.money.statement import Line, Made, Statement, lines, month_of
from shared.core.money.windows import Span
from shared.views.statement import as_text

PAGE = (Path(__file__).parents[2] / "docs" / "accounts.md").read_text(encoding="utf-8")
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
AT = Posting(at=NOW)
ONE, TWO = Key("acme", "one"), Key("acme", "two")
DAILY = Limit(limit_id="daily", window=Span.DAY, amount=10)


def row(what: str, account: Account) -> str:
    """The line of the page's tables that shows the six sums."""
    return f"| {what} | {' | '.join(str(getattr(account, name)) for name in SUMS)} |"


def line_of(cells: list[object]) -> str:
    """A line of a table."""
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def with_grants() -> Account:
    """The account of the section about buckets."""
    account = Account(account_id="acme")
    for name, amount, expires_at, priority in (
        ("order-7", 100, None, DEFAULT_PRIORITY),
        ("december", 20, DECEMBER, DEFAULT_PRIORITY),
        ("gift", 5, None, 10),
    ):
        after = moves.grant(account, amount, grant_id=name, posting=AT, expires_at=expires_at, priority=priority)
        account = after.account
    return account


def holding(account: Account, amount: int, usd_micros: int = 0, *, posting: Posting = AT) -> tuple[Hold, Account]:
    """A hold of a generation, and the account after it."""
    hold, after = moves.hold(account, None, Cost(amount, usd_micros), key=ONE, posting=posting)
    return hold, after.account


def ended(account: Account, hold: Hold, captured: int, *, posting: Posting = AT) -> Account:
    """The account after the end of that generation."""
    return moves.resolve(account, None, hold, captured, cost_usd_micros=0, key=ONE, posting=posting).account


def test_hold_capture_release() -> None:
    """Four pictures are asked for and three delivered."""
    account = moves.grant(Account(account_id="acme"), 100, grant_id="order-7", posting=AT).account
    hold, holds = holding(account, 4)
    lines = [
        row("100 are granted", account),
        row("a request for 4 pictures opens", holds),
        row("3 of them are delivered", ended(holds, hold, 3)),
    ]
    assert "\n".join(lines) in PAGE
    assert all(name in PAGE for name in SUMS)


def test_the_buckets_and_the_order_of_spending() -> None:
    """A hold of 30 takes them in order, and a capture of 22 in the same order."""
    account = with_grants()
    hold, holds = holding(account, 30)
    captured, left = 22, []
    for part in hold.parts:
        left.append(min(part.credits, captured))
        captured -= left[-1]
    have = {bucket.terms.bucket_id: bucket.available for bucket in ended(holds, hold, 22).buckets}
    lines = [
        line_of(
            [
                part.terms.bucket_id.removeprefix("grant:"),
                before.available,
                part.credits,
                taken,
                have.get(part.terms.bucket_id, 0),
            ]
        )
        for part, before, taken in zip(hold.parts, account.buckets, left, strict=True)
    ]
    assert "\n".join(lines) in PAGE
    assert f"priority {DEFAULT_PRIORITY}" in PAGE


def test_late_releases_expire_and_refunds_and_revokes() -> None:
    """The same generation ends in November or in December; four are given back; 200 are to be taken back."""
    hold, holds = holding(with_grants(), 30)
    november, december = ended(holds, hold, 22), ended(holds, hold, 22, posting=Posting(at=DECEMBER))
    refunded = moves.refund(november, hold, 22, 4, refund_id="r", key=ONE, posting=AT).account
    for what, account in (
        ("the hold of 30", holds),
        ("it ends on 28 November, 22 captured", november),
        ("... or on 1 December", december),
        ("a refund of 4, on 28 November", refunded),
        ("a revoke of 200, while 30 are held", moves.revoke(holds, 200, revoke_id="r", posting=AT).account),
    ):
        assert row(what, account) in PAGE


def test_an_allowance_and_what_rolls_over() -> None:
    """500 a month, of which at most 250 stay; 180 are used in November, and then nothing until March."""
    team = Allowance(credits=500, period=Period.MONTHLY, rollover_credits=250)
    first = Posting(at=datetime(2026, 11, 1, tzinfo=UTC), allowance=team)
    account = moves.brought(Account(account_id="acme"), first).account
    hold, holds = holding(account, 180, posting=first)
    used = ended(holds, hold, 180, posting=first)
    lines = [
        row("1 November", account),
        row("180 are used", used),
        row("1 December", moves.brought(used, replace(first, at=DECEMBER)).account),
    ]
    assert "\n".join(lines) in PAGE
    march = moves.brought(used, replace(first, at=datetime(2027, 3, 10, tzinfo=UTC)))
    assert row("... or first on 10 March", march.account) in PAGE
    assert len(march.entries) == 1


def test_a_new_zone_shortens_the_next_period() -> None:
    """The example of the text: what is granted at the end of November, and with December."""
    monthly = Allowance(credits=500, period=Period.MONTHLY)
    tenth = Posting(at=datetime(2026, 11, 10, tzinfo=UTC), allowance=monthly)
    account = moves.brought(Account(account_id="acme"), tenth).account
    order, zone = Order(tenth.at, "z"), settings.Settings(zone="America/Los_Angeles")
    account = settings.set_account(account, zone, order=order, posting=tenth).account
    rest = moves.brought(account, replace(tenth, at=DECEMBER))
    whole = moves.brought(rest.account, replace(tenth, at=DECEMBER + timedelta(hours=8)))
    granted = [sum(entry.granted for entry in after.entries) for after in (rest, whole)]
    assert f"has 8 hours left: of 500 credits they are {granted[0]}. December follows with {granted[1]}." in PAGE


def test_the_numbers_of_limits_and_buckets() -> None:
    """As they are checked."""
    assert f"An account has at most {MOST_LIMITS} limits" in PAGE
    assert f"Each other user has {MOST_LIMITS} more" in PAGE
    assert f"account that has {MOST_BUCKETS} buckets with credits is refused" in PAGE


def test_a_plan_change_in_the_middle_of_a_month() -> None:
    """300 a month becomes 600 on 16 November, after 100 were used."""
    small, large = (Allowance(credits=number, period=Period.MONTHLY) for number in (300, 600))
    first = Posting(at=datetime(2026, 11, 1, tzinfo=UTC), allowance=small)
    hold, holds = holding(moves.brought(Account(account_id="acme"), first).account, 100, posting=first)
    used, middle = ended(holds, hold, 100, posting=first), datetime(2026, 11, 16, tzinfo=UTC)
    assert row("before", used) in PAGE
    for becomes in Becomes:
        posting = replace(first, at=middle)
        after = settings.set_plan(used, "large", becomes, large, order=Order(middle, "up"), posting=posting)
        assert row(f"`{becomes}`", after.account) in PAGE


def said(payer: Payer | None, cost: Cost, key: Key = TWO) -> str:
    """The refusal, as the page quotes it."""
    found = refusal(payer, cost, key, NOW)
    assert found is not None
    return f"`{found.reason}`: {found.text}"


def test_the_sentences_of_refusals() -> None:
    """8 credits and 0.024 USD are held; a request for 4 more and 0.012 USD comes."""
    account = moves.grant(Account(account_id="acme"), 100, grant_id="order-7", posting=AT).account
    hold, holds = holding(account, 8, 24_000)
    cost = Cost(4, 12_000)
    usd = Limit(limit_id="spend", window=Span.MONTH, amount=30_000, unit=Unit.USD)
    suspended = settings.suspend(holds, "the invoice of October is open.", order=Order(NOW, "s"), posting=AT).account
    for sentence in (
        said(Payer(holds, limits=(DAILY,)), cost),
        said(Payer(holds, limits=(replace(DAILY, window=Span.ROLLING_24H),)), cost),
        said(Payer(holds, limits=(usd,)), cost),
        said(Payer(holds, limits=(replace(DAILY, amount=3),)), cost),
        said(Payer(holds), Cost(93)),
        said(None, Cost(1)),
        said(Payer(suspended), Cost(1)),
    ):
        assert f"> {sentence}\n" in PAGE
    freed = ended(holds, hold, 5)
    assert refusal(Payer(freed, limits=(DAILY,)), cost, TWO, NOW) is None
    assert freed.usage.counted(Span.DAY, NOW)[0] + cost.credits == 9
    assert "5 + 4 = 9" in PAGE


def test_a_user_with_a_limit_of_its_own() -> None:
    """Kim's limit stops Kim and nobody else of the account; neither warn nor approve refuses."""
    account = moves.grant(Account(account_id="acme"), 100, grant_id="order-7", posting=AT).account
    mine = replace(DAILY, limit_id="kim", scope=Scope.USER, amount=5)
    kim = User(account_id="acme", user_id="kim", limits=(mine,))
    _, after = moves.hold(account, kim, Cost(4), key=Key("kim", "one", "acme"), posting=AT)
    assert after.user is not None
    kims = said(Payer(after.account, after.user), Cost(2), Key("kim", "two", "acme"))
    assert f"> {kims}\n" in PAGE
    lee = User(account_id="acme", user_id="lee")
    assert refusal(Payer(after.account, lee), Cost(2), Key("lee", "two", "acme"), NOW) is None
    warns, asks = replace(DAILY, effect=Effect.WARN, amount=1), replace(DAILY, effect=Effect.APPROVE, amount=1)
    assert refusal(Payer(account, limits=(warns,)), Cost(2), TWO, NOW) is None
    assert refusal(Payer(account, limits=(asks,)), Cost(2), TWO, NOW) is None
    exceeded = to_approve(Payer(account, limits=(asks,)), Cost(2), TWO, NOW, ())
    assert exceeded is not None
    assert exceeded.limit == asks
    assert STEPS == (50, 80, 100)


def test_every_window_is_named() -> None:
    """A new window needs its place on the page."""
    assert [span for span in Span if f"`{span}`" not in PAGE] == []


def test_the_statement_of_a_month() -> None:
    """A grant, a hold and its end, as `account statement` prints them."""
    by = Posting(at=NOW, by="operator:billing", why="invoice 2026-118")
    granted = moves.grant(Account(account_id="acme"), 100, grant_id="order-7", posting=by)
    hold, holds = moves.hold(granted.account, None, Cost(4), key=ONE, posting=AT)
    end = moves.resolve(
        holds.account, None, hold, 3, cost_usd_micros=0, key=ONE, posting=Posting(at=NOW.replace(second=4))
    )
    entries = (*granted.entries, *holds.entries, *end.entries)
    made = {("acme", "one"): Made("flux-schnell", 3)}
    november, opening = month_of("2026-11", UTC), (0,) * 6

    async def pages() -> AsyncIterator[Sequence[Line]]:
        await asyncio.sleep(0)
        yield lines(november, entries, made, opening)

    async def text() -> str:
        return "".join([part async for part in as_text(Statement("acme", november, opening, pages()))])

    said = asyncio.run(text()).splitlines()
    assert "\n".join(f"    {line}".rstrip() for line in said) in PAGE
