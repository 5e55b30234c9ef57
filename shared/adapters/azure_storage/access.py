"""The ways into a storage account, for requests that are made without an SDK.

Rules of this file:
1. Three ways in: the account's key or a shared access signature (a connection string), or an identity's token. A
   request goes the same way, whichever it is.
2. Nothing is connected and no SDK imported before the first use.
3. No key, signature or token is in a repr or in an error.
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

#: What UseDevelopmentStorage=true stands for: the account of every Azurite, whose key is in Microsoft's documentation.
_EMULATOR = "devstoreaccount1"
_EMULATOR_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_EMULATOR_PORTS = {"blob": 10000, "table": 10002}

#: A token is fetched anew so long before it ends, in seconds: as azure-core does.
_TOKEN_MARGIN_S = 300

#: The headers that are part of a signature for blobs, in their order; Date is empty, for x-ms-date says it.
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
    """The identity has no token to give now."""


class Access(Protocol):
    """What lets a request in."""

    async def sign(self, verb: str, path: str, headers: Headers) -> str:
        """Add what is needed to the headers; returns what is to be added to the URL's query. May raise NoToken."""

    def for_sdk(self) -> Any:
        """The same as a credential for an SDK's client."""


@dataclass(frozen=True, slots=True)
class AccountKey:
    """The account's key: every request is signed (learn.microsoft.com/rest/api/storageservices, Shared Key)."""

    name: str
    key: bytes = field(repr=False)
    service: Service

    async def sign(self, verb: str, path: str, headers: Headers) -> str:
        """Sign it. ``path`` is as it is sent, and has no query: none of the requests that are signed here has one."""
        headers["x-ms-date"] = formatdate(usegmt=True)
        signed = _table_text(verb, headers) if self.service == "table" else _blob_text(verb, headers)
        text = f"{signed}/{self.name}{path}"
        digest = base64.b64encode(hmac.digest(self.key, text.encode(), "sha256")).decode()
        headers["Authorization"] = f"SharedKey {self.name}:{digest}"
        return ""

    def for_sdk(self) -> Any:
        """See ``Access``."""
        from azure.core.credentials import AzureNamedKeyCredential  # noqa: PLC0415  # rule 2

        return AzureNamedKeyCredential(self.name, base64.b64encode(self.key).decode())


def _table_text(verb: str, headers: Headers) -> str:
    return f"{verb}\n\n{headers.get('Content-Type', '')}\n{headers['x-ms-date']}\n"


def _blob_text(verb: str, headers: Headers) -> str:
    signed = {**headers, "Content-Length": headers.get("Content-Length", "").lstrip("0")}  # none is signed as nothing
    plain = "\n".join(signed.get(name, "") for name in _SIGNED_HEADERS)
    own = sorted((name.lower(), value) for name, value in headers.items() if name.lower().startswith("x-ms-"))
    return "".join((verb, "\n", plain, "\n", *(f"{name}:{value}\n" for name, value in own)))


@dataclass(frozen=True, slots=True)
class SharedAccessSignature:
    """A signature that was made before, as a query string."""

    query: str = field(repr=False)

    async def sign(self, verb: str, path: str, headers: Headers) -> str:  # noqa: ARG002  # it is the same for all
        """It goes to the query."""
        return self.query

    def for_sdk(self) -> Any:
        """See ``Access``."""
        from azure.core.credentials import AzureSasCredential  # noqa: PLC0415  # rule 2

        return AzureSasCredential(self.query)


class Identity:
    """An identity's token, fetched once at a time and kept until shortly before its end."""

    def __init__(self, credential: "AsyncTokenCredential", scope: str) -> None:
        self._credential = credential
        self._scope = scope
        self._token = ""
        self._until_s = 0.0
        self._fetching = asyncio.Lock()

    async def sign(self, verb: str, path: str, headers: Headers) -> str:  # noqa: ARG002  # it is the same for all
        """It goes to the headers."""
        if not self._is_good:
            async with self._fetching:
                if not self._is_good:
                    await self._fetch()
        headers["x-ms-date"] = formatdate(usegmt=True)
        headers["Authorization"] = f"Bearer {self._token}"
        return ""

    def for_sdk(self) -> Any:
        """See ``Access``."""
        return self._credential

    @property
    def _is_good(self) -> bool:
        return time.time() < self._until_s - _TOKEN_MARGIN_S

    async def _fetch(self) -> None:
        from azure.core.exceptions import AzureError  # noqa: PLC0415  # whoever has a credential has imported it

        try:
            token = await self._credential.get_token(self._scope)
        except AzureError as error:
            raise NoToken(f"no token for the identity ({type(error).__name__})") from None
        self._token, self._until_s = token.token, token.expires_on


@dataclass(frozen=True, slots=True)
class StorageAccount:
    """One service of an account: its URL, without a slash at the end, and the way in."""

    url: str
    access: Access

    @classmethod
    def by_string(cls, connection_string: str, service: Service) -> "StorageAccount":
        """From a connection string; ValueError, without a word of it, where it does not lead to this service."""
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
            raise ValueError("a storage connection string names an account and its key, or a signature")
        access: Access = SharedAccessSignature(query.lstrip("?"))
        if key:
            access = AccountKey(name, base64.b64decode(key), service)
        return cls(url.rstrip("/"), access)

    @classmethod
    def by_identity(cls, url: str, credential: "AsyncTokenCredential") -> "StorageAccount":
        """For an identity that may read and write there; the table service may be that of Cosmos DB."""
        return cls(url.rstrip("/"), Identity(credential, COSMOS_SCOPE if is_cosmos(url) else STORAGE_SCOPE))


def is_cosmos(url: str) -> bool:
    """Whether this is the table service of Cosmos DB, which has tokens and roles of its own."""
    return ".table.cosmos" in (urlsplit(url).hostname or "")
