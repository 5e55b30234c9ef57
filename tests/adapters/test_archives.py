"""Archives from strangers: what is read, what is refused, and that each refusal names the entry."""

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable

import pytest

from dev.fakes.archives import safetensors, tarred, zipped
from shared.adapters.media.archives import SafeArchives
from shared.adapters.media.archives.opening import opened, weights_of
from shared.core.training.contents import PICTURES
from shared.ports import ArchiveUnfit

FILES = (("faces/a.jpg", b"a picture"), ("faces/a.txt", b"ADA smiles"), ("b.png", bytes(5000)))


def contents(archive: bytes) -> dict[str, bytes]:
    """The files of an archive as it is read here."""
    found = opened(io.BytesIO(archive), io.BytesIO(), PICTURES)
    return {entry.name: found.content(entry) for entry in found.entries}


def refused(archive: bytes | Callable[[], bytes]) -> str:
    """The sentence of the refusal, which comes when the archive is opened or one of its files is read."""
    made = archive() if callable(archive) else archive
    with pytest.raises(ArchiveUnfit) as unfit:
        contents(made)
    return unfit.value.why


def made_by_zipfile(method: int = zipfile.ZIP_DEFLATED, files: tuple[tuple[str, bytes], ...] = FILES) -> bytes:
    """A zip file as the standard library writes it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return out.getvalue()


def streamed() -> bytes:
    """A zip file whose sizes stand behind each file: written to a pipe."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise OSError

        def tell(self) -> int:
            raise OSError

    out = Pipe()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in FILES:
            archive.writestr(name, content)
    return out.getvalue()


