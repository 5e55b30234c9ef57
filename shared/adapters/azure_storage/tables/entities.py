"""Rows on the wire: JSON with OData types, and the transaction as one multipart body.

Formats: learn.microsoft.com/rest/api/storageservices, "Payload format for Table service operations" and "Performing
entity group transactions".

Rules of this file:
1. Every integer is an Edm.Int64, which is sent as text. A time is an Edm.DateTime in UTC. None is left out. Half of a
   surrogate pair in a text is replaced by "?", because the service would refuse the whole row.
2. A transaction has succeeded only if each of its answers says so. The status of the whole is 202 even if it failed.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from shared.adapters.azure_storage.errors import Answered

Row = Mapping[str, Any]

#: One write: the row, and the ETag of the row that it replaces ("": the row must be new).
Write = tuple[Row, str]

#: The boundaries of the multipart body. No row can contain one, because no line of JSON begins with two dashes.
BOUNDARY, CHANGESET = "batch_darkroom", "changeset_darkroom"

#: One encoder for all: ``json.dumps`` with these options would make one for each row.
_written = json.JSONEncoder(separators=(",", ":")).encode

_TYPE = "@odata.type"
_INNER = re.compile(rb"HTTP/1\.1 (\d{3})[^\r\n]*\r?\n((?:[^\r\n]+\r?\n)*)")
_ETAG = re.compile(rb"^etag:\s*(.+?)\s*$", re.IGNORECASE | re.MULTILINE)
_CODE = re.compile(rb'"code"\s*:\s*"(\w+)"')


def encoded(row: Row) -> bytes:
    """Encode a row as a JSON entity. Raises TypeError for a value of another type than the four that rows hold."""
    entity: dict[str, Any] = {}
    for name, value in row.items():
        if value is None:
            continue
        if isinstance(value, str):
            entity[name] = value if value.isascii() else value.encode(errors="replace").decode()
        elif isinstance(value, bool):
            entity[name] = value
        elif isinstance(value, int):
            entity[name], entity[name + _TYPE] = str(value), "Edm.Int64"
        elif isinstance(value, datetime):
            moment = value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
            entity[name], entity[name + _TYPE] = moment, "Edm.DateTime"
        else:
            raise TypeError(f"column {name}: a row cannot hold a value of type {type(value).__name__}")
    return _written(entity).encode()


def decoded(body: bytes) -> Row:
    """Decode a JSON entity. Integers are int, times are aware. Raises ValueError if it is not a JSON object."""
    entity = json.loads(body)
    if not isinstance(entity, dict):
        raise ValueError("an entity must be a JSON object")  # noqa: TRY004  # callers catch one kind of error
    for name in [name for name in entity if name.endswith(_TYPE)]:
        column, kind = name.removesuffix(_TYPE), entity.pop(name)
        if kind == "Edm.Int64":
            entity[column] = int(entity[column])
        elif kind == "Edm.DateTime":
            entity[column] = datetime.fromisoformat(entity[column])
    return entity


def target(table: str, row: Row) -> str:
    """The URL path of one row, percent-encoded."""
    return f"{table}(PartitionKey='{_key(row['PartitionKey'])}',RowKey='{_key(row['RowKey'])}')"


def _key(text: str) -> str:
    return quote(text.replace("'", "''"), safe="")


def transaction(url: str, table: str, writes: Sequence[Write]) -> bytes:
    """The multipart body of an entity-group transaction: the service writes all of its rows, or none."""
    lines = [f"--{BOUNDARY}", f"Content-Type: multipart/mixed; boundary={CHANGESET}", ""]
    for row, etag in writes:
        place = f"PUT {url}/{target(table, row)}" if etag else f"POST {url}/{table}"
        lines += [f"--{CHANGESET}", "Content-Type: application/http", "Content-Transfer-Encoding: binary", ""]
        lines += [
            f"{place} HTTP/1.1",
            "Content-Type: application/json",
            "Accept: application/json;odata=minimalmetadata",
        ]
        lines += ["Prefer: return-no-content", "DataServiceVersion: 3.0", *([f"If-Match: {etag}"] if etag else []), ""]
        lines += [encoded(row).decode(), ""]
    lines += [f"--{CHANGESET}--", f"--{BOUNDARY}--", ""]
    return "\r\n".join(lines).encode()


def answers(body: bytes, count: int) -> list[str]:
    """Read the answer to a transaction; returns the new ETags in the order of the writes.

    Raises:
        Answered: a write was refused, and so all of them. The status is 0 if the answer cannot be read.
    """
    etags = []
    for found in _INNER.finditer(body):
        status, headers = int(found[1]), found[2]
        if status >= 300:
            code = _CODE.search(body, found.end())
            raise Answered(status, code[1].decode() if code else "")
        if (etag := _ETAG.search(headers)) is not None:
            etags.append(etag[1].decode())
    if len(etags) != count:
        raise Answered(0, "")
    return etags
