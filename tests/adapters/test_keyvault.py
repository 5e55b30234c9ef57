"""Secrets: cached, fetched once at a time, served while the vault is down, accepted for a while after a change."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import pytest
import trustme
from aiohttp import web
from azure.core.credentials import AccessToken

from shared.adapters.key_vault import CachedSecret, VaultSource, environment_source
from shared.config.replicate_secrets import signing_secret
from shared.core.dependency import Dependency
from shared.ports import Unavailable


class Vault:
    """A source that a test changes, takes down, and counts."""

    def __init__(self, value: str = "first") -> None:
        self.current = value
        self.down = False
        self.fetches = 0
        self.wait: asyncio.Event | None = None

    async def source(self) -> str:
        """The value as it is now."""
        self.fetches += 1
        if self.wait is not None:
            await self.wait.wait()
        if self.down:
            raise Unavailable(Dependency.KEY_VAULT, "the test has taken it down", retry_after_s=3)
        return self.current


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        """The time now."""
        return self.time


def cached() -> tuple[CachedSecret, Vault, Clock]:
    """A secret with its source and its clock."""
    vault, clock = Vault(), Clock()
    return CachedSecret("the token", vault.source, clock=clock), vault, clock


async def test_a_secret_is_fetched_once_an_hour() -> None:
    """From memory for an hour, then anew."""
    secret, vault, clock = cached()
    assert await secret.value() == "first"
    vault.current = "second"
    clock.time += 3599
    assert await secret.value() == "first"
    assert vault.fetches == 1
    clock.time += 2
    assert await secret.value() == "second"
    assert vault.fetches == 2


async def test_one_fetch_serves_all_who_wait() -> None:
    """A hundred callers at once are one fetch."""
    secret, vault, _ = cached()
    vault.wait = asyncio.Event()
    callers = [asyncio.create_task(secret.value()) for _ in range(100)]
    await asyncio.sleep(0)
    vault.wait.set()
    assert await asyncio.gather(*callers) == ["first"] * 100
    assert vault.fetches == 1


async def test_one_failure_serves_all_who_wait() -> None:
    """A fetch that fails is not repeated by each of those who waited for it."""
    secret, vault, _ = cached()
    vault.wait, vault.down = asyncio.Event(), True
    callers = [asyncio.create_task(secret.value()) for _ in range(10)]
    await asyncio.sleep(0)
    vault.wait.set()
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert {str(result) for result in results} == {"key vault is not available: the test has taken it down"}
    assert vault.fetches == 1
    vault.down = False
    assert await secret.value() == "first"


async def test_a_canceled_caller_does_not_harm_the_others() -> None:
    """Who waited behind a caller that went away fetches himself."""
    secret, vault, _ = cached()
    vault.wait = asyncio.Event()
    first, second = (asyncio.create_task(secret.value()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    vault.wait.set()
    assert await second == "first"


async def test_the_old_value_serves_while_the_source_is_down(caplog: pytest.LogCaptureFixture) -> None:
    """A stale secret is better than none; the source is not asked again for each call, and no value is logged."""
    secret, vault, clock = cached()
    await secret.value()
    clock.time += 4000
    vault.down = True
    assert [await secret.value() for _ in range(5)] == ["first"] * 5
    assert vault.fetches == 2
    clock.time += 61
    vault.down, vault.current = False, "second"
    assert await secret.value() == "second"
    assert "the token could not be fetched" in caplog.text
    assert "first" not in caplog.text


async def test_nobody_waits_for_a_stale_secret() -> None:
    """While one caller fetches anew, the others go on with what is known."""
    secret, vault, clock = cached()
    await secret.value()
    clock.time += 4000
    vault.wait = asyncio.Event()
    fetching = asyncio.create_task(secret.value())
    await asyncio.sleep(0)
    assert await asyncio.wait_for(secret.value(), 1) == "first"
    vault.wait.set()
    await fetching


async def test_a_secret_that_never_was_is_unavailable() -> None:
    """With the source's own reason and hint."""
    secret, vault, _ = cached()
    vault.down = True
    with pytest.raises(Unavailable) as raised:
        await secret.value()
    assert (raised.value.dependency, raised.value.retry_after_s) == ("key vault", 3)


async def test_a_refresh_is_done_at_once_and_once_a_minute() -> None:
    """After a 401 or a bad signature; but a stranger with bad signatures causes one fetch a minute."""
    secret, vault, clock = cached()
    await secret.value()
    vault.current = "second"
    assert await secret.refresh() == "second"
    assert await secret.value() == "second"
    vault.current = "third"
    assert [await secret.refresh() for _ in range(10)] == ["second"] * 10
    assert vault.fetches == 2
    clock.time += 61
    assert await secret.refresh() == "third"


async def test_a_refresh_of_a_source_that_is_down_keeps_the_value() -> None:
    """The old secret goes on serving."""
    secret, vault, _ = cached()
    await secret.value()
    vault.down = True
    assert await secret.refresh() == "first"
    assert await secret.value() == "first"


