"""The envelope of a received message: our own properties, and those of an app or an attacker."""

from datetime import UTC, datetime

import pytest

from shared.adapters.service_bus import read_envelope
from shared.ports import Envelope


def test_an_envelope_is_read_back() -> None:
    """Names and values may be text or bytes."""
    since = datetime(2026, 11, 21, 12, tzinfo=UTC)
    for properties in (
        {"deferrals": 3, "since": since.isoformat()},
        {b"deferrals": 3, b"since": since.isoformat().encode()},
        {"deferrals": "3", "since": "2026-11-21T13:00:00+01:00"},
        {"deferrals": "3", "since": "2026-11-21T12:00:00"},
    ):
        assert read_envelope("id", properties) == Envelope("id", 3, since)
    assert read_envelope(b"id", None) == Envelope("id")


#: When the broker enqueued a message, without a zone, as the Functions worker gives it.
CAME = datetime(2026, 11, 21, 12)  # noqa: DTZ001  # as above


@pytest.mark.parametrize(
    "since",
    [
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "0001-01-01",
        "2999-01-01T00:00:00Z",
        "2026-11-21T12:06:00Z",
        "2026-11-14T11:59:59Z",
        "soon",
        "",
        7,
        10**400,
        b"\xff",
        None,
    ],
)
def test_a_since_that_cannot_be_is_when_the_message_came(since: object) -> None:
    """It is unreadable, in the future, at the edge of time, or older than any message. Its deferring must still end."""
    came = CAME.replace(tzinfo=UTC)
    assert read_envelope("id", {"since": since}, enqueued_at=CAME) == Envelope("id", since=came, enqueued_at=came)
    read_envelope("id", {"since": since})  # no error without the broker's time either


def test_a_since_that_can_be_is_believed() -> None:
    """A deferred copy may be hours old. A message without the property was never deferred."""
    came, since = CAME.replace(tzinfo=UTC), datetime(2026, 11, 21, 5, tzinfo=UTC)
    assert read_envelope("id", {"since": since.isoformat()}, enqueued_at=CAME) == Envelope(
        "id", since=since, enqueued_at=came
    )
    assert read_envelope("id", {}, enqueued_at=CAME) == Envelope("id", enqueued_at=came)


@pytest.mark.parametrize("deferrals", [-1, "many", None, True, 1.5, b"\xff", 10**9, "²"])
@pytest.mark.parametrize("since", ["yesterday", 7, b"\xff", None, ""])
def test_what_an_app_puts_there_does_no_harm(deferrals: object, since: object) -> None:
    """Properties that are not ours count as absent."""
    assert read_envelope("id", {"deferrals": deferrals, "since": since, 5: object()}) == Envelope("id")


def test_a_message_without_an_id_gets_one_of_its_own() -> None:
    """Or the copies of two such messages would be taken for duplicates."""
    first, second = read_envelope(None, {}), read_envelope("", None)
    assert first.message_id
    assert first.message_id != second.message_id


@pytest.mark.parametrize(("lost", "deliveries", "all_lost"), [(0, 1, 0), (0, 4, 3), (2, 1, 2), (2, 3, 4), (0, None, 0)])
def test_deliveries_that_came_to_nothing_are_counted_over_all_copies(
    lost: int, deliveries: int | None, all_lost: int
) -> None:
    """The broker counts from one, this delivery too, and begins again with each copy."""
    assert read_envelope("id", {"lost": lost}, deliveries) == Envelope("id", lost=all_lost)
