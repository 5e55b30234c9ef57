"""Authorizes requests to a storage account that are sent without an SDK.

Rules of this file:
1. There are three kinds of access: the account's key, a shared access signature (both from a connection string), and
   an identity's token. Callers treat them alike.
2. Nothing is connected, and no SDK imported, before the first use.
3. No repr and no error contains a key, a signature or a token.
"""

import asyncio
import base64
import hmac
import time
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

Service = Literal["table", "blob"]

STORAGE_SCOPE = "https://storage.azure.com/.default"
COSMOS_SCOPE = "https://cosmos.azure.com/.default"

#: The account that UseDevelopmentStorage=true names: Azurite's. Its key is public, in Microsoft's documentation.
_EMULATOR = "devstoreaccount1"
_EMULATOR_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_EMULATOR_PORTS = {"blob": 10000, "table": 10002}

#: A token is replaced this long before it expires, in seconds. azure-core does the same.
_TOKEN_MARGIN_S = 300

#: The headers that a signature for blobs covers, in this order. Date is empty, because x-ms-date replaces it.
_SIGNED_HEADERS = (
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-MD5",
    "Content-Type",
    "",
    "If-Modified-Since",
    "If-Match",
    "If-None-Match",
    "If-Unmodified-Since",
    "Range",
)

Headers = MutableMapping[str, str]


class NoToken(Exception):  # noqa: N818  # it says what is wrong
    """No token could be obtained for the identity."""


class Access(Protocol):
    """One kind of access to a storage account."""

    async def sign(self, verb: str, path: str, headers: Headers) -> str:
        """Add the authorization to ``headers``; returns what to append to the URL's query. May raise NoToken."""

    def for_sdk(self) -> Any:
        """The credential that an SDK's client takes for the same access."""


@dataclass(frozen=True, slots=True)
class AccountKey:
    """The account's key, which signs every request (learn.microsoft.com/rest/api/storageservices, Shared Key)."""

    name: str
    key: bytes = field(repr=False)
    service: Service

    async def sign(self, verb: str, path: str, headers: Headers) -> str:
        """Sign a request. ``path`` is percent-encoded and has no query: no request that this app signs has one."""
        headers["x-ms-date"] = formatdate(usegmt=True)
        signed = _table_text(verb, headers) if self.service == "table" else _blob_text(verb, headers)
        text = f"{signed}/{self.name}{path}"
        digest = base64.b64encode(hmac.digest(self.key, text.encode(), "sha256")).decode()
        headers["Authorization"] = f"SharedKey {self.name}:{digest}"
        return ""

    def for_sdk(self) -> Any:
        """The SDK's credential; see ``Access``."""
        from azure.core.credentials import AzureNamedKeyCredential  # noqa: PLC0415  # rule 2

        return AzureNamedKeyCredential(self.name, base64.b64encode(self.key).decode())


def _table_text(verb: str, headers: Headers) -> str:
    return f"{verb}\n\n{headers.get('Content-Type', '')}\n{headers['x-ms-date']}\n"


def _blob_text(verb: str, headers: Headers) -> str:
    # A missing or zero Content-Length is signed as an empty string.
    signed = {**headers, "Content-Length": headers.get("Content-Length", "").lstrip("0")}
    plain = "\n".join(signed.get(name, "") for name in _SIGNED_HEADERS)
    own = sorted((name.lower(), value) for name, value in headers.items() if name.lower().startswith("x-ms-"))
    return "".join((verb, "\n", plain, "\n", *(f"{name}:{value}\n" for name, value in own)))


@dataclass(frozen=True, slots=True)
class SharedAccessSignature:
    """A shared access signature: a query string that somebody else has made."""

    query: str = field(repr=False)

    async def sign(self, verb: str, path: str, headers: Headers) -> str:  # noqa: ARG002  # it is the same for all
        """Return the signature for the URL's query. The headers stay as they are."""
        return self.query

    def for_sdk(self) -> Any:
        """The SDK's credential; see ``Access``."""
        from azure.core.credentials import AzureSasCredential  # noqa: PLC0415  # rule 2

        return AzureSasCredential(self.query)


class Identity:
    """An identity's token. One caller at a time fetches it, and it is kept until shortly before it expires."""

    def __init__(self, credential: "AsyncTokenCredential", scope: str) -> None:
        self._credential = credential
        self._scope = scope
        self._token = ""
        self._until_s = 0.0
        self._fetching = asyncio.Lock()

    async def sign(self, verb: str, path: str, headers: Headers) -> str:  # noqa: ARG002  # it is the same for all
        """Add the token to the headers; returns an empty string. Raises NoToken if it cannot be fetched."""
        if not self._is_fresh:
            async with self._fetching:
                if not self._is_fresh:
                    await self._fetch()
        headers["x-ms-date"] = formatdate(usegmt=True)
        headers["Authorization"] = f"Bearer {self._token}"
        return ""

    def for_sdk(self) -> Any:
        """The SDK's credential; see ``Access``."""
        return self._credential

    @property
    def _is_fresh(self) -> bool:
        return time.time() < self._until_s - _TOKEN_MARGIN_S

    async def _fetch(self) -> None:
        from azure.core.exceptions import AzureError  # noqa: PLC0415  # the credential has imported it already

        try:
            token = await self._credential.get_token(self._scope)
        except AzureError as error:
            raise NoToken(f"no token for the identity ({type(error).__name__})") from None
        self._token, self._until_s = token.token, token.expires_on


@dataclass(frozen=True, slots=True)
class StorageAccount:
    """One service of a storage account: its URL without a trailing slash, and the access to it."""

    url: str
    access: Access

    @classmethod
    def by_string(cls, connection_string: str, service: Service) -> "StorageAccount":
        """From a connection string. Raises ValueError, which quotes nothing of it, if it does not fit this service."""
        pairs = (part.split("=", 1) for part in connection_string.split(";") if "=" in part)
        given = {name.strip().lower(): value.strip() for name, value in pairs}
        if given.get("usedevelopmentstorage", "").lower() == "true":
            url = f"http://127.0.0.1:{_EMULATOR_PORTS[service]}/{_EMULATOR}"
            return cls(url, AccountKey(_EMULATOR, base64.b64decode(_EMULATOR_KEY), service))
        name, key, query = (given.get(each, "") for each in ("accountname", "accountkey", "sharedaccesssignature"))
        url = given.get(f"{service}endpoint", "")
        if not url and name:
            suffix = given.get("endpointsuffix", "core.windows.net")
            url = f"{given.get('defaultendpointsprotocol', 'https')}://{name}.{service}.{suffix}"
        if not url or not (query or (name and key)):
            raise ValueError(
                "a storage connection string must have an account and its key, or a shared access signature"
            )
        access: Access = SharedAccessSignature(query.lstrip("?"))
        if key:
            access = AccountKey(name, base64.b64decode(key), service)
        return cls(url.rstrip("/"), access)

    @classmethod
    def by_identity(cls, url: str, credential: "AsyncTokenCredential") -> "StorageAccount":
        """For an identity that may read and write there. A table service may be that of Cosmos DB."""
        return cls(url.rstrip("/"), Identity(credential, COSMOS_SCOPE if is_cosmos(url) else STORAGE_SCOPE))


def is_cosmos(url: str) -> bool:
    """Whether a URL is that of Cosmos DB's table service, which has its own token scope and roles."""
    return ".table.cosmos" in (urlsplit(url).hostname or "")
