"""Outputs: fetched from Replicate, inspected, screened, stored. In this order, one at a time.

Rules of this file:
1. No output is in the user's container before it passed. Until then it is in memory, or in a temporary file when
   it is larger than the buffer.
2. What cannot be used (gone, too large, no picture) is left out and named; what cannot be had now is Unavailable.
3. The name says whose it is and which: ``{user_id}/{generation_id}/{attempt}-{index}.{extension}``.
"""

import tempfile
from typing import BinaryIO

from shared.core.attempt import Attempt, Delivery
from shared.core.generation import Generation
from shared.core.messages import Key, Output
from shared.core.moderation import judge
from shared.core.prediction import Prediction
from shared.core.reasons import Reason, Refusal
from shared.ports import House, OutputUnfit, Picture
from shared.worker.ending import output_prefix


async def deliver(house: House, generation: Generation, prediction: Prediction) -> Delivery:
    """Bring every output of a succeeded prediction home; says what was stored and what was not, and why."""
    attempt = generation.attempt
    if attempt is None:
        raise ValueError(f"generation {generation.key} has no attempt to deliver")
    stored: list[Output] = []
    refused: Refusal | None = None
    problem: Refusal | None = None
    refused_outputs = 0
    # No more than was asked for: only that much is held.
    for index, uri in enumerate(prediction.outputs[: attempt.outputs]):
        try:
            with house.telemetry.span("deliver output", generation.key):
                brought = await _bring(house, generation.key, attempt, index, uri)
        except OutputUnfit as unfit:
            problem = unfit.refusal
            house.telemetry.step("output_unfit", generation.key, index=index, reason=unfit.refusal.reason)
            continue
        if isinstance(brought, Refusal):
            refused, refused_outputs = brought, refused_outputs + 1
        else:
            stored.append(brought)
    return Delivery(outputs=tuple(stored), refused=refused, refused_outputs=refused_outputs, problem=problem)


async def _bring(house: House, key: Key, attempt: Attempt, index: int, uri: str) -> Output | Refusal:
    # The file is memory up to buffer_bytes and a temporary file beyond, so that many at once stay small.
    with tempfile.SpooledTemporaryFile(max_size=house.limits.buffer_bytes) as spool:
        size_bytes = 0
        async with house.provider.fetch(uri, house.limits.output_bytes) as chunks:
            async for chunk in chunks:
                spool.write(chunk)
                size_bytes += len(chunk)
        file: BinaryIO = spool  # type: ignore[assignment]  # a spooled file is one in all but name
        picture = await _inspected(house, file)
        judgement = judge(house.policy, await house.screener.image(await house.images.for_screening(file, picture)))
        verdict = "passed" if judgement.allowed else "refused"
        house.telemetry.step("output_screened", key, index=index, verdict=verdict)
        if not judgement.allowed:
            category = judgement.category or "unreadable"
            house.telemetry.step("output_refused", key, index=index, category=category)
            # An earlier try may have passed and stored it before it died: what is refused now goes.
            await house.blobs.discard_outputs(f"{output_prefix(key)}{attempt.number}-{index}.")
            return judgement.refusal(Reason.OUTPUT_REFUSED)
        name = f"{output_prefix(key)}{attempt.number}-{index}.{picture.extension}"
        metadata = {"generation_id": key.generation_id, "model": attempt.model, "seed": str(attempt.seed)}
        file.seek(0)
        container = await house.blobs.put_output(name, file, picture.content_type, metadata)
    house.telemetry.step("output_stored", key, index=index, bytes=size_bytes)
    return Output(
        container=container,
        name=name,
        content_type=picture.content_type,
        size_bytes=size_bytes,
        width=picture.width,
        height=picture.height,
    )


async def _inspected(house: House, file: BinaryIO) -> Picture:
    file.seek(0)
    picture = await house.images.inspect(file)
    if picture is None:
        raise OutputUnfit(Refusal.of(Reason.OUTPUT_INVALID))
    file.seek(0)
    return picture
