"""Files: an artifact that is uploaded as an input, and a picture that is fetched.

Rules of this file:
1. An upload is at most 100 MiB. What is larger is refused before a byte is sent. A folder is measured before it is
   packed.
2. A folder becomes a zip whose bytes depend on its files' names and contents alone.
3. Replicate's address of a file does not have its name. So the name stands behind ``#``, which no client sends. The
   verbs of this connector take it off before they pass the address on.
4. A picture comes from Replicate's own hosts only, without the token (``addresses.py``). Its first bytes say what it
   is.
"""

import asyncio
import os
import zipfile
from collections.abc import Mapping
from mimetypes import guess_type
from os import PathLike
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, BinaryIO, cast
from urllib.parse import quote

from shared.adapters.replicate.sdk.addresses import own_url
from shared.adapters.replicate.sdk.api import ReplicateApi
from shared.adapters.replicate.sdk.api.files import MOST_BYTES
from shared.adapters.replicate.sdk.api.naming import seconds
from shared.adapters.replicate.sdk.connector.predictions import Predictions
from shared.adapters.replicate.sdk.errors import (
    ExpiredError,
    NoFileError,
    ReplicateError,
    TimedOutError,
    TransientError,
    ValidationError,
)
from shared.adapters.replicate.sdk.http import REQUEST_ERRORS, describe
from shared.core.provider.data_uris import TooLargeError, content_of

_UPLOAD, _DOWNLOAD = "files.create", "download_image"

#: The largest picture that is fetched by default, in bytes.
MOST_PICTURE_BYTES = 64 * 1024 * 1024

_SMALLER = "Host it at an https address and pass that, or leave out what the model does not need."

