"""Outputs: fetched from the provider, inspected, screened and stored, in this order, one at a time.

Rules of this file:
1. No output is in the user's container before it has passed screening. Until then it is in memory, or in a temporary
   file if it is larger than the buffer.
2. An output that is unfit (gone, too large, no picture) is left out, and the reason is kept. An output that cannot be
   fetched now raises Unavailable.
3. An output's blob name says whose it is and which:
   ``{account_id}/{user_id}/{generation_id}/{attempt}-{index}.{extension}``.
4. A video, a sound and trained weights cannot be screened. Their verdict says so, and they pass only if the policy
   allows that. Weights are known by their own header: what may run a program when it is loaded is not stored.
5. A text is stored as UTF-8; a short one is in the event too. A training's version is in the event and its weights are
   stored. Without weights the version is stored as JSON, so that nothing that was paid for is lost.
6. A worker holds few outputs at a time (``outputs_at_once``), however many messages it processes.
7. Of a picture only what a viewer needs is kept, and exactly that is screened and stored. A provenance manifest is
   validated before it is removed, and the record of the output has the result. The manifest is stored beside the
   output, as ``{attempt}-{index}.c2pa``, without the pictures in it, because nobody screened those.
8. An output that ends early by its own container format was truncated. It is fetched again for most of its hour, and
   is unfit after that.
9. A black picture is the model's refusal if the catalogue says that the model's safety checker answers with black.
"""

import asyncio
import hashlib
import io
import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import BinaryIO, assert_never, cast

from shared.core.dependency import dependency_of
from shared.core.events.generation_event import Output
from shared.core.keys import Key
from shared.core.lifecycle.attempt import Attempt, Delivery
from shared.core.lifecycle.generation import Generation
from shared.core.lifecycle.steps import LogStep
from shared.core.modality import Modality
from shared.core.provider.file_types import HEAD_BYTES, media_of
from shared.core.provider.outputs import files_of, is_address, text_of, version_of
from shared.core.provider.prediction import Prediction
from shared.core.reasons import Reason, Refusal
from shared.core.safety.moderation import Assessment, Partial, unscreened
from shared.core.safety.screening_record import ScreeningRecord
from shared.core.values import replace
from shared.ports import ArchiveUnfit, Cleaned, CutShort, Dependencies, OutputUnfit, Picture, Unavailable
from shared.worker.judging import judge
from shared.worker.naming import output_prefix
from shared.worker.patience import awaited
from shared.worker.spooled_output import SpooledOutput
from shared.worker.wholeness import ends_early, shows_pictures

#: The longest text in an event: a Service Bus message has at most 256 KB, and the generation's row holds less.
INLINE_CHARACTERS = 4000

#: A digest of so many bytes takes a few milliseconds; it is reckoned where it is needed, in chunks.
_INLINE_DIGEST_BYTES, _CHUNK_BYTES = 4 * 1024 * 1024, 256 * 1024

#: A file of no known kind: it has no end that could be missing.
_UNKNOWN = ("application/octet-stream", "bin")

#: A picture that is black all over is compressed to less than this, so no larger file is decoded to check for it.
_BLACK_BYTES_PER_PIXEL = 0.05


@dataclass(frozen=True, slots=True)
class _Task:
    """One delivery: the generation, its attempt and prediction, the plan, and the screening records so far."""

    deps: Dependencies
    key: Key
    attempt: Attempt
    prediction: Prediction
    plan: str
    records: list[ScreeningRecord] = field(default_factory=list)

    @property
    def most_bytes(self) -> int:
        """The largest size of an output that is accepted."""
        return self.attempt.output_bytes or self.deps.limits.output_bytes

    def stem(self, index: int) -> str:
        """The blob name of an output up to its extension, with the dot."""
        return f"{output_prefix(self.key)}{self.attempt.number}-{index}."


