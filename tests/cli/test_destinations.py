"""destination: models are made for accounts and given to them, each to one."""

from typing import cast

import pytest

from shared.adapters.replicate.sdk.errors import TransientError
from shared.cli.context import Connected
from tests.cli.counter import Counter
from tests.cli.test_training import FakeReplicate


@pytest.fixture
def connected(counter: Counter) -> FakeReplicate:
    """Replicate, with one model that nobody owns here."""
    made = FakeReplicate({"me/old": ("private", "cpu")})
    counter.operations.connected = cast("Connected", made)
    return made


def test_a_destination_is_made_for_an_account(counter: Counter, connected: FakeReplicate) -> None:
    """Private by default; its owner is on record before the model is there."""
    called = counter.call("destination", "create", "me/new", "--account", "ada")
    assert (called.code, called.out, called.err) == (0, "made me/new, private, for ada\n", "")
    assert connected.models["me/new"] == ("private", "gpu-l40s")
    assert counter.destinations.owners["me/new"] == "ada"
    assert counter.call("destination", "show", "me/new").out == "ada\n"


def test_a_model_that_exists_is_given(counter: Counter, connected: FakeReplicate) -> None:
    """To one account, once and for all."""
    assert counter.call("destination", "show", "me/old").code == 1
    assert counter.call("destination", "give", "me/old", "--account", "ada").out == "me/old belongs to ada\n"
    assert counter.call("destination", "give", "me/old", "--account", "ada").code == 0
    called = counter.call("destination", "give", "me/old", "--account", "bob")
    assert (called.code, called.err) == (1, "me/old belongs to ada already.\n")
    assert counter.destinations.owners["me/old"] == "ada"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (
            ("give", "me/nosuch", "--account", "ada"),
            "me/nosuch does not exist at Replicate. `destination create` makes it",
        ),
        (("create", "me/old", "--account", "ada"), "me/old belongs to nobody here"),
        (("create", "ada/lora", "--account", "bob"), "ada/lora belongs to ada, not to bob"),
        (("create", "me/new", "--account", "ada", "--hardware", "abacus"), "no hardware 'abacus'"),
    ],
)
def test_what_cannot_be_made_is_refused_and_nothing_is_written(
    counter: Counter, connected: FakeReplicate, argv: tuple[str, ...], said: str
) -> None:
    """A model of somebody else's, one that exists, hardware that there is not."""
    called = counter.call("destination", *argv)
    assert (called.code, said in called.err) == (1, True), called.err
    assert counter.destinations.owners == {"ada/lora": "ada"}
    assert list(connected.models) == ["me/old"]


def test_a_model_is_not_given_while_nobody_knows_whether_it_exists(
    counter: Counter, connected: FakeReplicate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Giving cannot be taken back. What was given before is said all the same."""
    assert counter.call("destination", "give", "me/old", "--account", "ada").code == 0

    async def unreachable(name: str) -> str:
        raise TransientError("models.get", f"no answer about {name}")

    monkeypatch.setattr(connected, "_get", unreachable)
    called = counter.call("destination", "give", "me/other", "--account", "ada")
    assert (called.code, "Replicate could not be asked about me/other" in called.err) == (1, True)
    assert counter.call("destination", "give", "me/old", "--account", "ada").code == 0
    assert counter.destinations.owners == {"ada/lora": "ada", "me/old": "ada"}


def test_a_name_that_no_request_may_have_is_refused(counter: Counter) -> None:
    """By the message handler's own rule."""
    called = counter.call("destination", "give", "Me/Old", "--account", "ada")
    assert (called.code, "destination must be owner/name" in called.err) == (2, True)
