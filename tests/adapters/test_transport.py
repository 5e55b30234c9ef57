"""One transport for tables and blobs: what is tried again, how long a hint is waited for, and what it costs to load."""

import io
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from shared.adapters.azure_storage.access import SharedAccessSignature, StorageAccount
from shared.adapters.azure_storage.blobs import BlobRestClient
from shared.adapters.azure_storage.errors import Answered
from shared.adapters.azure_storage.tables.rest_client import TableRestClient
from shared.adapters.net.hints import retry_after_s
from shared.ports import Unavailable
from tests.adapters.simulators import scripted
from tests.adapters.trouble import SAS

ROOT = Path(__file__).parents[2]
ROW = {"PartitionKey": "ada", "RowKey": "account"}


async def put_blob(account: StorageAccount, pauses_s: tuple[float, ...]) -> None:
    """Store one blob."""
    client = BlobRestClient(account, pauses_s=pauses_s)
    try:
        await client.put("outputs", "a", io.BytesIO(b"a cat"), "image/png", {})
    finally:
        await client.close()


async def insert_row(account: StorageAccount, pauses_s: tuple[float, ...]) -> None:
    """Insert one row."""
    client = TableRestClient(account, pauses_s=pauses_s)
    try:
        await client.insert("state", ROW)
    finally:
        await client.close()


Act = Callable[[StorageAccount, tuple[float, ...]], Awaitable[None]]
BOTH = pytest.mark.parametrize("act", [put_blob, insert_row])


@BOTH
@pytest.mark.parametrize("status", [408, 429, 500, 503, 504])
async def test_what_may_work_later_is_tried_as_often_as_there_are_pauses(act: Act, status: int) -> None:
    """Both by one rule; what comes of the last try is the answer."""
    busy = [web.Response(status=status) for _ in range(2)]
    async with scripted(*busy, web.Response(status=201)) as service:
        await act(StorageAccount(service.url, SharedAccessSignature(SAS)), (0, 0))
    assert len(service.requests) == 3


@BOTH
@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_what_will_not_work_later_is_asked_once(act: Act, status: int) -> None:
    """A pause would mend nothing."""
    async with scripted(web.Response(status=status)) as service:
        with pytest.raises(Exception, match=r"refused|denied|not exist|\d{3}"):
            await act(StorageAccount(service.url, SharedAccessSignature(SAS)), (0, 0))
    assert len(service.requests) == 1


@BOTH
async def test_a_short_hint_is_waited_for(act: Act) -> None:
    """Longer than the own pause, for the service knows better."""
    busy = web.Response(status=503, headers={"Retry-After": "1"})
    async with scripted(busy, web.Response(status=201)) as service:
        began = time.monotonic()
        await act(StorageAccount(service.url, SharedAccessSignature(SAS)), (0,))
    assert time.monotonic() - began >= 1
    assert len(service.requests) == 2


@BOTH
async def test_a_long_hint_is_for_the_message_handler(act: Act) -> None:
    """A function call has no minute to wait: the hint goes out with what is raised."""
    busy = web.Response(status=503, headers={"Retry-After": "60"})
    async with scripted(busy) as service:
        with pytest.raises((Answered, Unavailable)) as caught:
            await act(StorageAccount(service.url, SharedAccessSignature(SAS)), (0, 0))
    assert getattr(caught.value, "retry_after_s", None) == 60
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("", None),
        (None, None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
        ("9" * 5000, None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_a_hint_is_a_number_of_seconds(value: str | None, seconds: float | None) -> None:
    """Any other text is no hint. A number of 5000 digits would be infinity as a float, and would be waited for."""
    assert retry_after_s(value) == seconds


@pytest.mark.process
def test_an_output_is_written_without_an_sdk() -> None:
    """All five containers are made where ``azure`` cannot be imported: the SDK comes with the first call for it."""
    program = """
import sys
sys.modules["azure"] = None
from shared.adapters.azure_storage import blobs
from shared.adapters.azure_storage.access import StorageAccount
account = StorageAccount.by_string("UseDevelopmentStorage=true", "blob")
sdk = blobs.BlobSdk(lambda: None)
blobs.BlobOutputs(blobs.BlobRestClient(account), sdk, "outputs")
for kind in (blobs.BlobInputFiles, blobs.BlobUploads, blobs.BlobQuarantine, blobs.BlobDeadLetters, blobs.BlobProofs):
    kind(sdk, "name")
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
