"""Manifests of provenance (C2PA) that come with a picture: validated, and kept without the pictures in them.

Rules of this file:
1. c2pa is loaded with the first manifest: it costs 90 ms and 40 MiB, and most pictures have none. It asks nobody: no
   manifest elsewhere, no certificate's state. There are no trust anchors here, so the best that it says is "valid":
   what the manifest says has not been changed since, by whoever signed it.
2. A manifest has pictures in it (thumbnails, of what went in too) that nobody screened. Their bytes are made zeros,
   and so is whatever is not known to be none. The rest stays as it was, so that claim and signature can be read, and
   lengths and places too (ISO/IEC 19566-5: boxes of a length, a type and a content; one of the type ``jumb`` holds
   boxes).
3. What cannot be walked is not kept.
"""

import json
import logging
import struct
from typing import BinaryIO

from shared.adapters.media.images.containers import Source

_log = logging.getLogger("darkroom.images")

#: Boxes within boxes: a manifest in a store, an assertion in a manifest, its description. Real ones have five.
MOST_LEVELS = 16
MOST_BOXES = 20_000

#: Boxes that hold boxes, and those that have words: descriptions, claims, assertions, signatures, salts, media types.
_BOXES, _WORDS = b"jumb", frozenset({b"jumd", b"cbor", b"json", b"bfdb", b"c2sh"})

_SETTINGS = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
_STATES = {"valid": "valid", "trusted": "trusted", "invalid": "invalid"}
_MOST_CHARACTERS = 100


def validated(source: Source, file: BinaryIO, content_type: str) -> str:
    """What came of validating the manifest in a file: "valid", "trusted", "invalid: <why>", or "unreadable"."""
    import c2pa  # noqa: PLC0415  # with the first manifest only, see rule 1

    file.seek(0)
    try:
        settings = c2pa.Settings.from_dict(_SETTINGS)
        with c2pa.Context(settings) as context, c2pa.Reader(content_type, file, context=context) as reader:
            state = _STATES.get(str(reader.get_validation_state()).lower(), "")
            return f"invalid: {_why(reader.json())}" if state == "invalid" else state or "unreadable"
    except Exception as error:  # noqa: BLE001  # of strangers' bytes; its errors have no class in common
        _log.info("a manifest of %d bytes could not be read: %s", source.size_bytes, type(error).__name__)
        return "unreadable"


def _why(report: str) -> str:
    """The first code that is a failure, as the specification names it."""
    found = json.loads(report).get("validation_status")
    codes = [str(each.get("code")) for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    failures = [code for code in codes if code != "signingCredential.untrusted"]
    return (failures or codes or ["no reason"])[0][:_MOST_CHARACTERS]


def without_pictures(store: bytes) -> bytes:
    """The manifest store with zeros for every picture in it; empty where it cannot be walked."""
    content = bytearray(store)
    try:
        left = _blank(content, 0, len(content), 0, MOST_BOXES)
    except (struct.error, IndexError):
        return b""
    return bytes(content) if left >= 0 else b""


def _blank(content: bytearray, start: int, end: int, level: int, left: int) -> int:
    """Make zeros of what is no word between two places; returns how many boxes may still come, or -1."""
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
        elif kind not in _WORDS:
            content[start + head_bytes : stop] = bytes(stop - start - head_bytes)
        start = stop
    return left
