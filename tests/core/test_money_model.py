"""Any history of moves, against a model of single credits: each has its bucket and its fate.

The model shares no code with core/money. It expires, spends and gives back credit by credit, grants the allowance month
by month, and finds the edges of windows by searching for the moment at which the date on the wall changes.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.keys import Key
from shared.core.money import moves
from shared.core.money.account import Account, Hold, User, moved, own_use, used
from shared.core.money.allowance import Allowance, Period
from shared.core.money.entries import LedgerEntry, Move
from shared.core.money.limits import Cost
from shared.core.money.moves import Moved, Posting
from shared.core.money.sealing import sealed
from shared.core.money.settings import Order, Settings, set_account
from shared.core.money.windows import CALENDAR, UNUSED, Span

BEGINNING = datetime(2026, 10, 24, 9, 41, tzinfo=UTC)  # the clocks of Europe change in the first days
NEVER = datetime.max.replace(tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Kathmandu")


def label(span: Span, at: datetime, zone: str) -> tuple[int, ...]:
    """What the calendar on the wall shows: two times of one window show the same."""
    wall = at.astimezone(ZoneInfo(zone))
    match span:
        case Span.HOUR:
            offset = wall.utcoffset() or timedelta()
            return (*wall.timetuple()[:4], -int(offset.total_seconds()))
        case Span.DAY:
            return tuple(wall.timetuple()[:3])
        case Span.WEEK:
            return tuple(wall.isocalendar()[:2])
        case _:
            return tuple(wall.timetuple()[:2])


@cache
def edges(span: Span, minute: datetime, zone: str) -> tuple[datetime, datetime]:
    """The first minute that shows the same, and the first that does not any more; both by bisection."""
    here, found = label(span, minute, zone), []
    for sign in (-1, 1):
        same, other = 0, 60 * 24 * 32
        while other - same > 1:
            middle = (same + other) // 2
            if label(span, minute + sign * timedelta(minutes=middle), zone) == here:
                same = middle
            else:
                other = middle
        found.append(minute + sign * timedelta(minutes=same if sign < 0 else other))
    return found[0], found[1]


@dataclass
class Credit:
    """One credit."""

    bucket: str
    order: tuple[Any, ...]
    expires_at: datetime
    fate: str = "available"
    generation: str = ""


@dataclass
class Model:
    """All credits that ever were, and the uses of all holds."""

    credits: list[Credit] = field(default_factory=list)
    uses: dict[str, list[Any]] = field(default_factory=dict)  # generation: [at, credits, USD micros, user]
    zone: str = "UTC"
    windows: dict[str, dict[Span, tuple[datetime, datetime]]] = field(default_factory=dict)
    allowed_until: datetime | None = None

    def of(self, *fates: str, generation: str = "") -> list[Credit]:
        """The credits of these fates in the order of spending, perhaps of one generation."""
        found = [each for each in self.credits if each.fate in fates and generation in ("", each.generation)]
        return sorted(found, key=lambda each: each.order)

    def expire(self, now: datetime) -> None:
        """Every available credit whose time has come."""
        for each in self.of("available"):
            if each.expires_at <= now:
                each.fate = "expired"

    def add(self, bucket: str, amount: int, priority: int, expires_at: datetime, at: datetime) -> None:
        """New credits."""
        order = (priority, expires_at, at, bucket)
        self.credits += [Credit(bucket, order, expires_at) for _ in range(amount)]

    def allow(self, allowance: Allowance, now: datetime) -> None:
        """The allowance, month by month, each with what the one before it left."""
        minute = now.replace(second=0, microsecond=0)
        while self.allowed_until is None or self.allowed_until <= now:
            begins = self.allowed_until or edges(Span.MONTH, minute, self.zone)[0]
            first, end = edges(Span.MONTH, begins, self.zone)
            share = -(-allowance.credits * (end - begins) // (end - first))
            name = f"allowance:{begins:%Y-%m-%dT%H:%M}Z"
            rolls = [each for each in self.of("available") if each.bucket.startswith("allowance:")]
            rolls = [each for each in rolls if each.expires_at <= begins]
            for each in rolls[: allowance.rollover_credits]:
                each.bucket, each.order, each.expires_at = name, (100, end, begins, name), end
            self.add(name, share, 100, end, begins)
            self.allowed_until = end
            self.expire(begins)
        self.expire(now)

    def count(self, whose: str, at: datetime) -> None:
        """Let the windows of an account or a user roll over."""
        mine = self.windows.setdefault(whose, {})
        for span in CALENDAR:
            if span not in mine or at >= mine[span][1]:
                first, end = edges(span, at.replace(second=0, microsecond=0), self.zone)
                mine[span] = (max(first, mine[span][1]) if span in mine else first, end)

    def used(self, whose: str, span: Span, at: datetime) -> tuple[int, int]:
        """What counts in a window now."""
        found = [use for use in self.uses.values() if whose in ("", use[3])]
        if span is Span.ROLLING_24H:
            quarter = timedelta(minutes=15)
            epoch = datetime(1970, 1, 1, tzinfo=UTC)
            found = [use for use in found if epoch + ((use[0] - epoch) // quarter + 1) * quarter > at - 96 * quarter]
        else:
            start, end = self.windows.get(whose, {}).get(span, (NEVER, NEVER))
            found = [use for use in found if start <= use[0] < end and at < end]
        return sum(use[1] for use in found), sum(use[2] for use in found)


@dataclass
class Bench:
    """The real account beside the model: every act is done to both."""

    allowance: Allowance | None
    account: Account = field(default_factory=lambda: Account(account_id="acme"))
    users: dict[str, User] = field(default_factory=dict)
    holds: dict[str, tuple[Key, Hold]] = field(default_factory=dict)
    captured: dict[str, int] = field(default_factory=dict)
    ended: dict[str, tuple[Key, Hold]] = field(default_factory=dict)
    entries: list[LedgerEntry] = field(default_factory=list)
    zones: list[str] = field(default_factory=list)
    model: Model = field(default_factory=Model)
    now: datetime = BEGINNING
    number: int = 0

    def posting(self) -> Posting:
        """Now, with the plan's allowance."""
        return Posting(at=self.now, allowance=self.allowance)

    def saved(self, after: Moved, user_id: str = "") -> None:
        """Take over what a move made."""
        linked, entries = sealed(after.account, after.entries, self.account.head, b"names")
        self.zones += [self.account.zone] * len(entries)
        self.account, self.entries = linked, [*self.entries, *entries]
        if after.user is not None:
            self.users[user_id] = after.user

    def fall_due(self) -> None:
        """What every move posts first."""
        if self.allowance:
            self.model.allow(self.allowance, self.now)
        self.model.expire(self.now)

    def grant(self, amount: int, priority: int, hours: int) -> None:
        """A grant, for ever or for some hours."""
        expires_at = self.now + timedelta(hours=hours) if hours else None
        self.fall_due()
        name = f"g{self.number}"
        after = moves.grant(
            self.account, amount, grant_id=name, posting=self.posting(), expires_at=expires_at, priority=priority
        )
        self.saved(after)
        self.model.add(f"grant:{name}", amount, priority, expires_at or NEVER, self.now)

    def hold(self, amount: int, usd: int, who: int) -> None:
        """A hold of what is there."""
        self.fall_due()
        key = Key(("acme", "bob", "eve")[who % 3], f"{self.number}", "acme")
        free = self.model.of("available")
        amount = min(amount, len(free))
        hold, after = moves.hold(
            self.account, self.users.get(key.user_id), Cost(amount, usd), key=key, posting=self.posting()
        )
        self.saved(after, key.user_id)
        self.holds[key.generation_id] = (key, hold)
        for each in free[:amount]:
            each.fate, each.generation = "held", key.generation_id
        self.model.count("", self.now)
        self.model.count(key.user_id, self.now)
        self.model.uses[key.generation_id] = [self.now, amount, usd, key.user_id]

    def resolve(self, which: int, captured: int, usd: int) -> None:
        """The end of one of the open holds."""
        if not self.holds:
            return
        self.fall_due()
        name = sorted(self.holds)[which % len(self.holds)]
        key, hold = self.ended[name] = self.holds.pop(name)
        captured = self.captured[name] = min(captured, hold.credits)
        after = moves.resolve(
            self.account,
            self.users.get(key.user_id),
            hold,
            captured,
            cost_usd_micros=usd,
            key=key,
            posting=self.posting(),
        )
        self.saved(after, key.user_id)
        mine = self.model.of("held", generation=name)
        for index, each in enumerate(mine):
            each.fate = "captured" if index < captured else "available"
        self.model.expire(self.now)
        self.model.uses[name][1:3] = [captured, usd]

    def refund(self, which: int, amount: int) -> None:
        """A refund of an ended generation, of what is still captured."""
        names = sorted(name for name, left in self.captured.items() if left)
        if not names:
            return
        self.fall_due()
        name = names[which % len(names)]
        (key, hold), left = self.ended[name], self.captured[name]
        amount = min(amount, left)
        after = moves.refund(
            self.account, hold, left, amount, refund_id=f"r{self.number}", key=key, posting=self.posting()
        )
        self.saved(after)
        self.captured[name] -= amount
        for each in self.model.of("captured", generation=name)[left - amount :]:
            each.fate = "available"
        self.model.expire(self.now)

    def revoke(self, amount: int) -> None:
        """A revoke of perhaps more than there is."""
        self.fall_due()
        self.saved(moves.revoke(self.account, amount, revoke_id=f"r{self.number}", posting=self.posting()))
        for each in self.model.of("available")[:amount]:
            each.fate = "revoked"

    def move_to(self, which: int) -> None:
        """Another zone."""
        self.fall_due()
        zone = ZONES[which % len(ZONES)]
        order = Order(self.now, f"z{self.number:04}")
        self.saved(set_account(self.account, Settings(zone=zone), order=order, posting=self.posting()))
        self.model.zone = zone

    def check(self) -> None:
        """The account, the users and the model say the same."""
        self.fall_due()
        shown, model = moves.brought(self.account, self.posting()).account, self.model
        fates = Counter(each.fate for each in model.credits)
        assert (shown.available, shown.held, shown.captured, shown.revoked) == (
            fates["available"],
            fates["held"],
            fates["captured"],
            fates["revoked"],
        )
        assert shown.granted - shown.expired == len(model.credits) - fates["expired"]
        live = Counter((each.bucket, each.fate) for each in model.of("available", "held"))
        assert live == Counter(
            {(bucket.terms.bucket_id, "available"): bucket.available for bucket in shown.buckets if bucket.available}
            | {(bucket.terms.bucket_id, "held"): bucket.held for bucket in shown.buckets if bucket.held}
        )
        own = own_use(self.account)
        usages = {"": self.account.usage, "acme": own} | {name: user.usage for name, user in self.users.items()}
        for whose, usage in usages.items():
            counted = usage.used(self.now)
            for span in (*CALENDAR, Span.ROLLING_24H):
                assert counted.get(span, (0, 0)) == model.used(whose, span, self.now), (whose, span)

    def replay(self) -> None:
        """The account and the users are what their entries make of nothing, and the entries are a chain."""
        account, usages, head = Account(account_id="acme"), dict.fromkeys(self.users, UNUSED), ""
        for number, (entry, zone) in enumerate(zip(self.entries, self.zones, strict=True), 1):
            assert (entry.seq, entry.previous) == (number, head)
            head = entry.digest
            account = moved(replace(account, zone=zone), entry)
            if entry.user_id in usages:
                usages[entry.user_id] = used(usages[entry.user_id], entry, zone)
        mine = self.account
        for name in ("granted", "available", "held", "captured", "expired", "revoked", "buckets", "usage", "head"):
            assert getattr(account, name) == getattr(mine, name)
        assert usages == {name: user.usage for name, user in self.users.items()}
        periods = [entry.entry_id for entry in self.entries if entry.move is Move.ALLOWANCE]
        assert len(periods) == len(set(periods))


