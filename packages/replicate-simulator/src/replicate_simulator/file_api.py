"""/v1: files. An upload is read chunk by chunk and refused as soon as it is too large."""

import base64
import hashlib
import hmac
import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import BodyPartReader, web

from replicate_simulator import problems
from replicate_simulator.engine import SIMULATOR
from replicate_simulator.library import File
from replicate_simulator.paging import paged
from replicate_simulator.problems import InvalidField, ProblemError, invalid

_PAGE: Final = 100
_MOST_BYTES: Final = 100 * 1024 * 1024
_NAME_BYTES: Final = 255
_CHUNK_BYTES: Final = 1024 * 1024
_FIELD: Final = re.compile(r"metadata\[([^\[\]]{1,200})\]")


@dataclass(slots=True)
class _Upload:
    """The parts of a form, as far as they have come."""

    content: bytearray = field(default_factory=bytearray)
    name: str = ""
    content_type: str = "application/octet-stream"
    metadata: dict[str, Any] = field(default_factory=dict)


async def create(request: web.Request) -> web.Response:
    """POST /v1/files: a multipart form."""
    if not request.content_type.startswith("multipart/"):
        raise problems.bad_request("The body is no multipart form")
    upload = _Upload()
    async for part in await request.multipart():
        if isinstance(part, BodyPartReader):
            await _take(part, upload)
    if not upload.content:
        raise invalid([InvalidField("required", "", "content is required")])
    if not 0 < len(upload.name.encode()) <= _NAME_BYTES:
        raise invalid([InvalidField("string_lte", "filename", "Must have 1 to 255 bytes")])
    simulator = request.app[SIMULATOR]
    file = simulator.library.add_file(upload.name, upload.content_type, bytes(upload.content), upload.metadata)
    return web.json_response(file.shown(simulator.base_url), status=201)


async def get(request: web.Request) -> web.Response:
    """GET /v1/files/{id}."""
    return web.json_response(_file(request).shown(request.app[SIMULATOR].base_url))


async def list_(request: web.Request) -> web.Response:
    """GET /v1/files."""
    simulator = request.app[SIMULATOR]
    files = list(simulator.library.files.values())[::-1]
    return paged(request, files, _PAGE, lambda file: file.shown(simulator.base_url))


async def delete(request: web.Request) -> web.Response:
    """DELETE /v1/files/{id}."""
    request.app[SIMULATOR].library.forget(_file(request))
    return web.Response(status=204)


async def download(request: web.Request) -> web.Response:
    """GET /v1/files/{id}/download: the content, for whoever has a signature that has not expired."""
    file, query = _file(request), request.query
    expiry = query.get("expiry", "")
    message = f"{query.get('owner', '')} {file.id} {expiry}".encode()
    library, clock = request.app[SIMULATOR].library, request.app[SIMULATOR].clock
    digest = hmac.new(library.files_secret.encode(), message, hashlib.sha256).digest()
    wanted, given = base64.b64encode(digest).decode(), query.get("signature", "")
    fresh = expiry.isdecimal() and int(expiry) > clock.now().timestamp()
    if not fresh or not hmac.compare_digest(wanted.encode(), given.encode()):
        raise _not_found()
    return web.Response(body=file.content, content_type="application/octet-stream")


async def _take(part: BodyPartReader, upload: _Upload) -> None:
    match part.name:
        case "content":
            upload.name, upload.content_type = part.filename or "", part.headers.get("Content-Type", "")
            while chunk := await part.read_chunk(_CHUNK_BYTES):
                upload.content += chunk
                if len(upload.content) > _MOST_BYTES:
                    raise problems.too_large()
        case "filename":
            upload.name = await part.text()
        case "type":
            upload.content_type = await part.text()
        case "metadata":
            upload.metadata = _metadata(await part.text())
        case str(name) if (field_name := _FIELD.fullmatch(name)) is not None:
            # The generated clients write an object as one field each: metadata[customer].
            upload.metadata[field_name[1]] = await part.text()
        case _:
            raise invalid([InvalidField("additional_property_not_allowed", "", "Additional property is not allowed")])


def _metadata(text: str) -> dict[str, Any]:
    try:
        metadata = json.loads(text)
    except ValueError:
        metadata = None
    if not isinstance(metadata, dict):
        raise invalid([InvalidField("format", "metadata", "Must be a JSON object")])
    return metadata


def _file(request: web.Request) -> File:
    file = request.app[SIMULATOR].library.files.get(request.match_info["id"])
    if file is None:
        raise _not_found()
    return file


def _not_found() -> ProblemError:
    return ProblemError(404, {"title": "Not found", "detail": "File not found", "status": 404})
