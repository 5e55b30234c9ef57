"""Fetches input files from user-supplied URLs, guarded against SSRF (public_client.py).

Rules of this file:
1. At most three redirects are followed. Each target is checked like the first URL, and requested exactly as written.
2. The whole fetch has one time limit and one size limit. Nothing is decompressed. A ``Content-Encoding`` refuses a file
   only if it names a real coding: objects in buckets carry all sorts of other values (``aws-chunked``, ``utf-8``), and
   the file's type is found by its bytes anyway.
3. A fetch that fails returns a Refusal that the user can act upon. It never says what was found at the address.

The message handler checks what the bytes are: it recognises pictures by their bytes, and checks their dimensions before
it decodes them.
"""

import asyncio
import logging
import ssl
from collections.abc import Mapping, Sequence
from urllib.parse import urljoin

import aiohttp

from shared.adapters.net.public_client import AddressRefused, PublicClient, Resolve
from shared.core.reasons import Reason, Refusal

_log = logging.getLogger("darkroom.inputs")

#: A typical input picture has a few MB; a photo taken with a phone has up to 20.
MOST_BYTES = 20 * 1024 * 1024
#: Time limit of the whole fetch, redirects included. The invocation has more to do afterwards.
TOTAL_S = 20.0
_REDIRECTS = 3
_REDIRECTING = frozenset({301, 302, 303, 307, 308})
_CHUNK_BYTES = 64 * 1024
#: The values of ``Content-Encoding`` that mean compressed bytes: IANA's registry of content codings, and the unofficial
#: names in use. Any other value is ignored.
_COMPRESSED = frozenset({
    "aes128gcm", "br", "bzip2", "compress", "dcb", "dcz", "deflate", "exi", "gzip", "lz4", "lzma", "pack200-gzip",
    "snappy", "xz", "zstd", "x-bzip2", "x-compress", "x-deflate", "x-gzip", "x-lzma", "x-xz", "x-zstd",
})  # fmt: skip


class InputFetcher:
    """ports.Inputs. ``resolve``, ``opened`` and ``tls`` are passed to ``PublicClient``."""

    def __init__(
        self,
        *,
        resolve: Resolve | None = None,
        opened: Mapping[str, int] | None = None,
        tls: ssl.SSLContext | None = None,
        total_s: float = TOTAL_S,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._client = PublicClient(resolve=resolve, opened=opened, tls=tls)
        self._total_s = total_s
        self._most_bytes = most_bytes

    async def get(self, url: str) -> bytes | Refusal:
        """Fetch the file at a URL; returns its bytes, or a Refusal with the reason."""
        try:
            async with asyncio.timeout(self._total_s):
                return await self._follow(url)
        except TimeoutError:
            return _refusal(f"it did not arrive within {self._total_s:g} seconds")
        except AddressRefused as refused:
            return _refusal(refused.why)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            _log.info("an input could not be fetched (%s)", type(error).__name__)
            return _refusal("it could not be fetched")

    async def _follow(self, url: str) -> bytes | Refusal:
        for _ in range(_REDIRECTS + 1):
            async with self._client.request("GET", url, headers={"Accept": "image/*"}) as response:
                if response.status not in _REDIRECTING:
                    return await self._read_body(response)
                location = response.headers.get("Location", "")
                if not location:
                    return _refusal("it redirects to no address")
                url = urljoin(str(response.url), location)
        return _refusal(f"it redirects more than {_REDIRECTS} times")

    async def _read_body(self, response: aiohttp.ClientResponse) -> bytes | Refusal:
        if response.status != 200:
            return _refusal("its host did not return it")
        if not _COMPRESSED.isdisjoint(_listed_values(response.headers.getall("Content-Encoding", []))):
            return _refusal("it is compressed")
        too_large = _refusal(f"it is larger than {self._most_bytes // 1_048_576} MB")
        if (response.content_length or 0) > self._most_bytes:
            return too_large
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            body += chunk
            if len(body) > self._most_bytes:
                return too_large
        return bytes(body)


def _listed_values(headers: Sequence[str]) -> set[str]:
    """The values of a header that may occur more than once, each time with a comma-separated list."""
    return {value.strip().lower() for header in headers for value in header.split(",")}


def _refusal(why: str) -> Refusal:
    return Refusal(Reason.INPUT_INVALID, f"image_url cannot be used: {why}.")