NUMBER = st.integers(0, 30)
ACTS = st.one_of(
    st.tuples(st.just("grant"), st.integers(1, 20), st.integers(0, 3), st.sampled_from([0, 0, 1, 5, 30, 900])),
    st.tuples(st.just("hold"), NUMBER, st.integers(0, 999), NUMBER),
    st.tuples(st.just("hold"), NUMBER, st.integers(0, 999), NUMBER),
    st.tuples(st.just("resolve"), NUMBER, NUMBER, st.integers(0, 999)),
    st.tuples(st.just("refund"), NUMBER, st.integers(1, 30)),
    st.tuples(st.just("revoke"), st.integers(1, 30)),
    st.tuples(st.just("move_to"), NUMBER),
    st.tuples(st.just("wait"), st.sampled_from([1, 14, 45, 60, 300, 1440, 1455, 10_000, 50_000])),
)
ALLOWANCES = st.one_of(
    st.none(),
    st.builds(
        Allowance, credits=st.integers(1, 25), period=st.just(Period.MONTHLY), rollover_credits=st.integers(0, 40)
    ),
)


def run(allowance: Allowance | None, acts: list[tuple[Any, ...]]) -> Bench:
    """Do all acts, and compare after each."""
    bench = Bench(allowance)
    for number, (name, *arguments) in enumerate([("move_to", 0), *acts]):  # an account exists from its first command
        bench.number = number
        if name == "wait":
            bench.now += timedelta(minutes=arguments[0], microseconds=number)
        else:
            act: Callable[..., None] = getattr(bench, name)
            act(*arguments)
        bench.check()
    bench.replay()
    return bench


