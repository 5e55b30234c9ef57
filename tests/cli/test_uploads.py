"""upload: a file for a request to name."""

from pathlib import Path

import pytest

from shared.ports import Limits
from tests.cli.counter import Counter


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """The archive of a training."""
    file = tmp_path / "portraits.zip"
    file.write_bytes(b"PK\x03\x04 and so on")
    return file


def test_a_file_is_stored_in_its_users_folder(counter: Counter, archive: Path) -> None:
    """It prints only the name that a request gives as its input_file."""
    called = counter.call("upload", "ada", str(archive))
    assert (called.code, called.out, called.err) == (0, "ada/ada/portraits.zip\n", "")
    assert counter.blobs.uploads == {"ada/ada/portraits.zip": archive.read_bytes()}
    assert (
        counter.call("submit", "--user", "ada", "--modality", "training", "--input-file", called.out.strip()).code == 0
    )


def test_it_may_have_another_name(counter: Counter, archive: Path) -> None:
    """The name may contain a folder."""
    assert counter.call("upload", "ada", str(archive), "--name", "summer/2.zip").out == "ada/ada/summer/2.zip\n"
    assert list(counter.blobs.uploads) == ["ada/ada/summer/2.zip"]


def test_an_existing_file_is_replaced_only_on_request(counter: Counter, archive: Path) -> None:
    """A waiting request may still read the old one."""
    counter.blobs.uploads["ada/ada/portraits.zip"] = b"before"
    called = counter.call("upload", "ada", str(archive))
    assert (called.code, called.out) == (1, "")
    assert "the file ada/ada/portraits.zip exists already" in called.err
    assert counter.blobs.uploads == {"ada/ada/portraits.zip": b"before"}
    assert counter.call("upload", "ada", str(archive), "--replace").code == 0
    assert counter.blobs.uploads == {"ada/ada/portraits.zip": archive.read_bytes()}


@pytest.mark.parametrize("size_bytes", [0, 100 * 1024 * 1024 + 1])
def test_a_file_of_a_wrong_size_is_refused_before_a_byte_is_sent(
    counter: Counter, tmp_path: Path, size_bytes: int
) -> None:
    """It is empty, or above 100 MiB (a sparse file)."""
    file = tmp_path / "big.zip"
    with file.open("wb") as content:
        content.truncate(size_bytes)
    called = counter.call("upload", "ada", str(file))
    assert (called.code, called.out) == (1, "")
    assert f"has {size_bytes} bytes, not 1 to {Limits().upload_bytes} (100 MiB)" in called.err
    assert counter.blobs.uploads == {}


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("ada", "--name", "../bob/a.zip"), "input_file must be a file in the user's own folder"),
        (("ada", "--name", "ä.zip"), "input_file must be a file in the user's own folder"),
        (("a/b",), "the user must be 1 to 128"),
    ],
)
def test_a_name_that_no_request_may_have_is_refused(
    counter: Counter, archive: Path, argv: tuple[str, ...], says: str
) -> None:
    """By the message handler's own rule."""
    called = counter.call("upload", argv[0], str(archive), *argv[1:])
    assert (called.code, called.out) == (2, "")
    assert says in called.err
    assert counter.blobs.uploads == {}


def test_a_missing_file_is_refused(counter: Counter, tmp_path: Path) -> None:
    """It is a wrong command line."""
    assert counter.call("upload", "ada", str(tmp_path / "none.zip")).code == 2
