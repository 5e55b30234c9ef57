"""One account's tables: ``rest`` for what every generation needs, and the SDK for queries and rare operations.

The SDK is imported at its first use. A worker that only processes messages never needs it.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies

from shared.adapters.azure_storage.access import StorageAccount, is_cosmos
from shared.adapters.azure_storage.tables.errors import COSMOS_ROLE, ROLE, sdk_translated
from shared.adapters.azure_storage.tables.rest_client import TableRestClient

if TYPE_CHECKING:
    from azure.data.tables.aio import TableServiceClient

#: For the SDK. Its defaults wait for minutes, which a function call does not have. A message that fails is deferred, so
#: 3 quick retries (0, 0.6 and 1.2 s apart) are enough.
CLIENT_OPTIONS: Mapping[str, Any] = {
    "retry_total": 3,
    "retry_backoff_factor": 0.3,
    "connection_timeout": 5,
    "read_timeout": 15,
}


class TableService:
    """The tables of an account. ``options`` go to the REST client, ``sdk_options`` to the SDK's client.

    ``role`` is the role that an identity needs.
    """

    def __init__(
        self, account: StorageAccount, *, sdk_options: Mapping[str, Any] = CLIENT_OPTIONS, **options: Any
    ) -> None:
        self._account = account
        self._sdk_options = sdk_options
        self._sdk: TableServiceClient | None = None
        self.is_cosmos = is_cosmos(account.url)
        self.role = COSMOS_ROLE if self.is_cosmos else ROLE
        self.rest = TableRestClient(account, **options)

    @property
    def sdk(self) -> "TableServiceClient":
        """The SDK's client, imported and made at first use."""
        if self._sdk is None:
            from azure.data.tables.aio import TableServiceClient  # noqa: PLC0415  # 90 ms that few calls need

            credential = self._account.access.for_sdk()
            environment = bool(
                getproxies()
            )  # if always on, aiohttp looks for a proxy on another thread, for every request
            self._sdk = TableServiceClient(
                self._account.url, credential=credential, use_env_settings=environment, **self._sdk_options
            )
        return self._sdk

    async def ensure(self, table: str) -> None:
        """Create a table if it is missing. In production the deployment creates it."""
        with sdk_translated(table, self.role):
            await self.sdk.create_table_if_not_exists(table)

    async def close(self) -> None:
        """Close all connections. The next use opens new ones."""
        await self.rest.close()
        sdk, self._sdk = self._sdk, None
        if sdk is not None:
            await sdk.close()