async def test_refreshes_at_the_same_time_are_one() -> None:
    """Many 401s at once are one fetch."""
    secret, vault, _ = cached()
    await secret.value()
    vault.current, vault.wait = "second", asyncio.Event()
    callers = [asyncio.create_task(secret.refresh()) for _ in range(10)]
    await asyncio.sleep(0)
    vault.wait.set()
    assert await asyncio.gather(*callers) == ["second"] * 10
    assert vault.fetches == 2


async def test_the_previous_value_is_accepted_for_an_hour() -> None:
    """Current first; after several changes all of the last hour, without repeats."""
    secret, vault, clock = cached()
    assert await secret.accepted() == ["first"]
    vault.current = "second"
    await secret.refresh()
    assert await secret.accepted() == ["second", "first"]
    clock.time += 1800
    vault.current = "third"
    await secret.refresh()
    assert await secret.accepted() == ["third", "second", "first"]
    clock.time += 1801
    assert await secret.accepted() == ["third", "second"]
    vault.current = "second"
    await secret.refresh()
    assert await secret.accepted() == ["second", "third"]


async def test_an_unresolved_reference_is_no_secret() -> None:
    """The platform leaves the reference's text in the setting; it must not be used as a token."""
    secret = CachedSecret(
        "the Replicate token", environment_source("@Microsoft.KeyVault(SecretUri=https://v/secrets/t)")
    )
    with pytest.raises(Unavailable, match=r"the Replicate token .* Key Vault reference") as raised:
        await secret.value()
    assert "https://v/" not in str(raised.value)


async def test_a_signing_secret_that_is_no_key_is_refused() -> None:
    """A text with one clear meaning is repaired. Any other is Unavailable, and the error says what it looks like."""
    key = "whsec_" + "c2VjcmV0" * 4
    vault = Vault(f"\ufeff'v1,{key}'\n")
    secret = CachedSecret("the secret", vault.source, read=signing_secret, clock=(clock := Clock()))
    assert await secret.accepted() == [key]
    vault.current = "r8_s3cr3t"
    clock.time += 3601
    assert await secret.value() == key, "the old one is used while the new one is unusable"
    fresh = CachedSecret("the secret", vault.source, read=signing_secret)
    with pytest.raises(Unavailable, match=r"the secret .* an API token") as raised:
        await fresh.value()
    assert "s3cr3t" not in str(raised.value)
    vault.current = " \n"
    with pytest.raises(Unavailable, match="empty"):
        await CachedSecret("the secret", vault.source).value()


async def test_the_environment_is_a_source() -> None:
    """The value as it stands there."""
    assert await CachedSecret("x", environment_source("abc")).accepted() == ["abc"]


# The real SDK on a stand-in for Key Vault.


class Credential:
    """A login that always works."""

    async def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:
        """A token for the vault."""
        assert scopes == ("https://vault.azure.net/.default",)
        return AccessToken("let-me-in", 4102444800)

    async def close(self) -> None:
        """Nothing to close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to close."""


class StandIn:
    """Secrets by name; ``status`` answers every request so, if it is set."""

    def __init__(self) -> None:
        self.url = ""
        self.secrets: dict[str, str] = {}
        self.status = 0

    async def handle(self, request: web.Request) -> web.Response:
        """GET /secrets/NAME/ as the SDK asks it, with Key Vault's challenge before."""
        if request.headers.get("Authorization") != "Bearer let-me-in":
            challenge = 'Bearer authorization="https://login.example/tenant", resource="https://vault.azure.net"'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        name = request.match_info["name"]
        if self.status or name not in self.secrets:
            return web.json_response({"error": {"code": "SecretNotFound", "message": "no"}}, status=self.status or 404)
        bundle = {"value": self.secrets[name], "id": f"{self.url}/secrets/{name}/1", "attributes": {"enabled": True}}
        return web.json_response(bundle)


@asynccontextmanager
async def stand_in(folder: Path) -> AsyncIterator[tuple[StandIn, dict[str, Any]]]:
    """A running stand-in, and the client options that trust it."""
    authority, vault = trustme.CA(), StandIn()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    app = web.Application()
    app.router.add_get("/secrets/{name}/", vault.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        vault.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
        yield vault, {"connection_verify": str(folder / "ca.pem"), "verify_challenge_resource": False, "retry_total": 0}
    finally:
        await runner.cleanup()


async def test_a_secret_comes_from_key_vault(tmp_path: Path) -> None:
    """The real SDK fetches it, a rotation is seen after a refresh, and errors name the secret and the status only."""
    async with stand_in(tmp_path) as (vault, options):
        vault.secrets["replicate-token"] = "r8_one"
        source = VaultSource(vault.url, "replicate-token", Credential(), **options)
        secret = CachedSecret("the token", source)
        assert await secret.value() == "r8_one"
        vault.secrets["replicate-token"] = "r8_two"
        assert await secret.refresh() == "r8_two"
        del vault.secrets["replicate-token"]
        with pytest.raises(Unavailable, match="reading replicate-token, it answered 404"):
            await source()
        vault.status = 403
        with pytest.raises(Unavailable, match="answered 403"):
            await source()
    with pytest.raises(Unavailable, match="reading replicate-token: ServiceRequestError"):
        await source()
    await source.close()
