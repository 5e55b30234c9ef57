"""Manifests of provenance (C2PA) in pictures: validates them, and keeps them without the pictures inside.

Rules of this file:
1. The library c2pa is loaded with the first manifest. It costs 90 ms and 40 MiB, and most pictures have no manifest. It
   makes no network calls: it fetches no remote manifest and checks no certificate's status. There are no trust anchors
   here, so the best result is "valid": nobody has changed the manifest since it was signed, whoever signed it.
2. A manifest contains pictures (thumbnails, even of a model's inputs) that were not screened. Their bytes are replaced
   by zeros, and so is every box that might be a picture. All other boxes, lengths and positions stay, so that claim and
   signature can be read. The format is ISO/IEC 19566-5: a box has a length, a type and a content, and a box of the type
   ``jumb`` contains boxes.
3. A manifest that cannot be walked is not kept.
"""

import json
import logging
import struct
from typing import BinaryIO

from shared.adapters.media.images.containers import Source

_log = logging.getLogger("darkroom.images")

#: Maximum depth of nested boxes: a manifest in a store, an assertion in a manifest, its description. Real manifests
#: have five levels.
MOST_LEVELS = 16
MOST_BOXES = 20_000

#: The type of boxes that contain boxes, and the types of boxes that contain no picture: descriptions, claims,
#: assertions, signatures, salts, media types.
_BOXES, _KEPT = b"jumb", frozenset({b"jumd", b"cbor", b"json", b"bfdb", b"c2sh"})

_SETTINGS = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
_STATES = {"valid": "valid", "trusted": "trusted", "invalid": "invalid"}
_MOST_CHARACTERS = 100


def validated(source: Source, file: BinaryIO, content_type: str) -> str:
    """Validate the manifest in a file; returns "valid", "trusted", "invalid: <code>" or "unreadable"."""
    import c2pa  # noqa: PLC0415  # rule 1

    file.seek(0)
    try:
        settings = c2pa.Settings.from_dict(_SETTINGS)
        with c2pa.Context(settings) as context, c2pa.Reader(content_type, file, context=context) as reader:
            state = _STATES.get(str(reader.get_validation_state()).lower(), "")
            return f"invalid: {_why(reader.json())}" if state == "invalid" else state or "unreadable"
    except Exception as error:  # noqa: BLE001  # untrusted bytes; the library's errors have no common class
        _log.info("a manifest of %d bytes could not be read: %s", source.size_bytes, type(error).__name__)
        return "unreadable"


def _why(report: str) -> str:
    """The first failure code of a validation report, as the C2PA specification names it."""
    found = json.loads(report).get("validation_status")
    codes = [str(each.get("code")) for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    failures = [code for code in codes if code != "signingCredential.untrusted"]
    return (failures or codes or ["no reason"])[0][:_MOST_CHARACTERS]


def without_pictures(store: bytes) -> bytes:
    """The manifest store with zeros in place of every picture; empty if it cannot be walked."""
    content = bytearray(store)
    try:
        left = _blank(content, 0, len(content), 0, MOST_BOXES)
    except (struct.error, IndexError):
        return b""
    return bytes(content) if left >= 0 else b""


def _blank(content: bytearray, start: int, end: int, level: int, left: int) -> int:
    """Replace the boxes between two positions by zeros, except those of kept types.

    ``left`` is how many boxes may still be read. Returns what is left of it, or -1 if the boxes are malformed.
    """
    while start < end:
        size_bytes, kind = struct.unpack_from(">I4s", content, start)
        head_bytes = 8
        if size_bytes == 1:
            (size_bytes,) = struct.unpack_from(">Q", content, start + 8)
            head_bytes = 16
        elif size_bytes == 0:
            size_bytes = end - start
        stop = start + size_bytes
        left -= 1
        if size_bytes < head_bytes or stop > end or left < 0 or level > MOST_LEVELS:
            return -1
        if kind == _BOXES:
            left = _blank(content, start + head_bytes, stop, level + 1, left)
            if left < 0:
                return -1
        elif kind not in _KEPT:
            content[start + head_bytes : stop] = bytes(stop - start - head_bytes)
        start = stop
    return left
