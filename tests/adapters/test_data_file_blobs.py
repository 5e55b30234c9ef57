"""The app's data files in blobs, read from a storage account by its connection string and by an identity."""

import io
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from aiohttp import web
from azure.storage.blob.aio import BlobServiceClient

from dev.azurite import ACCOUNT, Azurite
from shared.adapters.azure_storage.access import AccountKey, Service, StorageAccount
from shared.composition.app import App
from shared.config.settings import Settings, SettingsError
from tests.adapters.conftest import fresh_name
from tests.adapters.simulators import scripted
from tests.adapters.test_uploads import Credential
from tests.adapters.trouble import WRONG_KEY, assert_discreet
from tests.cli.counter import ENV

pytestmark = pytest.mark.stack

OVERLAY = b"[models.flux-schnell]\ncredits = 7\n"


@pytest_asyncio.fixture
async def container(blob_service: BlobServiceClient) -> str:
    """A container with a catalogue that overrides a price, and a broken one."""
    name = fresh_name()
    made = await blob_service.create_container(name)
    await made.upload_blob("my/catalog.toml", io.BytesIO(OVERLAY))
    await made.upload_blob("broken.toml", io.BytesIO(b"models = 7"))
    return name


def settings_with(azurite: Azurite, place: str) -> Settings:
    """Settings that name a catalogue in a blob."""
    return Settings.from_env(
        ENV | {"STORAGE_CONNECTION_STRING": azurite.connection_string, "CATALOG_FILE": f"blob:{place}"}
    )


@pytest_asyncio.fixture
async def opened() -> AsyncIterator[list[App]]:
    """Apps that are closed at the end of the test."""
    made: list[App] = []
    yield made
    for each in made:
        await each.close()


async def test_a_catalogue_in_a_blob_is_laid_over_the_apps_own(
    azurite: Azurite, container: str, opened: list[App]
) -> None:
    """It is fetched once. A later change of the blob takes effect at the next start."""
    opened.append(app := App(settings_with(azurite, f"{container}/my/catalog.toml")))
    await app.load_data_files()
    first = app._texts
    await app.load_data_files()
    assert app._texts is first
    assert app.deps.catalog.models["flux-schnell"].credits == 7
    assert app.deps.catalog.models["flux-dev"].credits == 2


async def test_a_missing_or_broken_blob_is_reported_by_its_setting(
    azurite: Azurite, container: str, opened: list[App]
) -> None:
    """The error names the setting, the blob and what is wrong, and quotes nothing of the connection string."""
    for place in (f"{container}/none.toml", "nowhere/none.toml"):
        opened.append(app := App(settings_with(azurite, place)))
        with pytest.raises(
            SettingsError, match=f"^CATALOG_FILE: blob:{place} cannot be read: it does not exist$"
        ) as raised:
            await app.load_data_files()
        assert_discreet(raised.value)
    opened.append(app := App(settings_with(azurite, f"{container}/broken.toml")))
    await app.load_data_files()
    with pytest.raises(SettingsError, match=rf"^blob:{container}/broken.toml \(CATALOG_FILE\): ") as raised:
        _ = app.deps
    assert_discreet(raised.value)


async def test_no_access_is_reported_by_its_setting(azurite: Azurite, container: str, opened: list[App]) -> None:
    """The error names the role that an identity needs, and quotes nothing of the key."""
    key = azurite.connection_string.partition("AccountKey=")[2].partition(";")[0]
    env = {
        "STORAGE_CONNECTION_STRING": azurite.connection_string.replace(key, WRONG_KEY),
        "BLOCKLIST_FILE": f"blob:{container}/my/catalog.toml",
    }
    opened.append(app := App(Settings.from_env(ENV | env)))
    with pytest.raises(
        SettingsError, match=r"^BLOCKLIST_FILE: .*: access denied: .* Storage Blob Data Reader"
    ) as raised:
        await app.load_data_files()
    assert_discreet(raised.value)


async def test_an_identity_reads_it_too(opened: list[App], tmp_path: Path) -> None:
    """If the settings name the account's URL, it is read with a token, without the SDK."""
    async with scripted(web.Response(status=206, body=OVERLAY)) as service:
        env = {
            "STORAGE_CONNECTION_STRING": "",
            "STORAGE_BLOB_URL": service.url,
            "STORAGE_TABLE_URL": service.url,
            "KEYS_FOLDER": str(tmp_path),
            "CATALOG_FILE": "blob:config/catalog.toml",
        }
        opened.append(app := App(Settings.from_env(ENV | env)))
        vars(app)["credential"] = Credential(3600)
        await app.load_data_files()
        assert app.deps.catalog.models["flux-schnell"].credits == 7
        ((method, path, headers, _),) = service.requests
    assert (method, path) == ("GET", "/config/catalog.toml")
    assert headers["authorization"] == "Bearer token-1"


@pytest.mark.parametrize("service", ["blob", "table"])
async def test_the_emulators_short_connection_string_is_one(azurite: Azurite, service: Service) -> None:
    """``UseDevelopmentStorage=true``, as in local.settings.json.example, means the account and key of every Azurite."""
    short = StorageAccount.by_string("UseDevelopmentStorage=true", service)
    long = StorageAccount.by_string(azurite.connection_string, service)
    assert isinstance(short.access, AccountKey)
    assert short.access == long.access
    assert urlsplit(short.url).path == urlsplit(long.url).path == f"/{ACCOUNT}"
    if service == "blob":
        async with BlobServiceClient.from_connection_string("UseDevelopmentStorage=true") as client:
            assert short.url == client.url.rstrip("/")
