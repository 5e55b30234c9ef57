"""FakeArchives: the real reader of archives, without the thread on which the app runs it."""

import io
import json
import struct
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, Literal

from shared.adapters.media.archives.opening import OpenedArchive, opened, weights_of
from shared.core.training.contents import Bounds, Entry
from shared.core.training.packing import ZipPacker


@dataclass(frozen=True, slots=True)
class _Opened:
    """ports.Archive."""

    archive: OpenedArchive

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The files."""
        return self.archive.entries

    async def read(self, entry: Entry) -> bytes:
        """The content of a file."""
        return self.archive.content(entry)


class FakeArchives:
    """ports.Archives."""

    async def open(self, file: BinaryIO, spare: BinaryIO, bounds: Bounds) -> _Opened:
        """See shared/ports/archives.py."""
        return _Opened(opened(file, spare, bounds))

    async def weights(self, file: BinaryIO, spare: BinaryIO) -> tuple[str, str]:
        """See shared/ports/archives.py."""
        return weights_of(file, spare)


def zipped(*files: tuple[str, bytes]) -> bytes:
    """A zip file of these names and contents."""
    packer = ZipPacker()
    parts: Sequence[bytes] = [packer.entry(name, content) + content for name, content in files]
    return b"".join(parts) + packer.end()


def safetensors(numbers: bytes = b"lora") -> bytes:
    """A safetensors file of one tensor with these bytes."""
    tensor = {"dtype": "U8", "shape": [len(numbers)], "data_offsets": [0, len(numbers)]}
    head = json.dumps({"lora": tensor}).encode()
    return struct.pack("<Q", len(head)) + head + numbers


def tarred(*files: tuple[str, bytes], mode: Literal["w", "w:gz"] = "w") -> bytes:
    """A tar of these names and contents; ``w:gz`` compresses it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, content in files:
            entry = tarfile.TarInfo(name)  # its time is 0: the same bytes each time
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


#: Weights as a trainer packs them.
WEIGHTS_TAR = tarred(("output/config.yaml", b"steps: 10\n"), ("output/lora.safetensors", safetensors()))

#: What a training learns from, in the order in which the worker packs it.
PICTURES_ZIP = zipped(
    ("harbour.txt", b"LGHT above the harbour"), ("harbour.jpg", b"a lighthouse"), ("night.png", b"the same at night")
)