async def deliver(deps: Dependencies, generation: Generation, prediction: Prediction) -> Delivery:
    """Fetch, screen and store every output of a succeeded prediction. Returns what was stored, and why others were not.

    Raises Unavailable if an output cannot be fetched or screened now.
    """
    attempt = generation.attempt
    task = _Task(deps, generation.key, attempt, prediction, generation.plan)
    stored: list[Output] = []
    refused: Refusal | None = None
    problem: Refusal | None = None
    refused_outputs = 0
    for index, output in enumerate(_outputs(attempt, prediction)):
        try:
            async with deps.outputs_at_once:
                with deps.telemetry.span("deliver output", generation.key):
                    delivered = await _deliver_one(task, index, output)
        except OutputUnfit as unfit:
            if isinstance(unfit, CutShort) and _may_be_whole_yet(task, output):
                raise Unavailable(dependency_of(attempt.provider), "an output ended early") from None
            problem = unfit.refusal
            refused_outputs += unfit.refusal.reason is Reason.CONTENT_REFUSED
            deps.telemetry.step(LogStep.OUTPUT_UNFIT, generation.key, index=index, reason=unfit.refusal.reason)
            continue
        if isinstance(delivered, Refusal):
            refused, refused_outputs = delivered, refused_outputs + 1
        else:
            stored.append(delivered)
    if refused is not None and deps.policy.partial_outputs is Partial.REFUSE_ALL:
        # ``end()`` deletes these outputs, as it deletes everything that was not paid for.
        refused_outputs, stored = refused_outputs + len(stored), []
    return Delivery(
        outputs=tuple(stored),
        refused=refused,
        refused_outputs=refused_outputs,
        problem=problem,
        screenings=tuple(task.records),
    )


def _outputs(attempt: Attempt, prediction: Prediction) -> tuple[str, ...]:
    """The outputs to deliver: no more than were requested, because credits are held for no more."""
    files = files_of(prediction.outputs, prediction.labels, attempt.modality)
    match attempt.modality:
        case Modality.TEXT:  # a text comes in parts
            return (text_of(prediction.outputs, prediction.labels),)
        case Modality.TRAINING:
            return files[:1] or prediction.outputs[:1]
        case Modality.IMAGE | Modality.VIDEO | Modality.AUDIO:
            return files[: attempt.outputs]
        case _:
            assert_never(attempt.modality)


