"""One account's tables, two ways: ``line`` for what every generation needs, the SDK for queries and the like.

The SDK is imported when it is used for the first time: a worker that does its share of generations never needs it.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies

from shared.adapters.azure_storage.access import StorageAccount, is_cosmos
from shared.adapters.azure_storage.tables.errors import COSMOS_ROLE, ROLE
from shared.adapters.azure_storage.tables.rest_client import TableRestClient

if TYPE_CHECKING:
    from azure.data.tables.aio import TableServiceClient

#: For the SDK. Its own defaults wait for minutes, and a function call has none: a message that fails is put off and
#: comes again, so 3 quick retries (0, 0.6 and 1.2 s apart) are enough.
CLIENT_OPTIONS: Mapping[str, Any] = {
    "retry_total": 3,
    "retry_backoff_factor": 0.3,
    "connection_timeout": 5,
    "read_timeout": 15,
}


class TableService:
    """The tables of an account. ``options`` go to the line, ``sdk_options`` to the SDK's client.

    ``role`` is what an identity needs there.
    """

    def __init__(
        self, account: StorageAccount, *, sdk_options: Mapping[str, Any] = CLIENT_OPTIONS, **options: Any
    ) -> None:
        self._account = account
        self._sdk_options = sdk_options
        self._sdk: TableServiceClient | None = None
        self.role = COSMOS_ROLE if is_cosmos(account.url) else ROLE
        self.line = TableRestClient(account, **options)

    @property
    def sdk(self) -> "TableServiceClient":
        """The SDK's client, made at first use."""
        if self._sdk is None:
            from azure.data.tables.aio import TableServiceClient  # noqa: PLC0415  # 90 ms that few calls need

            credential = self._account.access.for_sdk()
            environment = bool(getproxies())  # else aiohttp looks for a proxy on another thread, for every request
            self._sdk = TableServiceClient(
                self._account.url, credential=credential, use_env_settings=environment, **self._sdk_options
            )
        return self._sdk

    async def close(self) -> None:
        """Close what was opened; the next use opens anew."""
        await self.line.close()
        sdk, self._sdk = self._sdk, None
        if sdk is not None:
            await sdk.close()