@settings(max_examples=settings().max_examples * 3 // 2, deadline=None)
@given(ALLOWANCES, st.lists(ACTS, max_size=30))
def test_any_history_is_that_of_single_credits(allowance: Allowance | None, acts: list[tuple[Any, ...]]) -> None:
    """Sums, buckets and windows are the model's after every act, and the ledger replayed is the account."""
    run(allowance, acts)


def test_the_model_meets_every_fate() -> None:
    """One history with all acts: otherwise the property could pass without testing anything."""
    bench = run(
        Allowance(credits=9, period=Period.MONTHLY, rollover_credits=4),
        [
            ("grant", 20, 1, 5),
            ("hold", 8, 100, 1),
            ("hold", 7, 50, 0),
            ("wait", 300),
            ("resolve", 0, 3, 70),
            ("move_to", 2),
            ("resolve", 0, 7, 10),
            ("refund", 0, 2),
            ("revoke", 3),
            ("wait", 50_000),
            ("hold", 5, 5, 2),
        ],
    )
    assert {each.fate for each in bench.model.credits} == {"available", "held", "captured", "expired", "revoked"}
    assert {entry.move for entry in bench.entries} == {
        Move.GRANT,
        Move.HOLD,
        Move.RESOLVE,
        Move.REFUND,
        Move.REVOKE,
        Move.EXPIRE,
        Move.ALLOWANCE,
        Move.SET_ACCOUNT,
    }


@pytest.mark.parametrize("span", CALENDAR)
def test_the_models_edges_are_those_of_a_plain_calendar(span: Span) -> None:
    """In UTC they can be written down."""
    at = datetime(2026, 11, 28, 12, 34, tzinfo=UTC)
    written = {
        Span.HOUR: (at.replace(minute=0), at.replace(hour=13, minute=0)),
        Span.DAY: (datetime(2026, 11, 28, tzinfo=UTC), datetime(2026, 11, 29, tzinfo=UTC)),
        Span.WEEK: (datetime(2026, 11, 23, tzinfo=UTC), datetime(2026, 11, 30, tzinfo=UTC)),
        Span.MONTH: (datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)),
    }
    assert edges(span, at, "UTC") == written[span]