def _may_be_whole_yet(task: _Task, output: str) -> bool:
    """Whether a truncated output may be whole when it is fetched again. A data URI in the message will not be.

    The wait is shorter than the life of outputs: the other outputs of the prediction must still be there after it.
    """
    ended = task.prediction.completed_at or task.attempt.submitted_at
    waits = timedelta(seconds=task.deps.timing.output_life_s * 5 // 6)
    return output[:5].lower() != "data:" and task.deps.now() < ended + waits


@dataclass(frozen=True, slots=True)
class _Inspected:
    """One output after inspection and screening.

    ``text`` is the text of a text output; its digest is recorded. ``event_text`` is the text that the event carries.
    ``cleaned`` says what was removed from a picture, and ``file`` has what was kept.
    """

    picture: Picture
    assessment: Assessment
    file: BinaryIO
    text: str = ""
    event_text: str = ""
    cleaned: Cleaned = field(default_factory=Cleaned)


async def _deliver_one(task: _Task, index: int, output: str) -> Output | Refusal:
    most_bytes = task.deps.limits.buffer_bytes
    with SpooledOutput(most_bytes) as received, SpooledOutput(most_bytes) as clean:
        seen = await _inspect(task, index, output, received, clean)
        verdict, kept = judge(
            task.deps, f"output {task.attempt.number}.{index}", seen.assessment, seen.text.encode(), task.plan
        )
        task.records.append(replace(kept, provenance=seen.cleaned.provenance))
        outcome = "passed" if verdict.allowed else "refused"
        task.deps.telemetry.step(LogStep.OUTPUT_SCREENED, task.key, index=index, verdict=outcome)
        if verdict.allowed:
            return await _store(task, index, seen)
        category = verdict.category or "unreadable"
        task.deps.telemetry.step(LogStep.OUTPUT_REFUSED, task.key, index=index, category=category)
        await _quarantine(task, index, seen, category)
        return verdict.refusal(Reason.OUTPUT_REFUSED)


async def _inspect(task: _Task, index: int, output: str, received: SpooledOutput, clean: SpooledOutput) -> _Inspected:
    """Fetch an output into ``received``, inspect and screen it. ``clean`` takes what is kept of a picture."""
    modality = task.attempt.modality
    file = cast("BinaryIO", received)
    match modality:
        case Modality.TEXT:
            return await _inspect_text(task, output, file)
        case Modality.TRAINING:
            return await _inspect_training(task, output, file)
        case Modality.IMAGE:
            await _fetch(task, output, file)
            return await _inspect_image(task, index, received, clean)
        case Modality.VIDEO | Modality.AUDIO:
            await _fetch(task, output, file)
            return _inspect_other(modality, file)
        case _:
            assert_never(modality)


async def _fetch(task: _Task, uri: str, file: BinaryIO) -> None:
    awaits = awaited(task.deps, task.key, task.attempt, task.prediction)
    async with awaits, task.deps.providers[task.attempt.provider].fetch(uri, task.most_bytes) as chunks:
        async for chunk in chunks:
            file.write(chunk)


async def _inspect_image(task: _Task, index: int, received: SpooledOutput, clean: SpooledOutput) -> _Inspected:
    images, file = task.deps.images, cast("BinaryIO", received)
    cleaned = await images.clean(file, cast("BinaryIO", clean), validate=True)
    if cleaned.dropped:
        received.truncate(0)
        file = cast("BinaryIO", clean)
        task.deps.telemetry.step(LogStep.OUTPUT_CLEANED, task.key, index=index, dropped=", ".join(cleaned.dropped))
    file.seek(0)
    picture = await images.inspect(file)
    if picture is None:
        raise OutputUnfit(Refusal.of(Reason.OUTPUT_INVALID))
    model = task.deps.catalog.models.get(task.attempt.entry)
    if model is not None and model.black_is_refusal and await _is_black(task, picture, file):
        raise OutputUnfit(Refusal.of(Reason.CONTENT_REFUSED))
    file.seek(0)
    shown = await images.for_screening(file, picture)
    return _Inspected(picture, await task.deps.screener.image(shown, task.plan), file, cleaned=cleaned)


async def _is_black(task: _Task, picture: Picture, file: BinaryIO) -> bool:
    most_bytes = picture.width * picture.height * _BLACK_BYTES_PER_PIXEL
    return file.seek(0, io.SEEK_END) < most_bytes and await task.deps.images.is_black(file, picture)


async def _inspect_text(task: _Task, text: str, file: BinaryIO) -> _Inspected:
    content = text.encode()
    if not text.strip() or len(content) > task.most_bytes:
        raise OutputUnfit(Refusal.of(Reason.OUTPUT_INVALID))
    file.write(content)
    assessment = await task.deps.screener.text(text, task.plan)
    event_text = text if len(text) <= INLINE_CHARACTERS else ""
    return _Inspected(Picture("text/plain; charset=utf-8", "txt", 0, 0), assessment, file, text, event_text)


async def _inspect_training(task: _Task, output: str, file: BinaryIO) -> _Inspected:
    version = version_of(task.prediction.outputs, task.prediction.labels)
    kind = await _fetch_weights(task, output, file, needed=not version) if is_address(output) else None
    if kind is None:
        file.write(json.dumps({"version": version}).encode())
        kind = ("application/json", "json")
    return _Inspected(Picture(*kind, 0, 0), unscreened("training"), file, event_text=version[:INLINE_CHARACTERS])


async def _fetch_weights(task: _Task, uri: str, file: BinaryIO, *, needed: bool) -> tuple[str, str] | None:
    """Fetch a training's weights. Returns their content type and extension.

    Returns None, with ``file`` empty, if the weights are unfit and not ``needed`` because there is a version.
    """
    try:
        await _fetch(task, uri, file)
        _check_whole(file, _kind(file, "training") or _UNKNOWN)
        with SpooledOutput(task.deps.limits.buffer_bytes) as spare:
            kind = await task.deps.archives.weights(file, cast("BinaryIO", spare))
    except OutputUnfit as unfit:
        if isinstance(unfit, ArchiveUnfit):
            task.deps.telemetry.step(LogStep.WEIGHTS_REFUSED, task.key)
        if needed or (isinstance(unfit, CutShort) and _may_be_whole_yet(task, uri)):
            raise
        file.seek(0)
        file.truncate()
        return None
    return kind


def _inspect_other(modality: Modality, file: BinaryIO) -> _Inspected:
    kind = _kind(file, modality)
    if kind is None:
        refusal = Refusal.of(Reason.OUTPUT_INVALID)
        raise OutputUnfit(refusal) if file.seek(0, io.SEEK_END) else CutShort(refusal)
    _check_whole(file, kind)
    if modality is Modality.AUDIO and shows_pictures(kind[0], file):
        # A policy that lets sounds pass unscreened does not let videos pass.
        raise OutputUnfit(Refusal.of(Reason.OUTPUT_INVALID))
    return _Inspected(Picture(*kind, 0, 0), unscreened(modality), file)


def _kind(file: BinaryIO, modality: str) -> tuple[str, str] | None:
    file.seek(0)
    return media_of(file.read(HEAD_BYTES), modality)


def _check_whole(file: BinaryIO, kind: tuple[str, str]) -> None:
    if ends_early(*kind, file):
        raise CutShort(Refusal.of(Reason.OUTPUT_INVALID))


async def _store(task: _Task, index: int, seen: _Inspected) -> Output:
    picture, file = seen.picture, seen.file
    name = f"{task.stem(index)}{picture.extension}"
    metadata = {
        "generation_id": task.key.generation_id,
        "model": task.attempt.model,
        "seed": str(task.attempt.seed),
    }
    if seen.cleaned.manifest:
        manifest = io.BytesIO(seen.cleaned.manifest)
        await task.deps.outputs.put_output(f"{task.stem(index)}c2pa", manifest, "application/c2pa", metadata)
    size_bytes = file.seek(0, io.SEEK_END)
    sha256 = await _digest(file, size_bytes)
    file.seek(0)
    container = await task.deps.outputs.put_output(name, file, picture.content_type, metadata)
    task.deps.telemetry.step(LogStep.OUTPUT_STORED, task.key, index=index, bytes=size_bytes)
    return Output(
        container=container,
        name=name,
        content_type=picture.content_type,
        size_bytes=size_bytes,
        width=picture.width,
        height=picture.height,
        text=seen.event_text,
        sha256=sha256,
    )


async def _digest(file: BinaryIO, size_bytes: int) -> str:
    """SHA-256 of the bytes that are stored. Of a large file in a thread, because it takes as long as a download."""
    file.seek(0)
    if size_bytes <= _INLINE_DIGEST_BYTES:
        return _sha256(file)
    return await asyncio.to_thread(_sha256, file)


def _sha256(file: BinaryIO) -> str:
    total, read = hashlib.sha256(), getattr(file, "read1", file.read)  # a file of chunks returns them uncopied
    while chunk := read(_CHUNK_BYTES):
        total.update(chunk)
    return total.hexdigest()


async def _quarantine(task: _Task, index: int, seen: _Inspected, category: str) -> None:
    """Quarantine a refused output for an appeal, if the operator keeps refused outputs, and delete a stored copy."""
    # An earlier try may have stored it and crashed: delete that copy, because the output is refused now.
    await task.deps.outputs.discard_outputs(task.stem(index))
    if task.deps.limits.quarantine_days:
        picture, file = seen.picture, seen.file
        file.seek(0)
        metadata = {"generation_id": task.key.generation_id, "category": category}
        await task.deps.quarantine.put_refused(
            f"{task.stem(index)}{picture.extension}", file, picture.content_type, metadata
        )
