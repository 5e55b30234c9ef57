"""Whose a destination is: the same cases on the fake and on Azurite."""

from datetime import UTC, datetime

from shared.ports import Destinations

NOW = datetime(2026, 11, 29, tzinfo=UTC)


async def test_a_destination_belongs_to_whom_it_was_given_first(destinations: Destinations) -> None:
    """A second gift changes nothing, and says whose it is."""
    assert await destinations.owner("me/faces") is None
    assert await destinations.give("me/faces", "acme", "kim", NOW) == "acme"
    assert await destinations.give("me/faces", "rival", "kim", NOW) == "acme"
    assert await destinations.give("me/faces", "acme", "kim", NOW) == "acme"
    assert await destinations.owner("me/faces") == "acme"


async def test_names_that_look_alike_are_different(destinations: Destinations) -> None:
    """Every character that a name may have, and an account with any id."""
    names = ("a-b/c", "a/b-c", "a.b/c", "a_b/c")
    for number, name in enumerate(names):
        await destinations.give(name, f"o'brien|{number}", "kim", NOW)
    assert [await destinations.owner(name) for name in names] == [f"o'brien|{number}" for number in range(4)]