#: How a picture begins, and where; an ISO file (AVIF, HEIC) names its brand after "ftyp".
_BEGINNINGS = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (8, b"WEBP", "image/webp"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypheic", "image/heic"),
    (0, b"BM", "image/bmp"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
)


class Artifacts(Predictions):
    """The verbs on files."""

    async def upload_artifact(
        self, path: str | PathLike[str], metadata: Mapping[str, Any] | None = None, *, content_type: str = ""
    ) -> str:
        """Upload a file, or a folder as a zip; returns its address, which is an input of the account's for a day.

        Args:
            path: the file or the folder, of at most 100 MiB.
            metadata: what Replicate keeps with it. ``name`` is its name, too; by default that of the path.
            content_type: its media type; by default the usual one of its ending.

        Raises:
            NoFileError: there is nothing at that path.
            ValidationError: it is empty or too large.
        """
        api, found = self.connected("upload_artifact"), Path(path)
        name = str((metadata or {}).get("name") or found.stem)
        if await asyncio.to_thread(found.is_dir):
            with await asyncio.to_thread(_packed, found) as packed:
                return await _uploaded(api, cast("BinaryIO", packed), f"{name}.zip", "application/zip", metadata)
        try:
            file: BinaryIO = await asyncio.to_thread(found.open, "rb")
        except FileNotFoundError:
            raise NoFileError(_UPLOAD, f"there is no file or folder {found.name!r}", advice="Check the path.") from None
        with file:
            named = name if name.endswith(found.suffix) else f"{name}{found.suffix}"
            kind = content_type or guess_type(found.name)[0] or "application/octet-stream"
            return await _uploaded(api, file, named, kind, metadata)

    async def download_image(
        self, url: str, *, most_bytes: int = MOST_PICTURE_BYTES, timeout: float = 60
    ) -> tuple[bytes, str]:
        """A picture that a model made: its bytes and its media type. ``url`` is an output: an address or a data URI.

        Raises:
            ExpiredError: Replicate has deleted it.
            ValidationError: it is no picture, too large, or not at Replicate's hosts.
            TimedOutError: it did not come in time.
        """
        api, bound_s = self.connected(_DOWNLOAD), seconds(_DOWNLOAD, timeout, field="timeout")
        try:
            async with asyncio.timeout(bound_s):
                content = await _fetched(api, url, most_bytes)
        except ReplicateError:
            raise
        except TimeoutError:
            raise TimedOutError(_DOWNLOAD, f"it did not come within {bound_s:g} s") from None
        except REQUEST_ERRORS as trouble:
            raise TransientError(_DOWNLOAD, describe(trouble)) from None
        return content, _picture_type(content)


async def _fetched(api: ReplicateApi, uri: str, most_bytes: int) -> bytes:
    """An output's bytes, without the token, from Replicate's own hosts."""
    if uri.lstrip()[:5].lower() == "data:":
        return _inline(uri, most_bytes)
    url = own_url(uri, api.delivery_url())
    if url is None:
        why = "the address is malformed, or not at Replicate's own hosts"
        raise ValidationError(_DOWNLOAD, why, {"url": "host"}, advice="Pass an output of a prediction.")
    content = bytearray()
    # Not compressed: a picture would not get smaller, and a bomb cannot grow.
    answered = api.connections().files().get(url, headers={"Accept-Encoding": "identity"}, allow_redirects=False)
    async with answered as response:
        if response.status in (404, 410):
            raise ExpiredError(_DOWNLOAD, "the picture is deleted", status=response.status)
        if response.status != 200:
            raise TransientError(_DOWNLOAD, f"answered {response.status}", status=response.status)
        async for chunk in response.content.iter_any():
            content += chunk
            if len(content) > most_bytes:
                raise _too_large(most_bytes)
    return bytes(content)


def _inline(uri: str, most_bytes: int) -> bytes:
    try:
        content = content_of(uri, most_bytes)
    except TooLargeError:
        raise _too_large(most_bytes) from None
    if content is None:
        raise ValidationError(_DOWNLOAD, "the data URI is malformed", {"url": "format"})
    return content


def _too_large(most_bytes: int) -> ValidationError:
    why = f"the picture is larger than {most_bytes} bytes"
    return ValidationError(_DOWNLOAD, why, {"url": "size"}, advice="Pass a larger most_bytes.")


def _packed(folder: Path) -> IO[bytes]:
    """The files of a folder as a zip, in the order of their names, each with the same date."""
    files = sorted(Path(root, name) for root, _, names in os.walk(folder) for name in names)
    sizes = {file: file.stat().st_size for file in files if file.is_file()}
    total_bytes = sum(sizes.values())
    if not 0 < total_bytes <= MOST_BYTES:
        largest = max(sizes, key=lambda file: sizes[file], default=None)
        named = f"; the largest is {largest.relative_to(folder)} with {sizes[largest]}" if largest else ""
        bounds = f"1 byte to {MOST_BYTES // 1024**2} MiB"
        raise ValidationError(
            _UPLOAD,
            f"the files of {folder.name!r} must have {bounds}, and have {total_bytes} bytes{named}",
            {"path": "size"},
            advice=_SMALLER,
        )
    packed = TemporaryFile()  # noqa: SIM115  # the caller closes it
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for file in sizes:
            entry = zipfile.ZipInfo(file.relative_to(folder).as_posix())
            with file.open("rb") as source, archive.open(entry, "w") as target:
                while chunk := source.read(1024 * 1024):
                    target.write(chunk)
    return packed


async def _uploaded(
    api: ReplicateApi, file: BinaryIO, name: str, content_type: str, metadata: Mapping[str, Any] | None
) -> str:
    uploaded = await api.files.create(file, filename=name, content_type=content_type, metadata=metadata)
    return f"{uploaded.url}#{quote(name)}"


def _picture_type(content: bytes) -> str:
    for start, beginning, kind in _BEGINNINGS:
        if content[start : start + len(beginning)] == beginning:
            return kind
    raise ValidationError(_DOWNLOAD, "what came is no picture, by its first bytes", {"url": "type"})
