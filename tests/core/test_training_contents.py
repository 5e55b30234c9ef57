"""What an archive may have, by names, kinds, counts and sizes; how a sample is drawn; how a zip file is packed."""

import io
import zipfile
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.training.contents import (
    MOST_CAPTIONS_BYTES,
    MOST_PICTURES,
    PICTURES,
    WEIGHTS,
    Entry,
    EntryKind,
    kind_of,
    not_allowed,
    sampled,
    shown,
    wrong_list,
    wrong_name,
    wrong_pictures,
)
from shared.core.training.packing import ZipPacker, packed_bytes


def entry(name: str, size_bytes: int = 10) -> Entry:
    """A file of a training's archive."""
    kind = kind_of(name, PICTURES)
    assert kind is not None
    return Entry(0, name, size_bytes, kind)


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd.txt", "../a.jpg", "a/../../b.jpg", "a//b.jpg", "./a/./b.jpg", "C:a.jpg", "a\\b.jpg", "a\x00.jpg",
     "a\n.jpg", "a\u202egpj.exe.jpg", "a\ud800.jpg", "", "/", ".", "..", f"{'a' * 240}.jpg"],
)  # fmt: skip
def test_a_name_that_leads_out_of_its_folder_is_wrong(name: str) -> None:
    """Absolute paths, parents, drives, other separators, and what nobody sees."""
    assert wrong_name(name)


@pytest.mark.parametrize(
    "name", ["a.jpg", "a b/c (1).png", "Bildschirmfoto\u202f10.png", "\u6d77.webp", "a/b/c/", "a..b.jpg"]
)
def test_an_ordinary_name_is_right(name: str) -> None:
    """Blanks of any width, other scripts, folders, two dots within a name."""
    assert wrong_name(name) == ""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.gif", "neither a picture"),
        ("readme.md", "neither a picture"),
        ("noextension", "neither a picture"),
        ("inner.zip", "an archive in the archive"),
        ("inner.TAR.GZ", "an archive in the archive"),
        ("lora.ckpt", "may run a program"),
        ("__MACOSX/._a.jpg", "added by an operating system"),
        ("faces/.DS_Store", "added by an operating system"),
        (".hidden.jpg", "neither a picture"),
    ],
)
def test_anything_else_is_refused_by_its_name(name: str, said: str) -> None:
    """The sentence names the file and says what to do."""
    assert kind_of(name, PICTURES) is None
    sentence = not_allowed(name, PICTURES)
    assert sentence.startswith(name)
    assert said in sentence


def test_kinds_are_known_by_extension_in_any_case() -> None:
    """A training's archive has pictures and captions; weights come with texts."""
    assert [kind_of(name, PICTURES) for name in ("a.JPG", "b.jpeg", "c.Png", "d.webp")] == [EntryKind.PICTURE] * 4
    assert kind_of("a.txt", PICTURES) is EntryKind.CAPTION
    assert kind_of("a.safetensors", PICTURES) is None
    assert kind_of("a.safetensors", WEIGHTS) is EntryKind.WEIGHTS
    assert [kind_of(name, WEIGHTS) for name in ("a.yaml", "a.yml", "a.json", "a.txt")] == [EntryKind.TEXT] * 4
    assert kind_of("a.jpg", WEIGHTS) is None


def test_names_that_a_file_system_would_mix_up_are_duplicates() -> None:
    """In another case, or with its accent written apart."""
    for one, other in (("a.jpg", "A.JPG"), ("caf\u00e9.png", "cafe\u0301.png"), ("stra\u00dfe.png", "STRASSE.png")):
        assert "twice" in wrong_list([entry(one), entry(other)], PICTURES)
    assert wrong_list([entry("a.jpg"), entry("a.png"), entry("a.txt")], PICTURES) == ""


def test_sizes_have_bounds_by_kind_and_together() -> None:
    """The sentence names the file and its bound."""
    assert "a.jpg is larger than 20480 KiB" in wrong_list([entry("a.jpg", 20 * 1024**2 + 1)], PICTURES)
    assert "a.txt is larger than 16 KiB" in wrong_list([entry("a.txt", 16 * 1024 + 1)], PICTURES)
    small = replace(PICTURES, total_bytes=100)
    assert wrong_list([entry("a.jpg", 50), entry("b.jpg", 50)], small) == ""
    assert "Unpacked" in wrong_list([entry("a.jpg", 50), entry("b.jpg", 51)], small)


def test_pictures_and_captions_belong_together() -> None:
    """No picture, too many, captions without one, too much text."""
    assert wrong_pictures([]) == "There is no picture in it."
    assert "no picture: none has its name" in wrong_pictures([entry("a.jpg"), entry("b.txt")])
    assert wrong_pictures([entry("x/a.jpg"), entry("x/a.txt")]) == ""
    assert "no picture" in wrong_pictures([entry("x/a.jpg"), entry("a.txt")])
    many = [entry(f"{number}.jpg") for number in range(MOST_PICTURES + 1)]
    assert "1001 pictures" in wrong_pictures(many)
    assert wrong_pictures(many[1:]) == ""
    long = [each for number in range(100) for each in (entry(f"{number}.jpg"), entry(f"{number}.txt", 10_001))]
    assert str(MOST_CAPTIONS_BYTES) in wrong_pictures(long)


def test_a_strangers_name_is_shown_without_what_steers_a_terminal() -> None:
    """And not more of it than a line holds."""
    assert shown("a\x1b[2J\n.jpg") == "a?[2J?.jpg"
    assert len(shown("x" * 500)) == 80


@given(count=st.integers(1, 300), above=st.integers(0, 320), seed=st.integers(0, 2**32 - 1))
def test_a_sample_has_as_many_as_the_policy_says(count: int, above: int, seed: int) -> None:
    """All of them where there are not more; each is one of the pictures; the same seed draws the same."""
    drawn = sampled(count, above, seed)
    assert len(drawn) == (above if 0 < above < count else count)
    assert drawn <= set(range(count))
    assert drawn == sampled(count, above, seed)


def test_each_picture_is_drawn_as_often_as_any_other() -> None:
    """Over 4,000 seeds each of 20 pictures is drawn a quarter of the time, give or take four deviations."""
    times = [0] * 20
    for seed in range(4000):
        for number in sampled(20, 5, seed):
            times[number] += 1
    assert all(abs(each - 1000) < 4 * (4000 * 0.25 * 0.75) ** 0.5 for each in times)


FILES = st.dictionaries(st.text("abc\u00e9/.", min_size=1, max_size=20), st.binary(max_size=200), max_size=6)


@given(FILES)
def test_a_packed_file_is_read_by_another_library(files: dict[str, bytes]) -> None:
    """Names and contents are read as they were, its size was known before, and it is the same twice."""
    first, second = (_packed(files) for _ in range(2))
    assert first == second
    assert len(first) == packed_bytes((name, len(content)) for name, content in files.items())
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert archive.testzip() is None
        assert {info.filename: archive.read(info) for info in archive.infolist()} == files
        assert {info.date_time for info in archive.infolist()} <= {(1980, 1, 1, 0, 0, 0)}


def _packed(files: dict[str, bytes]) -> bytes:
    packer = ZipPacker()
    return b"".join(packer.entry(name, content) + content for name, content in files.items()) + packer.end()
