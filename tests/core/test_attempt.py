"""An attempt: how it finds its own prediction in a list."""

from dataclasses import replace
from urllib.parse import quote

import pytest

from dev.fakes.catalogs import REAL, REQUEST
from dev.fakes.world import START
from shared.core.keys import Key
from shared.core.lifecycle.attempt import Attempt, attempt_on, created
from shared.core.provider.prediction import Prediction, Status
from shared.core.provider.webhook import Callback, callback_url

HOOK, SECRET = "https://app.example/hook", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

#: Ids that an address says as they are, and ids that it escapes.
KEYS = [Key("ada", "one"), Key("ada+x@example.com", "us-east-1:7f3c"), Key("auth0|5f7c", "o'brien~1")]


def attempt() -> Attempt:
    """The first attempt of a request."""
    made = attempt_on(REAL, replace(REQUEST, model="flux-schnell"), "flux-schnell", number=1, seed=7, now=START)
    assert isinstance(made, Attempt)
    return made


def listed(webhook: str) -> Prediction:
    """A prediction as a list shows it."""
    return Prediction(prediction_id="p" * 26, status=Status.STARTING, webhook=webhook)


@pytest.mark.parametrize("key", KEYS)
def test_an_attempt_knows_its_own_by_the_address(key: Key) -> None:
    """The address alone decides: a prediction of another user, generation or attempt is not its own."""
    address = callback_url(HOOK, Callback(key, 1), SECRET)
    assert created(attempt(), key, listed(address))
    assert not created(replace(attempt(), number=2), key, listed(address))
    for other in (Key(key.user_id, "two"), Key("eve", key.generation_id), *(each for each in KEYS if each != key)):
        assert not created(attempt(), other, listed(address))


@pytest.mark.parametrize("key", KEYS)
def test_an_address_is_read_however_it_is_escaped(key: Key) -> None:
    """An escaped sign equals the plain one, so a search for the plain id finds it."""
    user, generation = ("".join(f"%{ord(sign):02X}" for sign in each) for each in (key.user_id, key.generation_id))
    assert created(attempt(), key, listed(f"{HOOK}?user={user}&generation={generation}&attempt=1"))
    plain = f"{HOOK}?user={quote(key.user_id)}&generation={quote(key.generation_id)}&attempt=1"
    assert created(attempt(), key, listed(plain))


@pytest.mark.parametrize("address", ["https://elsewhere.example/hook", "https://[", "https://[one", "one", "%"])
def test_a_strangers_address_is_not_its_own(address: str) -> None:
    """A foreign address excludes a prediction even if it has the seed that we chose."""
    this = attempt()
    assert not created(this, Key("ada", "one"), replace(listed(address), seed=this.seed, model=this.target))
