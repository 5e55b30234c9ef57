"""Screening of the archive that a training learns from, before anything is paid.

Rules of this file:
1. Every picture is cleaned and screened as an input image is, every caption as a text. A file's name is a caption for
   some trainers, so it is screened with the captions.
2. The model gets an archive that is packed here from exactly what was screened. So nobody can swap it afterwards, and
   nothing reaches a model that only the first archive had: comments, locations, thumbnails, what stands between files.
3. The policy may have a sample of the pictures screened. Each picture is decoded and cleaned all the same, and the
   record says ``sampled``.
4. One file is in memory at a time, and a few screener's copies. The archives are spooled.
5. If the screener fails half-way, the next try starts from the beginning.
"""

import hashlib
import io
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO, cast

from shared.core.dependency import Dependency
from shared.core.lifecycle.steps import LogStep
from shared.core.reasons import Reason, Refusal
from shared.core.requests.field_patterns import INPUT_PREFIX
from shared.core.requests.messages import GenerationRequest
from shared.core.safety.moderation import Assessment, evaluate, merged
from shared.core.training.contents import PICTURES, Entry, EntryKind, sampled, shown, wrong_pictures
from shared.core.training.packing import ZipPacker
from shared.core.values import replace
from shared.ports import Archive, ArchiveUnfit, Dependencies, OutputUnfit, PictureUnfit, Unavailable
from shared.worker.judging import FILE_MISSING, ScreenedRequest, judge
from shared.worker.naming import output_prefix

#: Pictures that are screened at once: each is at most 4 MB.
_AT_ONCE = 8

#: How long a look may take: a call of a function ends after five minutes.
_LOOK_S = 200

#: Captions are screened in groups of so many characters: the screener sends such a group in four parts at once.
_GROUP_CHARACTERS = 40_000

_NO_PICTURE = "It is broken, or no PNG, JPEG or WebP picture, whatever its name says."

_NOT_LOOKED_AT = Refusal(
    Reason.INPUT_INVALID,
    "The archive could not be read in three tries. Save its pictures again as PNG or JPEG, and send it with a new id.",
)


@dataclass(frozen=True, slots=True)
class _Look:
    """One look into an archive. ``packed`` takes the archive that the model gets."""

    deps: Dependencies
    message: GenerationRequest
    plan: str
    archive: Archive
    packed: BinaryIO
    started: datetime
    packer: ZipPacker = field(default_factory=ZipPacker)

    def of_kind(self, kind: EntryKind) -> list[Entry]:
        """The files of a kind, in the order of their names."""
        return [entry for entry in self.archive.entries if entry.kind is kind]

    def pack(self, name: str, content: bytes) -> None:
        """Add a file to the archive that the model gets."""
        self.packed.write(self.packer.entry(name, content))
        self.packed.write(content)


async def screen_archive(deps: Dependencies, message: GenerationRequest, plan: str) -> ScreenedRequest:
    """Screen the archive of a request, and store what the model gets. Raises Unavailable."""
    if deps.wary:
        deps.telemetry.step(LogStep.INPUT_NOT_LOOKED_AT, message.key)
        return ScreenedRequest(message, _NOT_LOOKED_AT)
    async with deps.outputs_at_once:
        with _spools(deps) as (file, spare, packed):
            try:
                if not await _fetch(deps, message, file):
                    return ScreenedRequest(message, FILE_MISSING)
                archive = await _open(deps, file, spare)
                return await _screen(_Look(deps, message, plan, archive, packed, deps.now()))
            except ArchiveUnfit as unfit:
                deps.telemetry.step(LogStep.INPUT_UNFIT, message.key)
                return ScreenedRequest(
                    message, Refusal(Reason.INPUT_INVALID, f"The archive cannot be used. {unfit.why}")
                )


@contextmanager
def _spools(deps: Dependencies) -> Iterator[tuple[BinaryIO, BinaryIO, BinaryIO]]:
    """Three files that are in memory while they are small."""
    most = deps.limits.buffer_bytes
    with (
        tempfile.SpooledTemporaryFile(most) as file,
        tempfile.SpooledTemporaryFile(most) as spare,
        tempfile.SpooledTemporaryFile(most) as packed,
    ):
        yield cast("BinaryIO", file), cast("BinaryIO", spare), cast("BinaryIO", packed)


async def _fetch(deps: Dependencies, message: GenerationRequest, file: BinaryIO) -> bool:
    """Copy the archive: the user's upload, or this generation's own copy if it is screened again."""
    name, most = message.input_file or "", deps.limits.upload_bytes
    bounded = cast("BinaryIO", _Bounded(file, most))
    own = f"{INPUT_PREFIX}{output_prefix(message.key)}"
    if name.startswith(own):
        return await deps.input_files.read_input(name.removeprefix(INPUT_PREFIX), bounded)
    return await deps.uploads.read_upload(name, bounded)


