"""The walkers on mutated files: they raise nothing of their own, and cost no more than their bounds."""

import io
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.media.images import cleaning
from shared.adapters.media.images.manifests import without_pictures
from shared.ports import OutputUnfit
from tests.adapters import container_files as files
from tests.timing import best_cpu_s

pytestmark = pytest.mark.long  # files by the hundred

SEEDS = [
    files.png_with_everything(),
    files.png_with_everything("P"),
    files.apng(),
    files.jpeg_with_everything(),
    files.jpeg_with_everything(progressive=True),
    files.mpo(),
    files.webp_with_everything("RGBA"),
    files.animated_webp(),
    files.gif_with_everything(),
    files.animated_gif(),
]

#: What is done to a file: a place (in thousandths), how many bytes go there, and what comes in their stead.
changes = st.lists(st.tuples(st.integers(0, 999), st.integers(0, 40), st.binary(max_size=12)), min_size=1, max_size=6)
MARKS = [
    b"\xff\xd8",
    b"\xff\xd9",
    b"\xff\xda",
    b"acTL",
    b"IEND",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"ANMF",
    b"\x2c",
    b";",
]
marks = st.lists(st.tuples(st.integers(0, 999), st.integers(0, 4), st.sampled_from(MARKS)), min_size=1, max_size=4)


def mutated(content: bytes, done: list[tuple[int, int, bytes]]) -> bytes:
    """A file to which this was done."""
    changed = bytearray(content)
    for place, gone, comes in done:
        at = len(changed) * place // 1000
        changed[at : at + gone] = comes
    return bytes(changed)


def clean(content: bytes) -> bytes | None:
    """What goes on of a file; None where it is unfit."""
    into = io.BytesIO()
    try:
        said = cleaning.cleaned(io.BytesIO(content), into, validate=False)
    except OutputUnfit:
        return None
    return into.getvalue() if said.dropped else content


@settings(max_examples=6 * settings().max_examples, deadline=None)
@given(st.sampled_from(SEEDS), changes | marks)
def test_a_mutated_picture_is_unfit_or_clean_for_good(content: bytes, done: list[tuple[int, int, bytes]]) -> None:
    """What was cleaned once is clean: a second walk keeps every byte of it."""
    once = clean(mutated(content, done))
    if once is not None:
        assert clean(once) == once


@settings(max_examples=2 * settings().max_examples, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([seed[:12] for seed in SEEDS]))
def test_any_bytes_are_unfit_or_clean(content: bytes, head: bytes) -> None:
    """Behind the signature of each format."""
    clean(head + content)
    clean(content)


@settings(max_examples=2 * settings().max_examples, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_for_a_manifest_stay_as_long_or_go(store: bytes) -> None:
    """Whatever it says of its lengths."""
    assert len(without_pictures(store)) in (0, len(store))


@pytest.mark.parametrize(
    "content",
    [
        files.png()[:33] + files.chunk(b"IDAT", b"") * 1_700_000,
        b"\xff\xd8" + b"\xff" * 20_000_000,
        b"\xff\xd8" + files.segment(0xFE, b"") * 5_000_000,
        files.jpeg()[:-2] + b"\xff\0" * 10_000_000,
        files.riff(b"PRIV\0\0\0\0" * 2_500_000),
        files.gif()[:-1] + b"\x21\xfe" + b"\x01a" * 10_000_000,
        files.gif()[:-1] + b"\x21\xfe\0" * 6_600_000,
    ],
    ids=["chunks", "filling", "segments", "stuffing", "riff", "sub-blocks", "blocks"],
)
def test_a_file_of_small_parts_costs_no_more_than_a_large_one(content: bytes) -> None:
    """20 MB of them: at most a second and 2 MiB beside the file."""
    file, into = io.BytesIO(content), io.BytesIO()

    def refuse() -> None:
        with pytest.raises(OutputUnfit):
            cleaning.cleaned(file, into, validate=False)

    assert best_cpu_s(refuse) < 1
    tracemalloc.start()
    refuse()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2 * 1024 * 1024
