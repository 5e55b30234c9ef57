"""train: a folder is packed, priced, sent, followed, and its weights are brought home."""

import asyncio
import hashlib
import io
import os
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dev.fakes.archives import WEIGHTS_TAR
from dev.fakes.images import BROKEN, NO_IMAGE
from shared.adapters.media.archives import SafeArchives
from shared.adapters.replicate.sdk.errors import NotFoundError
from shared.cli import training_folder
from shared.cli.context import Connected, RefusedError
from shared.core.keys import Key
from shared.core.training.contents import PICTURES
from tests.cli.counter import Called, Counter
from tests.worker.modalities import TRAINED_VERSION, WILLING

KEY = Key("ada", "t1")
STEPS = 300
#: What the model of the shipped catalogue costs for so many steps.
CREDITS = 3 * 35


@dataclass
class FakeReplicate:
    """The parts of Replicate's client library that ``train`` uses. ``models`` are (visibility, hardware) by name."""

    models: dict[str, tuple[str, str]] = field(default_factory=dict)
    logs: list[str] = field(default_factory=list)

    @property
    def api(self) -> Any:
        """Itself, by the library's names."""
        return SimpleNamespace(
            models=SimpleNamespace(get=self._get, create=self._create),
            hardware=SimpleNamespace(list=self._hardware),
            trainings=SimpleNamespace(get=self._training),
        )

    async def _get(self, name: str) -> str:
        if name not in self.models:
            raise NotFoundError("models.get", "there is no such model")
        return name

    async def _create(self, name: str, *, hardware: str, private: bool) -> None:
        self.models[name] = ("private" if private else "public", hardware)

    async def _hardware(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(sku="cpu"), SimpleNamespace(sku="gpu-l40s")]

    async def _training(self, training_id: str) -> SimpleNamespace:
        assert training_id
        return SimpleNamespace(logs=self.logs.pop(0) if self.logs else "")


class Trainer(Counter):
    """A counter in whose world trainings succeed while a command waits."""

    def __init__(self) -> None:
        super().__init__()
        self.connected = FakeReplicate({"me/lora": ("private", "cpu")})
        self.deps = replace(self.deps, policy=WILLING)
        self.operations.deps = self.deps
        self.operations.connected = cast("Connected", self.connected)
        self.looks = 2
        self.destinations.owners["me/lora"] = "ada"

    async def make(self) -> None:
        """Let a running training go on, and succeed at the third look."""
        for running in self.replicate.running:
            self.looks -= 1
            if self.looks < 0:
                self.replicate.train(running.prediction_id, WEIGHTS_TAR)
                await self.webhook(running.prediction_id)


