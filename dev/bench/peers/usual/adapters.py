"""The same message handler on adapters as most programmers would write them.

SDK clients have their defaults and are imported eagerly, httpx has its own pool, outputs are read whole. The safety of
Darkroom's adapters is left out (an own write is recognised, hosts are checked, errors get sentences), so that nothing
here is slower than in a plain program.
"""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cached_property
from typing import Any, BinaryIO

import azure.identity.aio
import azure.keyvault.secrets.aio
import azure.servicebus.aio
import httpx
from azure.ai.contentsafety.aio import ContentSafetyClient
from azure.ai.contentsafety.models import AnalyzeImageOptions, AnalyzeTextOptions, ImageData
from azure.core import MatchConditions
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import EdmType, EntityProperty, TableTransactionError, TransactionOperation, UpdateMode
from azure.data.tables.aio import TableServiceClient
from azure.storage.blob import ContentSettings
from azure.storage.blob.aio import BlobServiceClient

from shared.adapters.azure_storage.tables import rows
from shared.adapters.azure_storage.tables import rows_money as money
from shared.adapters.azure_storage.tables.columns import Row
from shared.adapters.replicate import creating
from shared.adapters.replicate.wire import prediction_of
from shared.composition.app import App
from shared.config.addresses import WEBHOOK_PATH
from shared.core.keys import Key
from shared.core.lifecycle.attempt import Attempt
from shared.core.lifecycle.generation import AnyGeneration, Transition
from shared.core.money.account import Account
from shared.core.provider.prediction import CreateOutcome, Prediction
from shared.core.provider.webhook import Callback, callback_url
from shared.core.safety.moderation import Assessment, Category
from shared.ports import Conflict, Loaded, OpenRow

__all__ = ["UsualApp", "azure"]


class SdkStore:
    """State in azure-data-tables."""

    def __init__(self, service: TableServiceClient, table: str) -> None:
        self._table = service.get_table_client(table)

    async def load(self, key: Key) -> Loaded:
        """Load a generation and its account with two point reads."""
        generation = await self._row(key.account_id, rows.generation_key(key))
        account = await self._row(key.account_id, money.ACCOUNT)
        return Loaded(
            account=money.account_of(account) if account else None,
            account_etag=account.metadata["etag"] if account else "",
            generation=rows.generation_of(generation) if generation else None,
            generation_etag=generation.metadata["etag"] if generation else "",
        )

    async def load_account(self, user_id: str) -> tuple[Account | None, str]:
        """Load an account with one point read."""
        row = await self._row(user_id, money.ACCOUNT)
        return (money.account_of(row), row.metadata["etag"]) if row else (None, "")

    async def commit(self, loaded: Loaded, transition: Transition[AnyGeneration]) -> Loaded:
        """Write the changes in one transaction."""
        writes = [_write(rows.generation_row(transition.generation), loaded.generation_etag)]
        if transition.account is not None:
            writes.append(_write(money.account_row(transition.account), loaded.account_etag))
        writes += [_write(row, "") for entry in transition.entries for row in money.entry_rows(entry)]
        try:
            answers = await self._table.submit_transaction(writes)
        except (TableTransactionError, ResourceExistsError, ResourceModifiedError):
            raise Conflict from None
        changed = transition.account is not None
        return Loaded(
            account=transition.account or loaded.account,
            account_etag=answers[1]["etag"] if changed else loaded.account_etag,
            generation=transition.generation,
            generation_etag=answers[0]["etag"],
        )

    async def _row(self, partition_key: str, row_key: str) -> Any:
        try:
            return await self._table.get_entity(partition_key, row_key)
        except ResourceNotFoundError:
            return None


def _write(row: Row, etag: str) -> Any:
    # Without an explicit type the SDK writes numbers as 32-bit.
    numbers = {name: EntityProperty(value, EdmType.INT64) for name, value in row.items() if type(value) is int}
    row = {**row, **numbers}
    if not etag:
        return TransactionOperation.CREATE, row
    how = {"mode": UpdateMode.REPLACE, "etag": etag, "match_condition": MatchConditions.IfNotModified}
    return TransactionOperation.UPDATE, row, how


