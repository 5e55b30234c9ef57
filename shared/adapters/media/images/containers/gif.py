"""GIF (GIF89a): walks its blocks and keeps those that a viewer needs.

Rules of this file:
1. Colours, the first picture and its transparency are kept. All else is dropped: comments, texts (which some viewers
   draw), application data (a loop, XMP, a profile), and bytes after the end.
2. A file with a second picture is an animation, because browsers show it after or over the first.
"""

from shared.adapters.media.images.containers.parts import MOST_MANIFEST_BYTES, Animation, CutShort, Kept, Source, Unfit

#: Maximum of blocks. Real files have few texts and application blocks.
MOST_BLOCKS = 4_096

#: Maximum of sub-blocks, of up to 255 bytes each. The largest output has 206,000.
MOST_SUB_BLOCKS = 262_144

_HEAD_BYTES, _PICTURE_BYTES = 13, 10
_EXTENSION, _PICTURE, _TRAILER = 0x21, 0x2C, 0x3B
_CONTROL, _COMMENT, _TEXT = 0xF9, 0xFE, 0x01
_NAMES = {_COMMENT: "comment", _TEXT: "text", 0xFF: "application data"}
_PROVENANCE = b"\x0bC2PA_GIF\x01\x00\x00"


def walk(source: Source) -> Kept:
    """What is kept of a GIF. Raises Unfit; CutShort if it ends before its trailer; Animation."""
    head = source.at(0, _HEAD_BYTES)
    if head[:6] not in (b"GIF87a", b"GIF89a"):
        raise Unfit
    return _Walker(source, _HEAD_BYTES + _colours_bytes(head[10])).walk()


def _colours_bytes(flags: int) -> int:
    """The size of the colour table that these flags announce, in bytes."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


class _Walker:
    def __init__(self, source: Source, at: int) -> None:
        self._source = source
        self._at = at
        self._kept = Kept([(0, at)])
        self._control: tuple[int, int] | None = None
        self._has_picture = False
        self._sub_blocks = 0

    def walk(self) -> Kept:
        for _ in range(MOST_BLOCKS):
            kind = self._source.at(self._at, 1)[0]
            if kind == _TRAILER:
                return self._finish()
            if kind == _EXTENSION:
                self._take_extension()
            elif kind == _PICTURE:
                self._take_picture()
            else:
                raise Unfit
        raise Unfit

    def _finish(self) -> Kept:
        if not self._has_picture:
            raise Unfit
        self._kept.keep(self._at, self._at + 1)
        if self._at + 1 < self._source.size_bytes:
            self._kept.dropped.add("bytes after the end")
        return self._kept

    def _take_extension(self) -> None:
        start = self._at
        label = self._source.at(start + 1, 1)[0]
        self._at = self._skip(start + 2)
        if label == _CONTROL and self._at == start + 8:
            self._control = (start, self._at)  # it applies to the next picture or text
            return
        if label == _TEXT:
            self._control = None
        if label == 0xFF and self._source.at(start + 2, len(_PROVENANCE)) == _PROVENANCE:
            self._kept.take_manifest(self._join(start + 2 + len(_PROVENANCE), self._at))
            return
        self._kept.dropped.add(_NAMES.get(label, "private blocks"))

    def _take_picture(self) -> None:
        if self._has_picture:
            raise Animation
        self._has_picture = True
        start = self._at
        flags = self._source.at(start, _PICTURE_BYTES)[9]
        data = start + _PICTURE_BYTES + _colours_bytes(flags)
        self._at = self._skip(data + 1)  # after the byte with the code size
        if self._control is not None:
            self._kept.keep(*self._control)
        self._kept.keep(start, self._at)

    def _skip(self, start: int) -> int:
        """The position after the sequence of sub-blocks that begins at ``start``."""
        base, ends = start, start
        for block in self._source.blocks(start):
            stop = base + len(block)
            while ends < stop:
                size_bytes = block[ends - base]
                ends += size_bytes + 1
                self._sub_blocks += 1
                if not size_bytes:
                    return ends
                if self._sub_blocks > MOST_SUB_BLOCKS:
                    raise Unfit
            base = stop
        raise CutShort

    def _join(self, start: int, end: int) -> bytes:
        """The content of a sequence of sub-blocks."""
        if end - start > 2 * MOST_MANIFEST_BYTES:
            return b"\0" * (MOST_MANIFEST_BYTES + 1)  # too long, so that it is dropped
        content, at, parts = self._source.at(start, end - start), 0, list[bytes]()
        while size_bytes := content[at]:
            parts.append(content[at + 1 : at + 1 + size_bytes])
            at += size_bytes + 1
        return b"".join(parts)