@pytest.fixture
def trainer() -> Trainer:
    """Ada has 1,000 credits."""
    made = Trainer()
    asyncio.run(made.open_account(amount=1000))
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures, two captions, and what an operating system adds."""
    made = tmp_path / "faces"
    (made / "more").mkdir(parents=True)
    for name, content in {
        "b.jpg": b"sea",
        "a.png": b"sky",
        "more/c.webp": b"sand",
        "a.txt": b"ADA at sea",
        "more/c.txt": b"ADA on sand",
        ".DS_Store": b"?",
        "notes.md": b"notes",
    }.items():
        (made / name).write_bytes(content)
    return made


def call(trainer: Trainer, folder: Path, *argv: str, answer: str = "", said_yes: bool = True) -> Called:
    """Train on a folder."""
    fixed = ("--user", "ada", "--id", "t1", "--training-steps", str(STEPS), "--into", str(folder.parent / "out"))
    yes = ("--yes",) if said_yes else ()
    where = () if "--destination" in argv else ("--destination", "me/lora")
    return trainer.call("train", str(folder), *fixed, *where, *yes, *argv, answer=answer)


def nothing_happened(trainer: Trainer) -> None:
    """Nothing was uploaded, made, sent or held."""
    assert (trainer.blobs.uploads, trainer.messenger.sent) == ({}, [])
    assert list(trainer.connected.models) == ["me/lora"]
    assert trainer.balances() == (1000, 0, 0)


def test_weights_that_could_not_be_written_are_not_paid_for(trainer: Trainer, folder: Path) -> None:
    """The folder is made and tried before anything is sent; nobody is asked whose stdin is closed."""
    (folder.parent / "file").touch()
    called = call(trainer, folder, "--into", str(folder.parent / "file" / "out"))
    assert called.code == 1
    assert f"Nothing was sent: {folder.parent / 'file' / 'out'} cannot be written: Not a directory" in called.err
    nothing_happened(trainer)
    assert call(trainer, folder, said_yes=False, answer="").code == 1
    assert trainer.call("train", str(folder), "--user", "ada", "-d", "me/lora", answer=None).code == 1
    nothing_happened(trainer)


def test_a_folder_becomes_a_version_and_weights_at_home(trainer: Trainer, folder: Path) -> None:
    """It says what it packs and what it costs, follows the steps, and writes the weights."""
    bar = "train: {:3}%|#| {}/300 [00:01]"
    trainer.connected.logs = [bar.format(1, 3), bar.format(50, 150)]
    called = call(trainer, folder, "--trigger-word", "ADA")
    assert (called.code, called.err) == (0, "Left out, as neither a picture nor a caption: .DS_Store, notes.md\n")
    size = len(trainer.blobs.uploads["ada/ada/t1.zip"])
    assert f"3 pictures, 2 captions: {size} bytes when packed" in called.out
    assert f"flux-dev-lora-trainer: {CREDITS} credits at most, at Replicate no more than 21.96 USD" in called.out
    assert "step 3 of 300 (1 %)" in called.out
    assert "step 150 of 300 (50 %)" in called.out
    assert called.out.endswith(f"out/t1.tar\n{TRAINED_VERSION.replace('ada/', 'me/')}\n")
    assert (folder.parent / "out" / "t1.tar").read_bytes() == WEIGHTS_TAR
    assert trainer.balances() == (1000 - CREDITS, 0, CREDITS)
    ((_, sent),) = trainer.replicate.creates
    assert (sent.destination, sent.inputs["steps"], sent.inputs["trigger_word"]) == ("me/lora", STEPS, "ADA")


def test_the_same_files_are_the_same_archive(trainer: Trainer, folder: Path, tmp_path: Path) -> None:
    """In whatever order and whenever they were written; another library and the app's own reader read it."""
    assert call(trainer, folder).code == 0
    first = trainer.blobs.uploads["ada/ada/t1.zip"]
    copied = tmp_path / "copied"
    (copied / "more").mkdir(parents=True)
    for path in sorted(folder.rglob("*.*"), reverse=True):
        there = copied / path.relative_to(folder)
        there.write_bytes(path.read_bytes())
        os.utime(there, (1, 1))
    into = io.BytesIO()
    training_folder.pack(training_folder.read_folder(copied), into, lambda: None)
    assert hashlib.sha256(into.getvalue()).digest() == hashlib.sha256(first).digest()
    with zipfile.ZipFile(into) as archive:
        assert archive.namelist() == ["a.png", "a.txt", "b.jpg", "more/c.txt", "more/c.webp"]
    opened = asyncio.run(SafeArchives().open(into, io.BytesIO(), PICTURES))
    assert [entry.name for entry in opened.entries] == ["a.png", "a.txt", "b.jpg", "more/c.txt", "more/c.webp"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"d.jpg": NO_IMAGE}, ["d.jpg cannot be used. It is broken"]),
        ({"d.jpg": BROKEN, "e.png": BROKEN}, ["d.jpg cannot be used", "e.png cannot be used"]),
        ({"more/d.jpg": b"sea"}, ["more/d.jpg is the same picture as b.jpg"]),
        ({"d.txt": b"no picture"}, ["d.txt is the caption of no picture"]),
        ({"b.txt": b"\xff"}, ["b.txt cannot be used. It is no text in UTF-8"]),
        ({"b.txt": b"\x00"}, ["b.txt cannot be used. It has control characters"]),
        ({"B.JPG": b"other"}, ["is there twice"]),
    ],
)
def test_everything_wrong_is_named_before_anything_is_packed(
    trainer: Trainer, folder: Path, changed: dict[str, bytes], said: list[str]
) -> None:
    """Broken files, duplicates, captions of nothing: all of them at once."""
    for name, content in changed.items():
        (folder / name).write_bytes(content)
    called = call(trainer, folder)
    assert called.code == 1
    assert "Nothing was packed:" in called.err
    assert [each for each in said if each not in called.err] == []
    nothing_happened(trainer)


def test_an_archive_of_too_many_bytes_is_refused_with_what_to_leave_out(trainer: Trainer, folder: Path) -> None:
    """Known by the sizes alone; the largest first, and no more of them than needed."""
    for number in range(6):
        with (folder / f"large-{number}.png").open("wb") as file:
            file.truncate(18_000_000 + number)
    called = call(trainer, folder)
    assert called.code == 1
    assert "must have less than 100000000" in called.err
    assert "large-5.png (18000005 bytes)" in called.err
    assert "large-4.png" not in called.err
    nothing_happened(trainer)


def test_the_bound_is_exact(folder: Path) -> None:
    """99,999,999 bytes pass, and one more does not."""
    found = training_folder.read_folder(folder)
    room = training_folder.TOO_MANY_BYTES - found.packed_bytes
    first, *others = found.files
    for extra, passes in ((room - 1, True), (room, False)):
        entry = replace(first.entry, size_bytes=first.entry.size_bytes + extra)
        grown = replace(found, files=(replace(first, entry=entry), *others))
        if passes:
            training_folder.check_size(grown)
        else:
            with pytest.raises(RefusedError, match="leave them out"):
                training_folder.check_size(grown)