class SdkIndex:
    """The open index in azure-data-tables."""

    def __init__(self, service: TableServiceClient, table: str) -> None:
        self._table = service.get_table_client(table)

    async def put(self, row: OpenRow) -> None:
        """Write the row."""
        await self._table.upsert_entity(rows.open_row(row), mode=UpdateMode.REPLACE)

    async def get(self, key: Key) -> OpenRow | None:
        """Read the row."""
        try:
            return rows.open_of(await self._table.get_entity(*rows.open_keys(key)))
        except ResourceNotFoundError:
            return None

    async def remove(self, key: Key) -> None:
        """Remove the row."""
        await self._table.delete_entity(*rows.open_keys(key))

    async def move(self, key: Key, due_at: datetime, expires_at: datetime | None = None) -> None:
        """Change the times of the row."""
        partition_key, row_key = rows.open_keys(key)
        times = {"due_at": due_at} | ({"expires_at": expires_at} if expires_at else {})
        await self._table.update_entity({"PartitionKey": partition_key, "RowKey": row_key, **times})


class SdkBlobs:
    """Outputs in azure-storage-blob."""

    def __init__(self, service: BlobServiceClient, container: str) -> None:
        self._name = container
        self._container = service.get_container_client(container)

    async def put_output(self, name: str, file: BinaryIO, content_type: str, metadata: Mapping[str, str]) -> str:
        """Upload an output whole."""
        settings = ContentSettings(content_type=content_type)
        await self._container.upload_blob(
            name, file.read(), overwrite=True, metadata=dict(metadata), content_settings=settings
        )
        return self._name


class SdkScreener:
    """Content Safety, by its SDK and its model classes."""

    def __init__(self, endpoint: str, key: str) -> None:
        self._client = ContentSafetyClient(endpoint, AzureKeyCredential(key))

    async def text(self, text: str, plan: str = "") -> Assessment:  # noqa: ARG002 - the port's
        """Analyse a text."""
        return _verdict(await self._client.analyze_text(AnalyzeTextOptions(text=text)))

    async def image(self, image: bytes, plan: str = "") -> Assessment:  # noqa: ARG002 - the port's
        """Analyse an image."""
        return _verdict(await self._client.analyze_image(AnalyzeImageOptions(image=ImageData(content=image))))


def _verdict(result: Any) -> Assessment:
    return Assessment({Category(item.category): item.severity for item in result.categories_analysis})


class PlainReplicate:
    """Replicate by httpx with its own transport; an output is read whole."""

    def __init__(self, app: App) -> None:
        self._settings = app.settings
        self._client = httpx.AsyncClient(timeout=60.0)

    async def create(self, key: Key, attempt: Attempt) -> CreateOutcome:
        """POST a create."""
        settings = self._settings
        callback = Callback(key, attempt.number)
        webhook = callback_url(settings.public_url + WEBHOOK_PATH, callback, settings.replicate_webhook_secret)
        path, body = creating.path_and_body(attempt, webhook)
        headers = {**creating.headers(attempt), "Authorization": f"Bearer {settings.replicate_api_token}"}
        response = await self._client.post(f"{settings.replicate_api_url}/{path}", json=body, headers=headers)
        return creating.outcome_of(response, attempt.submitted_at)

    async def get(self, prediction_id: str) -> Prediction | None:
        """GET a prediction."""
        headers = {"Authorization": f"Bearer {self._settings.replicate_api_token}"}
        url = f"{self._settings.replicate_api_url}/predictions/{prediction_id}"
        return prediction_of((await self._client.get(url, headers=headers)).json())

    @asynccontextmanager
    async def fetch(self, uri: str, most_bytes: int) -> AsyncIterator[AsyncIterator[bytes]]:  # noqa: ARG002 - the port's
        """Read an output whole."""
        response = await self._client.get(uri)
        response.raise_for_status()

        async def whole() -> AsyncIterator[bytes]:
            yield response.content

        yield whole()


class UsualApp(App):
    """Darkroom's app with these adapters, and the libraries' own logging."""

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        for name in ("azure", "httpx", "httpcore", "aiohttp", "PIL"):
            logging.getLogger(name).setLevel(logging.NOTSET)

    @cached_property
    def _sdk_tables(self) -> TableServiceClient:
        return TableServiceClient.from_connection_string(self.settings.storage)

    @cached_property
    def store(self) -> Any:
        """The store."""
        return SdkStore(self._sdk_tables, self.settings.state_table)

    @cached_property
    def index(self) -> Any:
        """The open index."""
        return SdkIndex(self._sdk_tables, self.settings.open_table)

    @cached_property
    def outputs(self) -> Any:
        """What models made."""
        service = BlobServiceClient.from_connection_string(self.settings.storage)
        return SdkBlobs(service, self.settings.outputs_container)

    @cached_property
    def screener(self) -> Any:
        """Content Safety."""
        return SdkScreener(self.settings.content_safety_endpoint, self.settings.content_safety_key)

    @cached_property
    def replicate(self) -> Any:
        """Replicate."""
        return PlainReplicate(self)
