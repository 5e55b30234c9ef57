"""Manifests of provenance: validated before a picture is cleaned, and kept without the pictures in them."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from shared.adapters.media.images import cleaning
from shared.adapters.media.images.manifests import MOST_LEVELS, without_pictures
from shared.ports import Cleaned
from tests.adapters import container_files as files
from tests.adapters.signed import signed

PLAIN = {"image/png": files.png, "image/jpeg": files.jpeg, "image/webp": files.webp, "image/gif": files.gif}


def cleaned(content: bytes, *, validate: bool = True) -> tuple[bytes, Cleaned]:
    """What goes on of a picture, and what was said of it."""
    into = io.BytesIO()
    said = cleaning.cleaned(io.BytesIO(content), into, validate=validate)
    return into.getvalue(), said


@pytest.mark.parametrize("content_type", PLAIN)
def test_a_manifest_is_validated_and_taken_out(content_type: str) -> None:
    """What is left are the picture's own bytes; the manifest is there, whole."""
    plain = PLAIN[content_type]()
    clean, said = cleaned(signed(plain, content_type))
    assert said.provenance == "valid"
    assert "provenance" in said.dropped
    assert clean[6:] == plain[6:]  # but for the version of a GIF, which it has made a newer one
    assert said.manifest[4:8] == b"jumb"
    assert b"trainedAlgorithmicMedia" in said.manifest


@pytest.mark.parametrize("content_type", PLAIN)
def test_the_pictures_in_a_manifest_are_made_zeros(content_type: str) -> None:
    """Nobody screened them. All else of it stays, at its place."""
    _, said = cleaned(signed(PLAIN[content_type](), content_type, thumbnail=True))
    assert said.provenance == "valid"
    for mark in (b"\xff\xd8\xff", b"\x89PNG", b"WEBPVP8", b"GIF8"):
        assert mark not in said.manifest
    assert b"c2pa.thumbnail.claim" in said.manifest
    assert b"trainedAlgorithmicMedia" in said.manifest
    assert said.manifest.count(bytes(200)) > 0
    assert without_pictures(said.manifest) == said.manifest


def test_a_picture_that_was_changed_has_a_manifest_that_says_so() -> None:
    """The record names the specification's own code."""
    content = signed(files.jpeg(), "image/jpeg")
    at = content.index(b"\xff\xdb") + 10
    _, said = cleaned(content[:at] + bytes((content[at] ^ 1,)) + content[at + 1 :])
    assert said.provenance == "invalid: assertion.dataHash.mismatch"
    assert said.manifest


def test_a_broken_manifest_is_unreadable_and_not_kept() -> None:
    """The picture is taken all the same."""
    content = files.with_chunks(files.png(), b"IDAT", files.chunk(b"caBX", b"\0\0\xff\xffjumb"))
    clean, said = cleaned(content)
    assert clean == files.png()
    assert (said.provenance, said.manifest) == ("unreadable", b"")


def test_a_manifest_beyond_the_bound_is_not_looked_at() -> None:
    """It is dropped, and the record says why."""
    content = files.with_chunks(files.png(), b"IDAT", files.chunk(b"caBX", bytes(5 * 1024 * 1024)))
    clean, said = cleaned(content)
    assert clean == files.png()
    assert (said.provenance, said.manifest) == ("too large", b"")


def test_boxes_within_boxes_have_a_bound() -> None:
    """However deep a stranger nests them."""
    store = b"\0\0\0\x0cjson{}{}"
    for _ in range(MOST_LEVELS):
        store = (len(store) + 8).to_bytes(4, "big") + b"jumb" + store
    assert without_pictures(store) == store
    for _ in range(3000):
        store = (len(store) + 8).to_bytes(4, "big") + b"jumb" + store
    assert without_pictures(store) == b""


def test_the_manifest_of_an_input_is_dropped_unread() -> None:
    """It says nothing of what was made here."""
    clean, said = cleaned(signed(files.png(), "image/png"), validate=False)
    assert clean == files.png()
    assert (said.provenance, said.manifest) == ("", b"")


@pytest.mark.process
def test_what_has_no_manifest_loads_nothing_for_one() -> None:
    """The library costs 90 ms and 40 MiB."""
    program = (
        "import io, sys; from shared.adapters.media.images import cleaning;"
        "cleaning.cleaned(io.BytesIO(sys.stdin.buffer.read()), io.BytesIO(), validate=True);"
        "print('c2pa' in sys.modules)"
    )
    for content, loads in ((files.png_with_everything(), False), (signed(files.png(), "image/png"), True)):
        command = [sys.executable, "-c", program]
        run = subprocess.run(command, input=content, capture_output=True, check=True, cwd=Path(__file__).parents[2])
        assert run.stdout.strip() == str(loads).encode()
