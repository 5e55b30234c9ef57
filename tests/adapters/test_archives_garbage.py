"""Bytes from a stranger raise nothing but our own refusal, and cost no more than their bound."""

import io
import random
import time
import tracemalloc
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dev.fakes.archives import safetensors, tarred, zipped
from shared.adapters.media.archives.opening import opened, weights_of
from shared.core.training.contents import PICTURES
from shared.ports import ArchiveUnfit
from tests.adapters.test_archives import GOOD, made_by_zipfile, raw_safetensors, streamed

FILES = (("a.jpg", b"picture" * 30), ("a.txt", b"caption"), ("x/b.png", bytes(3000)))
WHOLE = [
    zipped(*FILES),
    made_by_zipfile(),
    streamed(),
    tarred(*FILES),
    tarred(*FILES, mode="w:gz"),
    made_by_zipfile(zipfile.ZIP_STORED),
    tarred(("lora.safetensors", safetensors()), ("config.yaml", b"a: 1")),
    zipped(("lora.safetensors", safetensors())),
    raw_safetensors(GOOD),
]


#: Mutations of each archive: a multiple, as for property tests.
MUTATIONS = 4 * settings().max_examples


def look(content: bytes) -> None:
    """Open the bytes as everything that they could be, and read all of it."""
    sentences = [_opened(content), _weights(content)]
    assert all(each is None or each.isprintable() for each in sentences)


def _opened(content: bytes) -> str | None:
    try:
        found = opened(io.BytesIO(content), io.BytesIO(), PICTURES)
        for entry in found.entries:
            found.content(entry)
    except ArchiveUnfit as unfit:
        return unfit.why
    return None


def _weights(content: bytes) -> str | None:
    try:
        weights_of(io.BytesIO(content), io.BytesIO())
    except ArchiveUnfit as unfit:
        return unfit.why
    return None


@given(st.binary(max_size=2000))
def test_any_bytes(content: bytes) -> None:
    """Without any form."""
    look(content)
    for head in (b"PK\x03\x04", b"\x1f\x8b\x08\x00", bytes(257) + b"ustar\x0000"):
        look(head + content)


@pytest.mark.parametrize("number", range(len(WHOLE)))
def test_mutated_archives(number: int) -> None:
    """Bytes changed, cut out, doubled and put elsewhere, in every kind of archive; 400 of each, in the quick run 80."""
    chance = random.Random(number)
    for _ in range(MUTATIONS):
        look(_mutated(WHOLE[number], chance))


def test_every_cut_of_every_archive() -> None:
    """From nothing to one byte less than all."""
    for content in WHOLE:
        for end in range(0, len(content), max(1, len(content) // 150)):
            look(content[:end])


def _mutated(content: bytes, chance: random.Random) -> bytes:
    raw = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        at, other = chance.randrange(len(raw) or 1), chance.randrange(len(raw) or 1)
        match chance.randrange(5):
            case 0:
                raw[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del raw[at : at + chance.randint(1, 40)]
            case 2:
                raw[at:at] = raw[other : other + chance.randint(1, 600)]
            case 3:
                raw[at : at + 4] = chance.choice(
                    [b"\xff" * 4, bytes(4), b"\x00\x00\x00\x80", b"PK\x01\x02", b"PK\x05\x06"]
                )
            case _:
                raw[at : at + 12] = b"%011o\x00" % chance.randrange(1 << 33)
    return bytes(raw)


def _many_records() -> bytes:
    """A directory that says it has 65,534 records, in 90 MB."""
    record = zipped(("a.jpg", b""))
    at = record.index(b"PK\x01\x02")
    one = record[at : record.index(b"PK\x05\x06")]
    end = b"PK\x05\x06" + bytes(4) + b"\xfe\xff\xfe\xff"
    directory = one * 65_534
    return record[:at] + directory + end + len(directory).to_bytes(4, "little") + at.to_bytes(4, "little") + bytes(2)


def _pax_records() -> bytes:
    """A tar of descriptions, one behind the other, of 20 MB."""
    one = tarred(("a.jpg", b""))
    head = bytearray(one[:512])
    head[156:157], head[124:136] = b"x", b"%011o\x00" % 65_536
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\x00 " % sum(head)
    return (bytes(head) + b"9 a=bbbb\n" * 7281 + bytes(7)) * 300 + one


@pytest.mark.parametrize("make", [_many_records, _pax_records], ids=["records", "descriptions"])
def test_a_large_directory_costs_little(make: object) -> None:
    """At most 10 MiB and two seconds, however it is filled."""
    content = io.BytesIO(make())  # type: ignore[operator]  # one of the two above
    tracemalloc.start()
    started = time.process_time()
    with pytest.raises(ArchiveUnfit):
        opened(content, io.BytesIO(), PICTURES)
    seconds, peak = time.process_time() - started, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 2
    assert peak < 10 * 1024**2
