"""The host's log of the whole session; this file runs last."""

import pytest

from tests.stack.road import PROMPT_MARK, Road

pytestmark = pytest.mark.stack


async def test_no_line_holds_a_secret_or_a_prompt(road: Road) -> None:
    """It has no prompt, token, key, signing secret, signed address or digest of a webhook."""
    await road.generate("failed", {"error": "width must be a multiple of 16"})
    values = road.stack.values
    secrets = {
        "the prompt": PROMPT_MARK,
        "the token": values["REPLICATE_API_TOKEN"],
        "the key of Content Safety": values["CONTENT_SAFETY_KEY"],
        "the signing secret": (await road.stack.app.signing_secret.value()).removeprefix("whsec_"),
        "a signed address": "sig=",
        "a webhook's digest": "digest=",
        "a key in a connection string": "AccountKey=",
        "a key of the bus": "SharedAccessKey=",
    }
    assert len(road.log.lines) > 5
    for name, secret in secrets.items():
        assert len(secret) >= 4, name
        assert not [line for line in road.log.lines if secret.lower() in line.lower()], name


async def test_no_invocation_has_failed(road: Road) -> None:
    """Whatever the tests did to the dependencies: the message handler expected every exception."""
    await road.generate()
    assert [(record["message"], record.get("exception", "")[-500:]) for record in road.log.failures()] == []


async def test_the_token_went_to_nobody_else(road: Road) -> None:
    """No output was ever asked for with an Authorization header."""
    await road.generate()
    assert (await road.replicate.get("/_sim/stats")).json()["leaks"] == 0
