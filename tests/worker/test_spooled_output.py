"""The buffer of an output: a file like any other, without a copy in memory, and on disk if it is large."""

import io
import os
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import pytest
from PIL import Image

from shared.worker.spooled_output import SpooledOutput

MOST = 1000
SIZES = (1, 99, 300, 0, 599)
WHOLE = b"".join(bytes([number]) * size for number, size in enumerate(SIZES, 1))


@pytest.fixture(params=[MOST, 500, 0], ids=["memory", "halfway", "disk"])
def held(request: pytest.FixtureRequest) -> Iterator[SpooledOutput]:
    """A buffer of some chunks, in memory or on disk."""
    with SpooledOutput(request.param) as file:
        for number, size in enumerate(SIZES, 1):
            assert file.write(bytes([number]) * size) == size
        assert file.is_on_disk is (request.param < len(WHOLE))
        yield file


def test_it_reads_like_any_file(held: SpooledOutput) -> None:
    """From every place, any number of bytes: what a BytesIO of the same gives, and standing where that stands."""
    plain = io.BytesIO(WHOLE)
    assert held.tell() == len(WHOLE)
    for start in (0, 1, 50, 99, 100, 400, len(WHOLE) - 1, len(WHOLE), len(WHOLE) + 7):
        for size in (0, 1, 99, 100, 301, 5000, -1, None):
            assert (held.seek(start), plain.seek(start)) == (start, start)
            assert held.read(size) == plain.read(size)
            assert held.tell() == plain.tell()
    assert held.seek(-9, io.SEEK_END) == plain.seek(-9, io.SEEK_END)
    assert held.seek(4, io.SEEK_CUR) == plain.seek(4, io.SEEK_CUR)
    assert held.read() == plain.read()
    with pytest.raises(ValueError if not held.is_on_disk else OSError):
        held.seek(-1)
    assert (held.readable(), held.writable(), held.seekable()) == (True, True, True)


def test_it_is_read_in_parts_to_its_end(held: SpooledOutput) -> None:
    """A sender reads as much as is at hand each time; together that is all of it."""
    held.seek(50)
    parts = []
    while part := held.read1(200):
        assert len(part) <= 200
        parts.append(part)
    assert b"".join(parts) == WHOLE[50:]


def test_it_is_written_at_its_end(held: SpooledOutput) -> None:
    """Wherever it was read before."""
    held.seek(10)
    held.write(b"more")
    assert held.tell() == len(WHOLE) + 4
    held.seek(0)
    assert held.read() == WHOLE + b"more"


@pytest.mark.parametrize("keep", [0, 1, 100, 250, len(WHOLE)])
def test_it_can_be_cut(held: SpooledOutput, keep: int) -> None:
    """What comes after the place is gone, and what is written then follows what is left."""
    held.seek(keep)
    assert held.truncate() == keep
    held.write(b"more")
    held.seek(2)
    assert held.truncate(keep + 3) == keep + 3
    assert held.tell() == 2
    held.seek(0)
    assert held.read() == WHOLE[:keep] + b"mor"


def test_in_memory_nothing_is_copied() -> None:
    """Each chunk that is read is the object that was written."""
    chunks = [bytes([number]) * 100 for number in range(3)]
    with SpooledOutput(MOST) as file:
        for chunk in chunks:
            file.write(chunk)
        file.seek(0)
        assert all(file.read1(100) is chunk for chunk in chunks)


def test_what_is_too_large_leaves_memory() -> None:
    """The chunk that exceeds the memory moves everything to disk; closing deletes the file."""
    with SpooledOutput(MOST) as file:
        file.write(bytes(MOST))
        before = file.is_on_disk
        file.write(b"x")
        assert (before, file.is_on_disk) == (False, True)
        assert file._chunks == []
        disk = cast("Any", file._disk)
        assert os.fstat(disk.fileno()).st_nlink == 0  # nobody else finds it
    assert disk.closed
    assert file.closed


def test_a_picture_can_be_opened_in_it() -> None:
    """Pillow reads it like a file, whatever its chunks are."""
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(buffer, "PNG")
    content = buffer.getvalue()
    with SpooledOutput(len(content)) as file:
        for start in range(0, len(content), 700):
            file.write(content[start : start + 700])
        file.seek(0)
        with Image.open(cast("BinaryIO", file)) as image:
            image.load()
            assert image.size == (64, 64)
