"""Single requests to Tables: what is read out of an answer."""

import json

import pytest
from aiohttp import web

from shared.adapters.azure_storage.access import SharedAccessSignature, StorageAccount
from shared.adapters.azure_storage.tables.rest_client import TableRestClient
from tests.adapters.simulators import scripted
from tests.adapters.trouble import SAS

ROW = {"PartitionKey": "ada", "RowKey": "account", "plan": "free"}
IN_HEADER, IN_ROW = "W/\"datetime'2026-11-20T10%3A00%3A00Z'\"", "W/\"datetime'2026-11-20T11%3A00%3A00Z'\""


@pytest.mark.parametrize(
    ("headers", "more", "etag"),
    [
        ({"ETag": IN_HEADER}, {}, IN_HEADER),
        ({}, {"odata.etag": IN_ROW}, IN_ROW),
        ({"ETag": IN_HEADER}, {"odata.etag": IN_ROW}, IN_HEADER),
        ({}, {}, ""),
    ],
    ids=["header", "row", "both", "neither"],
)
async def test_the_etag_is_found_wherever_it_is(headers: dict[str, str], more: dict[str, str], etag: str) -> None:
    """Storage has it in a header, Cosmos DB for Table in the row alone; without one a row could never be replaced."""
    answer = web.Response(body=json.dumps({**ROW, **more}).encode(), headers=headers)
    async with scripted(answer) as service:
        line = TableRestClient(StorageAccount(service.url, SharedAccessSignature(SAS)), pauses_s=())
        row, found = await line.read("state", ROW)
        await line.close()

    assert found == etag
    assert {name: row[name] for name in ROW} == ROW