async def _open(deps: Dependencies, file: BinaryIO, spare: BinaryIO) -> Archive:
    """The archive, if its pictures and captions fit each other. Raises ArchiveUnfit."""
    archive = await deps.archives.open(file, spare, PICTURES)
    if why := wrong_pictures(archive.entries):
        raise ArchiveUnfit(why)
    return archive


class _Bounded:
    """Writes into a file up to a bound: the upload may have grown since it was weighed."""

    def __init__(self, file: BinaryIO, most_bytes: int) -> None:
        self._file = file
        self._left_bytes = most_bytes

    def write(self, chunk: bytes) -> int:
        """Write a chunk. Raises ArchiveUnfit beyond the bound."""
        self._left_bytes -= len(chunk)
        if self._left_bytes < 0:
            raise ArchiveUnfit("It is larger than an upload may be.")
        return self._file.write(chunk)


async def _screen(look: _Look) -> ScreenedRequest:
    texts = await _screen_texts(look)
    if texts.refusal is not None:
        return texts
    pictures = await _screen_pictures(look)
    records = (*texts.records, *pictures.records)
    if pictures.refusal is not None:
        return replace(pictures, records=records)
    look.packed.write(look.packer.end())
    stored = await _store(look)
    return ScreenedRequest(replace(look.message, input_file=f"{INPUT_PREFIX}{stored}"), None, records)


async def _store(look: _Look) -> str:
    """Store the archive that the model gets, by its content: another try that packs another one overwrites nothing."""
    deps, packed = look.deps, look.packed
    size_bytes = packed.seek(0, io.SEEK_END)
    if size_bytes > deps.limits.upload_bytes:
        raise ArchiveUnfit("It is larger than an upload may be.")
    packed.seek(0)
    digest = hashlib.sha256()
    while chunk := packed.read(256 * 1024):
        digest.update(chunk)
    packed.seek(0)
    name = f"{output_prefix(look.message.key)}{digest.hexdigest()[:32]}.zip"
    await deps.input_files.put_input_file(name, packed, "application/zip")
    deps.telemetry.step(LogStep.INPUT_STORED, look.message.key, bytes=size_bytes)
    return name


# Captions and names.


async def _screen_texts(look: _Look) -> ScreenedRequest:
    """Screen the captions with the names of all files, in groups."""
    captions = {entry.stem: _text(entry, await look.archive.read(entry)) for entry in look.of_kind(EntryKind.CAPTION)}
    for entry in look.of_kind(EntryKind.CAPTION):
        look.pack(entry.name, captions[entry.stem].encode())
    stems = dict.fromkeys(entry.stem for entry in look.archive.entries)
    written = [(stem, f"{stem}\n{captions.get(stem, '')}") for stem in stems]
    found: list[Assessment] = []
    for group in _groups(written):
        _check_time(look)
        assessment = await look.deps.screener.text(_joined(group), look.plan)
        found.append(assessment)
        if not evaluate(look.deps.policy, assessment, look.plan).allowed:
            return await _refused_text(look, group, assessment)
    text = _joined(written).encode()
    return ScreenedRequest(look.message, None, (judge(look.deps, "input captions", _all(found), text, look.plan)[1],))


