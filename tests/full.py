"""A stdout on a full disk."""

import errno
import io
import os
from typing import TextIO


class _Full(io.RawIOBase):
    def writable(self) -> bool:
        return True

    def write(self, _: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def full() -> TextIO:
    """A text stream that fails as soon as it has to write."""
    return io.TextIOWrapper(io.BufferedWriter(_Full()))
