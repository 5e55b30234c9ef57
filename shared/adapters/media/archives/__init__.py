"""Archives from strangers: zip, tar and tar.gz, opened without trusting a byte of them.

Rules of this file:
1. Whatever the bytes are, the only error is ArchiveUnfit, whose sentence names the entry. tests/adapters/
   test_archives_garbage.py sends mutated archives.
2. A file is read entry by entry from where it was spooled. Memory holds a directory and one entry, never the archive.
3. What the archive may have is a rule of core/training/contents.py. This package only reads what it has.
4. The readers are imported by the first archive: most apps never see one.

    opening      the kind of an archive, and what it may have
    zips, tars   the directory, and the place of each file      members   what both share
    weights      safetensors and text by their content
"""

import asyncio
from typing import BinaryIO

from shared.core.training.contents import Bounds
from shared.ports import Archive


class SafeArchives:
    """ports.Archives. Reading and unpacking run on a thread."""

    async def open(self, file: BinaryIO, spare: BinaryIO, bounds: Bounds) -> Archive:
        """Implements ``Archives``."""
        from shared.adapters.media.archives.opening import opened  # noqa: PLC0415  # see rule 4

        return await asyncio.to_thread(opened, file, spare, bounds)

    async def weights(self, file: BinaryIO, spare: BinaryIO) -> tuple[str, str]:
        """Implements ``Archives``."""
        from shared.adapters.media.archives.opening import weights_of  # noqa: PLC0415  # see rule 4

        return await asyncio.to_thread(weights_of, file, spare)