def tar_of(*entries: tarfile.TarInfo, form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar of entries without content."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for entry in entries:
            archive.addfile(entry, io.BytesIO(bytes(entry.size)))
    return out.getvalue()


def named(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> tarfile.TarInfo:
    """An entry of a tar."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.size, entry.linkname = kind, size, link
    return entry


@pytest.mark.parametrize(
    "archive",
    [
        made_by_zipfile(),
        made_by_zipfile(zipfile.ZIP_STORED),
        streamed(),
        zipped(*FILES),
        tarred(*FILES),
        tarred(*FILES, mode="w:gz"),
        gzip.compress(tarred(*FILES)),
    ],
    ids=["deflated", "stored", "streamed", "ours", "tar", "tar.gz", "gzip"],
)
def test_what_common_programs_write_is_read(archive: bytes) -> None:
    """Every file is read as it was, in the order of the names."""
    assert contents(archive) == dict(FILES)
    assert list(contents(archive)) == sorted(dict(FILES))


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_are_read_in_every_dialect(form: int) -> None:
    """In a prefix, in a record of GNU, in a pax header; the folder that was packed is no entry."""
    long = f"{'folder/' * 15}{'x' * 60}.jpg"
    archive = tar_of(named(".", tarfile.DIRTYPE), named("./a.jpg"), named(long), form=form)
    assert contents(archive) == {"a.jpg": b"", long: b""}


@pytest.mark.parametrize(
    ("archive", "said"),
    [
        (tar_of(named("a.jpg", tarfile.SYMTYPE, link="/etc/passwd")), "a.jpg is a link"),
        (tar_of(named("a.jpg", tarfile.LNKTYPE, link="b.jpg")), "a.jpg is a link"),
        (tar_of(named("a.jpg", tarfile.CHRTYPE)), "a.jpg is a device"),
        (tar_of(named("a.jpg", tarfile.BLKTYPE)), "a.jpg is a device"),
        (tar_of(named("a.jpg", tarfile.FIFOTYPE)), "a.jpg is a pipe"),
        (tar_of(named("/etc/a.jpg")), "/etc/a.jpg leads out"),
        (tar_of(named("../a.jpg")), "../a.jpg leads out"),
        (tar_of(named("a.jpg"), named("A.jpg")), "a.jpg is there twice"),
        (lambda: tar_of(*(named(f"{number}.jpg") for number in range(2300))), "more than 2200 files"),
        (tarred(("inner.tar", b"x")), "inner.tar is an archive in the archive"),
        (tarred(("run.sh", b"x")), "run.sh is neither a picture"),
        (tarred(*FILES)[:7680], "cut short"),
        (tarred(*FILES)[:7000], "cut short"),
        (gzip.compress(tarred(*FILES)) + b"more", "follows the end"),
        (gzip.compress(tarred(*FILES))[:-9], "cut short"),
        (gzip.compress(b"no tar"), "no tar in it"),
        (gzip.compress(gzip.compress(tarred(*FILES))), "no tar in it"),
        (b"Rar!\x1a\x07\x01\x00", "a rar file"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z file"),
        (b"", "no archive"),
        (b"\x89PNG\r\n\x1a\n", "no archive"),
    ],
)
def test_what_a_tar_may_not_have_is_refused_by_name(archive: bytes | Callable[[], bytes], said: str) -> None:
    """Links, devices, pipes, other places, duplicates, counts, archives, what was cut."""
    assert said in refused(archive)


def test_a_tar_of_many_zeros_is_not_unpacked_whole() -> None:
    """A bomb: a gzip of 115 MiB is unpacked to the bound, and not beyond."""
    packed = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = packed.compress(tar_of(named("a.jpg"))[:512]) + packed.flush(zlib.Z_FULL_FLUSH)
    mebibyte = packed.compress(bytes(1024**2)) + packed.flush(zlib.Z_FULL_FLUSH)  # it refers to nothing before it
    bomb = head + mebibyte * 115
    spare = io.BytesIO()
    with pytest.raises(ArchiveUnfit, match="more than 100 MiB"):
        opened(io.BytesIO(bomb + packed.flush()), spare, PICTURES)
    assert len(spare.getvalue()) < 110 * 1024**2


def with_mode(mode: int, name: str = "a.jpg") -> bytes:
    """A zip file whose one entry has this mode of Unix."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, b"b.jpg")
    return out.getvalue()


def changed(change: Callable[[bytearray, int, int], None], archive: bytes | None = None) -> bytes:
    """A zip file of two pictures, changed at its first local header and its first directory record."""
    raw = bytearray(archive or zipped(("a.jpg", b"aaaa"), ("b.jpg", b"bbbb")))
    change(raw, raw.index(b"PK\x03\x04"), raw.index(b"PK\x01\x02"))
    return bytes(raw)


def put(at_local: int | None, at_central: int | None, form: str, value: int) -> bytes:
    """A zip file with one field of the first local header, the first directory record, or both, set."""

    def change(raw: bytearray, local: int, central: int) -> None:
        for start, at in ((local, at_local), (central, at_central)):
            if at is not None:
                struct.pack_into(form, raw, start + at, value)

    return changed(change)


def bomb(count: int = 1) -> bytes:
    """Files that unpack to a thousand times their size."""
    return made_by_zipfile(files=tuple((f"{number}.jpg", bytes(15 * 1024**2)) for number in range(count)))


@pytest.mark.parametrize(
    ("archive", "said"),
    [
        (with_mode(0o120777), "a.jpg is a link or a device"),
        (with_mode(0o020666), "a.jpg is a link or a device"),
        (with_mode(0o010666), "a.jpg is a link or a device"),
        (zipped(("/a.jpg", b"")), "/a.jpg leads out"),
        (zipped(("x/../../a.jpg", b"")), "leads out"),
        (zipped(("a\\b.jpg", b"")), "no file name may have"),
        (zipped(("a.jpg", b""), ("a.jpg", b"")), "a.jpg is there twice"),
        (zipped(("inner.zip", zipped(*FILES))), "inner.zip is an archive in the archive"),
        (zipped(("script.py", b"")), "script.py is neither"),
        (zipped(("folder/", b"content")), "a folder with content"),
        (lambda: zipped(*((f"{number}.jpg", b"") for number in range(2300))), "2300 files"),
        (bomb, "0.jpg unpacks to more than 100 times"),
        (lambda: zipped(*((f"{number}.jpg", bytes(18 * 1024**2)) for number in range(6))), "more than 100 MiB"),
        (put(6, 8, "<H", 1), "a.jpg is encrypted"),
        (put(6, 8, "<H", 1 << 6), "a.jpg is encrypted"),
        (put(8, 10, "<H", 12), "by a method that is not read"),
        (put(18, None, "<I", 3), "another file by its own header"),
        (put(22, None, "<I", 3), "another file by its own header"),
        (put(14, None, "<I", 3), "another file by its own header"),
        (put(8, None, "<H", 8), "another file by its own header"),
        (put(30, None, "<B", ord("x")), "another file by its own header"),
        (put(14, 16, "<I", 3), "checksum is wrong"),
        (put(None, 42, "<I", 10_000), "broken"),
        (put(None, 20, "<I", 0xFFFFFFFF), "ZIP64"),
        (put(22, 24, "<I", 3), "broken"),
        (zipped(*FILES)[:-30], "cut short"),
        (zipped(*FILES) + b"more", "follows the end"),
        (b"PK\x03\x04" + bytes(100), "directory is missing"),
    ],
)
def test_what_a_zip_may_not_have_is_refused_by_name(archive: bytes | Callable[[], bytes], said: str) -> None:
    """Links, other places, duplicates, bombs, encryption, headers that lie, overlaps, what was cut."""
    assert said in refused(archive)


def test_an_overlap_of_two_entries_is_refused() -> None:
    """Two names for the same bytes are how a bomb is made of a small file."""
    raw = bytearray(zipped(("a.jpg", b"aaaa"), ("a.jpg", b"aaaa")))
    struct.pack_into("<I", raw, raw.rindex(b"PK\x01\x02") + 42, 0)
    assert "overlaps" in refused(bytes(raw))


def test_a_lying_size_is_found_when_the_file_is_read() -> None:
    """A deflated file that is longer than both of its headers say, and one that is shorter."""
    for size in (4999, 5001):
        raw = bytearray(made_by_zipfile(files=(("b.png", bytes(5000)),)))
        struct.pack_into("<I", raw, 22, size)
        struct.pack_into("<I", raw, raw.index(b"PK\x01\x02") + 24, size)
        assert "not as long as the directory says" in refused(bytes(raw))


async def test_the_port_reads_on_a_thread() -> None:
    """The same answers as the functions."""
    archive = await SafeArchives().open(io.BytesIO(made_by_zipfile()), io.BytesIO(), PICTURES)
    assert [(entry.name, await archive.read(entry)) for entry in archive.entries] == sorted(FILES)
    assert await SafeArchives().weights(io.BytesIO(safetensors()), io.BytesIO()) == (
        "application/octet-stream",
        "safetensors",
    )


# Weights.


def raw_safetensors(header: bytes, numbers: bytes = b"1234") -> bytes:
    """A safetensors file with this header."""
    return struct.pack("<Q", len(header)) + header + numbers


GOOD = b'{"__metadata__":{"format":"pt"},"a":{"dtype":"F16","shape":[2,1],"data_offsets":[0,4]}}'


@pytest.mark.parametrize(
    "weights",
    [
        raw_safetensors(GOOD),
        raw_safetensors(GOOD + b"   "),
        raw_safetensors(b'{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}'),
        raw_safetensors(
            b'{"b":{"dtype":"U8","shape":[3],"data_offsets":[1,4]},"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]},'
            b'"none":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}}'
        ),
    ],
)
def test_a_safetensors_file_is_known_by_its_header(weights: bytes) -> None:
    """With metadata, with blanks that align it, a scalar, tensors in any order, an empty one."""
    assert weights_of(io.BytesIO(weights), io.BytesIO()) == ("application/octet-stream", "safetensors")


@pytest.mark.parametrize(
    "header",
    [
        b"[]  ",
        b"{}  ",
        b"{,} ",
        b'{"a":1}',
        b'{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"PICKLE","shape":[2],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F16","shape":[3],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F16","shape":[-2],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F16","shape":[true,2],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F16","shape":[2.0],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}',
        b'{"a":{"dtype":"U8","shape":[3],"data_offsets":[1,4]}}',
        b'{"a":{"dtype":"U8","shape":[5],"data_offsets":[0,5]}}',
        b'{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"code":"x"}}',
        b'{"__metadata__":{"a":1},"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}',
        b'{"a":' + b"[" * 100_000,
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":"\xff"}',
    ],
)
def test_a_header_that_does_not_account_for_every_byte_is_refused(header: bytes) -> None:
    """Gaps, overlaps, ends beyond the file, unknown types, shapes that do not fit, names given twice."""
    with pytest.raises(ArchiveUnfit, match="no safetensors file"):
        weights_of(io.BytesIO(raw_safetensors(header)), io.BytesIO())


@pytest.mark.parametrize("length", [0, 1, 2**63, 2**64 - 1, 8 * 1024**2 + 1, len(GOOD) + 5])
def test_a_header_of_no_possible_length_is_refused(length: int) -> None:
    """Nothing is read for it."""
    with pytest.raises(ArchiveUnfit, match="no safetensors file"):
        weights_of(io.BytesIO(struct.pack("<Q", length) + GOOD + b"1234"), io.BytesIO())


@pytest.mark.parametrize(
    ("weights", "kind"),
    [
        (tarred(("out/lora.safetensors", safetensors()), ("out/config.yaml", b"a: 1")), ("application/x-tar", "tar")),
        (tarred(("lora.safetensors", safetensors()), mode="w:gz"), ("application/gzip", "tar.gz")),
        (made_by_zipfile(files=(("lora.safetensors", safetensors(bytes(9000))),)), ("application/zip", "zip")),
        (zipped(("lora.safetensors", safetensors()), ("captions/a.txt", b"ADA")), ("application/zip", "zip")),
    ],
)
def test_weights_come_with_texts_in_an_archive(weights: bytes, kind: tuple[str, str]) -> None:
    """What trainers deliver."""
    assert weights_of(io.BytesIO(weights), io.BytesIO()) == kind


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (zipped(("archive/data.pkl", b"\x80\x04.")), "data.pkl may run a program"),
        (zipped(("lora.safetensors", safetensors()), ("extra.bin", b"\x80\x04.")), "extra.bin may run a program"),
        (zipped(("lora.safetensors", b"\x80\x04.")), "lora.safetensors is no safetensors file"),
        (zipped(("lora.safetensors", safetensors()), ("a.json", b"\x80\x04\x95.")), "a.json is no text"),
        (zipped(("lora.safetensors", safetensors()), ("a.yaml", b"a\x00b")), "a.yaml is no text"),
        (zipped(("lora.safetensors", safetensors()), ("a.jpg", b"")), "a.jpg is neither safetensors"),
        (zipped(("lora.safetensors", safetensors()), ("inner.tar", b"")), "inner.tar is an archive in the archive"),
        (tarred(("config.yaml", b"")), "no safetensors in it"),
        (tar_of(named("lora.safetensors", tarfile.SYMTYPE, link="/etc/passwd")), "is a link"),
        (lambda: made_by_zipfile(files=(("lora.safetensors", safetensors(bytes(40 * 1024**2))),)), "100 times"),
        (b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}\x94.", "no possible length"),
    ],
)
def test_what_is_no_weights_is_refused_by_name(weights: bytes | Callable[[], bytes], said: str) -> None:
    """Pickles by any name, files that are no texts, pictures, links, bombs."""
    made = weights() if callable(weights) else weights
    with pytest.raises(ArchiveUnfit) as unfit:
        weights_of(io.BytesIO(made), io.BytesIO())
    assert said in unfit.value.why


def test_a_broken_checksum_within_weights_is_found() -> None:
    """Behind the header too."""
    raw = bytearray(zipped(("lora.safetensors", safetensors(bytes(1000)))))
    raw[raw.index(bytes(900)) + 500] = 1
    with pytest.raises(ArchiveUnfit, match="checksum"):
        weights_of(io.BytesIO(bytes(raw)), io.BytesIO())