def _text(entry: Entry, content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ArchiveUnfit(f"{shown(entry.name)} is no text in UTF-8.") from None
    if any(char < " " and char not in "\t\n\r" for char in text):
        raise ArchiveUnfit(f"{shown(entry.name)} has control characters.")
    return text


def _groups(written: Sequence[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    group: list[tuple[str, str]] = []
    characters = 0
    for stem, text in written:
        if group and characters + len(text) > _GROUP_CHARACTERS:
            yield group
            group, characters = [], 0
        group.append((stem, text))
        characters += len(text)
    yield group


def _joined(group: Sequence[tuple[str, str]]) -> str:
    return "\n\n".join(text for _, text in group)


async def _refused_text(look: _Look, group: Sequence[tuple[str, str]], found: Assessment) -> ScreenedRequest:
    """The refusal of a group. It names the caption in it that is refused by itself, if there is one."""
    while len(group) > 1:
        half = group[: len(group) // 2]
        for part in (half, group[len(half) :]):
            assessment = await look.deps.screener.text(_joined(part), look.plan)
            if not evaluate(look.deps.policy, assessment, look.plan).allowed:
                group, found = part, assessment
                break
        else:
            break  # only together they are refused
    verdict, kept = judge(look.deps, "input captions", found, _joined(group).encode(), look.plan)
    look.deps.telemetry.step(LogStep.INPUT_REFUSED, look.message.key, category=verdict.category or "unreadable")
    named = f"caption or name of {shown(group[0][0])} in the archive"
    subject = named if len(group) == 1 else f"text of the captions from {shown(group[0][0])} to {shown(group[-1][0])}"
    return ScreenedRequest(look.message, verdict.refusal(Reason.INPUT_REFUSED, subject), (kept,))


# Pictures.


async def _screen_pictures(look: _Look) -> ScreenedRequest:
    """Clean, pack and screen the pictures, a few at a time. Stops at the first that is refused."""
    deps, pictures = look.deps, look.of_kind(EntryKind.PICTURE)
    above = deps.policy.sample_pictures_above
    chosen = sampled(len(pictures), above, deps.new_seed() if 0 < above < len(pictures) else 0)
    found: list[Assessment] = []
    batch: list[tuple[Entry, bytes]] = []
    for number, entry in enumerate(pictures):
        _check_time(look)
        seen = await _cleaned(look, entry)
        if number in chosen:
            batch.append((entry, seen))
        if len(batch) == _AT_ONCE or (batch and number == len(pictures) - 1):
            refused = await _screen_batch(look, batch, found)
            if refused is not None:
                return refused
            batch = []
    sample = f"{len(chosen)} of {len(pictures)}" if len(chosen) < len(pictures) else ""
    deps.telemetry.step(LogStep.ARCHIVE_SCREENED, look.message.key, pictures=len(pictures), sampled=sample)
    kept = judge(deps, "input archive", _all(found), _directory(look), look.plan)[1]
    return ScreenedRequest(look.message, None, (replace(kept, sampled=sample),))


def _directory(look: _Look) -> bytes:
    """What identifies the archive that the model gets: names, sizes and checksums of its files."""
    return look.packer.end()


async def _cleaned(look: _Look, entry: Entry) -> bytes:
    """Clean and pack a picture; returns what the screener gets of it. Raises ArchiveUnfit, which names it."""
    file = io.BytesIO(await look.archive.read(entry))
    try:
        kept, seen = await _looked_at(look.deps, file)
    except OutputUnfit as unfit:
        why = unfit.why if isinstance(unfit, PictureUnfit) else _NO_PICTURE
        raise ArchiveUnfit(f"{shown(entry.name)} cannot be used. {why}") from None
    look.pack(entry.name, kept)
    return seen


async def _looked_at(deps: Dependencies, file: io.BytesIO) -> tuple[bytes, bytes]:
    """What is kept of a picture, and what the screener gets of it. Raises OutputUnfit."""
    clean = io.BytesIO()
    if (await deps.images.clean(file, clean)).dropped:
        file = clean
    picture = await deps.images.inspect(file)
    if picture is None:
        raise OutputUnfit(Refusal.of(Reason.INPUT_INVALID))
    return file.getvalue(), await deps.images.for_screening(file, picture)


async def _screen_batch(
    look: _Look, batch: Sequence[tuple[Entry, bytes]], found: list[Assessment]
) -> ScreenedRequest | None:
    """Screen a few pictures at once, and add what was found. Returns the refusal of the first that is refused."""
    assessments = await look.deps.screener.several([seen for _, seen in batch], look.plan)
    for (entry, seen), assessment in zip(batch, assessments, strict=True):
        if assessment is None:
            raise ArchiveUnfit(f"{shown(entry.name)} cannot be checked. Save it again as a PNG or JPEG.")
        found.append(assessment)
        if not evaluate(look.deps.policy, assessment, look.plan).allowed:
            return _refused_picture(look, entry, seen, assessment)
    return None


def _refused_picture(look: _Look, entry: Entry, seen: bytes, assessment: Assessment) -> ScreenedRequest:
    verdict, kept = judge(look.deps, "input archive", assessment, seen, look.plan)
    look.deps.telemetry.step(LogStep.INPUT_REFUSED, look.message.key, category=verdict.category or "unreadable")
    subject = f"picture {shown(entry.name)} in the archive"
    return ScreenedRequest(look.message, verdict.refusal(Reason.INPUT_REFUSED, subject), (kept,))


def _check_time(look: _Look) -> None:
    """Raise Unavailable if the look takes too long, so that it ends before its function call is ended."""
    if (look.deps.now() - look.started).total_seconds() > _LOOK_S:
        raise Unavailable(Dependency.CONTENT_SAFETY, "the archive was not screened in time")


def _all(found: Sequence[Assessment]) -> Assessment:
    """Several assessments as one: the highest severities, every topic, and whoever has looked or should have."""
    together = merged(found)
    return replace(
        together,
        screeners=tuple(dict.fromkeys(name for each in found for name in each.screeners)),
        unavailable=tuple(dict.fromkeys(name for each in found for name in each.unavailable)),
    )