def test_a_link_is_not_followed(trainer: Trainer, folder: Path, tmp_path: Path) -> None:
    """It could lead to a file that nobody meant to send."""
    (tmp_path / "secret.png").write_bytes(b"secret")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    called = call(trainer, folder)
    assert called.code == 0
    assert "link.png" in called.err
    assert b"secret" not in trainer.blobs.uploads["ada/ada/t1.zip"]


def test_a_destination_that_is_not_there_is_made_if_asked(trainer: Trainer, folder: Path) -> None:
    """Private by default."""
    called = call(trainer, folder, "--destination", "me/new", "--create")
    assert called.code == 0
    assert "made me/new, private" in called.out
    assert trainer.connected.models["me/new"] == ("private", "gpu-l40s")
    assert trainer.destinations.owners["me/new"] == "ada"
    public = ("--destination", "me/open", "--create", "--public", "--hardware", "cpu", "--id", "t2")
    assert call(trainer, folder, *public).code == 0
    assert trainer.connected.models["me/open"] == ("public", "cpu")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--destination", "me/new"), "me/new does not exist at Replicate. --create makes it"),
        (("--destination", "me/new", "--create", "--hardware", "abacus"), "no hardware 'abacus'. It has cpu, gpu-l40s"),
        (("--max-credits", "5"), "OVER_LIMIT"),
        (("--model", "flux-dev"), "INVALID_REQUEST"),
    ],
)
def test_what_would_be_refused_is_refused_before_anything_is_made(
    trainer: Trainer, folder: Path, argv: tuple[str, ...], said: str
) -> None:
    """Nothing is uploaded, made or sent."""
    called = call(trainer, folder, *argv)
    assert called.code == 1
    assert said in called.err
    nothing_happened(trainer)


def test_it_asks_before_it_spends(trainer: Trainer, folder: Path) -> None:
    """The price is said before the question, and a no ends it."""
    called = call(trainer, folder, said_yes=False, answer="n\n")
    assert called.code == 1
    assert "credits at most" in called.out
    nothing_happened(trainer)
    assert call(trainer, folder, said_yes=False, answer="y\n").code == 0


def test_a_used_id_is_refused(trainer: Trainer, folder: Path) -> None:
    """It would be a request of that generation."""
    assert call(trainer, folder).code == 0
    called = call(trainer, folder)
    assert (called.code, "there is a generation t1 already" in called.err) == (1, True)


def test_weights_never_overwrite_a_file(trainer: Trainer, folder: Path) -> None:
    """The sentence says where they are kept."""
    (folder.parent / "out").mkdir()
    (folder.parent / "out" / "t1.tar").write_bytes(b"mine")
    called = call(trainer, folder)
    assert called.code == 1
    assert "The weights are kept: ada/ada/t1/1-0.tar" in called.err
    assert (folder.parent / "out" / "t1.tar").read_bytes() == b"mine"


def test_a_training_that_goes_on_continues(trainer: Trainer, folder: Path) -> None:
    """The command ends, and says how to look at it."""
    trainer.looks = 10_000
    called = call(trainer, folder, "--within", "60")
    assert called.code == 1
    assert "It continues: darkroom show t1 --user ada" in called.err
    assert trainer.replicate.running


def test_an_empty_folder_is_refused(trainer: Trainer, tmp_path: Path) -> None:
    """There is nothing to learn from."""
    empty = tmp_path / "empty"
    empty.mkdir()
    called = call(trainer, empty)
    assert (called.code, "There is no picture in it." in called.err) == (1, True)
    nothing_happened(trainer)


@pytest.mark.parametrize(
    ("name", "there", "says"),
    [
        ("advanced-trainer", False, "simpletuner/advanced-trainer is not at Replicate."),
        ("simpletuner/advanced-trainer-h100-x2", False, "simpletuner/advanced-trainer-h100-x2 is not at Replicate."),
        ("advanced-trainer-l40s", True, "simpletuner/advanced-trainer-l40s is at Replicate, and not offered here"),
    ],
)
def test_a_trainer_that_is_named_and_not_offered_is_looked_up(
    trainer: Trainer, folder: Path, name: str, there: bool, says: str
) -> None:
    """The refusal names the successor and what Replicate says now; nothing is sent."""
    if there:
        trainer.connected.models["simpletuner/advanced-trainer-l40s"] = ("public", "gpu-l40s")
    called = call(trainer, folder, "--model", name)
    assert called.code != 0
    assert says in called.err
    assert "flux-dev-lora-trainer" in called.err or "h100-x2" in name
    assert trainer.messenger.sent == []
    assert trainer.balances() == (1000, 0, 0)
