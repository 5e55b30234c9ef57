"""Credits in buckets: the order of spending, the parts of a hold, and what goes back where."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from shared.core.money import buckets as books
from shared.core.money.buckets import Bucket, Change, Part, Terms

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
LATER, LATEST = NOW + timedelta(days=1), NOW + timedelta(days=9)

URGENT = Terms("urgent", NOW, None, 1)
SOON = Terms("soon", NOW, LATER)
LATE = Terms("late", NOW, LATEST)
OLD = Terms("old", NOW - timedelta(days=3))
NEW = Terms("new", NOW)


def made(*given: tuple[Terms, int]) -> books.Buckets:
    """Buckets with these available credits, added in this order."""
    return books.changed((), tuple(Change(terms, credits_) for terms, credits_ in given))


def test_buckets_are_in_the_order_of_spending_however_they_came() -> None:
    """Priority first, then expiry (never last), then age."""
    for order in permutations((URGENT, SOON, LATE, OLD, NEW)):
        buckets = made(*((terms, 1) for terms in order))
        assert [bucket.terms.bucket_id for bucket in buckets] == ["urgent", "soon", "late", "old", "new"]


def test_a_hold_names_its_parts_in_the_order_of_spending() -> None:
    """A hold takes what it can of one bucket before the next one, and leaves what is held by others."""
    buckets = made((SOON, 3), (OLD, 4), (NEW, 5))
    parts = books.spend(buckets, 8)
    assert parts == (Part(SOON, 3), Part(OLD, 4), Part(NEW, 1))
    after = books.changed(buckets, books.held(parts))
    assert after == (Bucket(SOON, 0, 3), Bucket(OLD, 0, 4), Bucket(NEW, 4, 1))
    assert books.spend(after, 4) == (Part(NEW, 4),)
    assert books.spend(after, 0) == ()
    with pytest.raises(ValueError, match="not available"):
        books.spend(after, 5)


def test_a_capture_takes_the_parts_in_their_order_and_the_rest_goes_back() -> None:
    """Of 8 held credits 5 are captured: all of the first bucket, and 2 of the second."""
    buckets = made((SOON, 3), (OLD, 4), (NEW, 5))
    parts = books.spend(buckets, 8)
    held = books.changed(buckets, books.held(parts))
    assert books.changed(held, books.resolved(parts, 5)) == (Bucket(OLD, 2), Bucket(NEW, 5))
    assert books.changed(held, books.resolved(parts, 0)) == buckets
    assert books.changed(held, books.resolved(parts, 8)) == (Bucket(NEW, 4),)


def test_refunds_go_back_to_the_buckets_that_were_captured_last_first() -> None:
    """After refunds of 1 and 3 of 5 captured credits the buckets are as if 1 had been captured."""
    buckets = made((SOON, 3), (OLD, 4), (NEW, 5))
    parts = books.spend(buckets, 8)
    held = books.changed(buckets, books.held(parts))
    after = books.changed(held, books.resolved(parts, 5))
    after = books.changed(after, books.refunded(parts, 5, 1))
    assert after == books.changed(held, books.resolved(parts, 4))
    after = books.changed(after, books.refunded(parts, 4, 3))
    assert after == books.changed(held, books.resolved(parts, 1))
    assert after[0] == Bucket(SOON, 2)


def test_expiry_takes_what_is_available_and_nothing_that_is_held() -> None:
    """At its end a bucket loses its available credits. Held ones expire when they are given back."""
    buckets = made((SOON, 5), (OLD, 1))
    parts = books.spend(buckets, 2)
    held = books.changed(buckets, books.held(parts))
    assert books.expired(held, LATER - timedelta(microseconds=1)) == ()
    gone = books.expired(held, LATER)
    assert gone == (Change(SOON, -3),)
    after = books.changed(held, gone)
    assert after == (Bucket(SOON, 0, 2), Bucket(OLD, 1))
    given_back = books.changed(after, books.resolved(parts, 0))
    assert books.changed(given_back, books.expired(given_back, LATER)) == (Bucket(OLD, 1),)


def test_a_revoke_takes_only_what_is_available() -> None:
    """It takes in the order of spending, and stops at what is held."""
    buckets = books.changed(made((SOON, 3), (OLD, 4)), (Change(OLD, -2, 2),))
    assert books.taken(buckets, 4) == (Change(SOON, -3), Change(OLD, -1))
    assert books.taken(buckets, 99) == (Change(SOON, -3), Change(OLD, -2))


def test_a_bucket_that_is_neither_available_nor_held_is_not_kept() -> None:
    """An empty bucket cannot be constructed, and one below zero neither."""
    assert books.changed(made((OLD, 4)), (Change(OLD, -4),)) == ()
    for available, held in ((0, 0), (-1, 2), (3, -1)):
        with pytest.raises(ValueError, match="cannot have"):
            Bucket(OLD, available, held)


@pytest.mark.parametrize("priority", [-1, 1001, True, 1.0])
def test_a_priority_is_a_whole_number_within_its_bounds(priority: int) -> None:
    """It is refused by name before a credit moves."""
    with pytest.raises(ValueError, match="priority must be a whole number from 0 to 1000"):
        Terms("x", NOW, None, priority)


def test_held_credits_are_corrected_where_they_are() -> None:
    """A correction of held credits takes from the buckets that have some, or is refused."""
    buckets = books.changed(made((SOON, 3), (OLD, 4)), (Change(SOON, -1, 1), Change(OLD, -2, 2)))
    assert books.taken_of_held(buckets, 2) == (Change(SOON, 0, -1), Change(OLD, 0, -1))
    with pytest.raises(ValueError, match="not held"):
        books.taken_of_held(buckets, 4)
