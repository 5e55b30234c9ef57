"""Fixtures of the command line's tests."""

import asyncio

import pytest

from tests.cli.counter import Counter


@pytest.fixture
def counter() -> Counter:
    """A counter in a world where ada has 10 credits on the premium plan."""
    made = Counter()
    asyncio.run(made.open_account())
    return made
