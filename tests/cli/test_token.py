"""token: Replicate's API token alone, without any other setting."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

import pytest
from aiohttp import web

from shared.cli.main import run
from tests.adapters.simulators import closed_port, scripted

TOKEN = "r8_" + "t" * 37


async def called(env: Mapping[str, str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The command's exit code and what it printed, with these settings alone."""
    code = await asyncio.to_thread(run, ["token"], env=env)
    out, err = capsys.readouterr()
    assert TOKEN not in out + err
    return code, out + err


async def test_a_token_alone_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    """It is the only setting but for where the simulated Replicate is; what was pasted with it is repaired."""
    async with scripted(web.json_response({"username": "acme", "type": "organization"})) as server:
        env = {"REPLICATE_API_TOKEN": f' "{TOKEN}"\n', "REPLICATE_API_URL": f"{server.url}/v1"}
        code, text = await called(env, capsys)
    assert (code, "acme" in text) == (0, True)
    assert [headers["authorization"] for _, _, headers, _ in server.requests] == [f"Bearer {TOKEN}"]


@pytest.mark.parametrize(
    ("token", "code", "says"),
    [
        ("", 2, "REPLICATE_API_TOKEN is not set"),
        ("hf_" + "x" * 37, 2, 'does not start with "r8_"'),
        (TOKEN, 1, "unauthorized"),
    ],
)
async def test_what_is_wrong_with_it_is_said(
    capsys: pytest.CaptureFixture[str], token: str, code: int, says: str
) -> None:
    """Not set, malformed, refused; nothing that cannot be a token is sent."""
    async with scripted(web.Response(status=401)) as server:
        env = {"REPLICATE_API_TOKEN": token, "REPLICATE_API_URL": f"{server.url}/v1"}
        found = await called(env, capsys)
    assert found[0] == code
    assert says in found[1]
    assert bool(server.requests) == (token == TOKEN)


async def test_replicate_that_is_not_reached_is_no_bad_token(capsys: pytest.CaptureFixture[str]) -> None:
    """It says so."""
    url = await closed_port()
    code, text = 0, ""
    with suppress(TimeoutError):
        async with asyncio.timeout(30):
            code, text = await called({"REPLICATE_API_TOKEN": TOKEN, "REPLICATE_API_URL": f"{url}/v1"}, capsys)
    assert (code, "not reached" in text) == (1, True)
