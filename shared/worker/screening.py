"""Looking: at what a user asks for, before anything is paid; at what a model made, before anything is shown.

Rules of this file:
1. Each look leaves a record, whatever came of it, and the record is saved with the generation.
2. An input image is fetched once, and what was screened is what the model gets: the request goes on with a reference
   to our own copy, never with the user's address, so that nobody can swap the picture afterwards.
3. A reference becomes an address that a model can read at the moment of the create, and is not written down.
"""

import hashlib
import io
from dataclasses import dataclass, replace
from typing import BinaryIO

from shared.core.attempt import Attempt
from shared.core.catalog import Quote, takes_image
from shared.core.credits import Plan
from shared.core.generation import Transition
from shared.core.messages import GenerationRequest
from shared.core.moderation import Judgement, Verdict, judge, keyed_digest, may_be_offered
from shared.core.prediction import CreateRefused, NotCreated
from shared.core.reasons import Reason, Refusal
from shared.core.record import Record, record
from shared.ports import House, OutputUnfit, Unavailable
from shared.worker.ending import INPUT_PREFIX, output_prefix

#: Replicate fetches an input when the prediction starts, which ``Cancel-After`` bounds; clocks may differ by this.
_ADDRESS_SLACK_S = 900

#: How long a create waits whose input cannot be read now.
_INPUT_RETRY_S = 10.0


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of a request: the message to go on with, why it is refused (None: it is not), and the records."""

    message: GenerationRequest
    refusal: Refusal | None
    records: tuple[Record, ...] = ()


async def look_at_request(house: House, message: GenerationRequest, quoted: Quote, plan: Plan) -> Looked:
    """Screen what the user wrote and the image that was given; store the image where the model will get it."""
    models = [house.catalog.models[name] for name in quoted.chain]
    if not all(may_be_offered(house.policy, model.modality) for model in models):
        return Looked(message, Refusal.of(Reason.NOT_SCREENED))
    texts = "\n\n".join(text for text in (message.prompt, message.negative_prompt) if text)
    with house.telemetry.span("screen prompt", message.key):
        verdict = await house.screener.text(texts, plan)
    judgement, kept = judged(house, "prompt", verdict, texts.encode(), plan)
    if not judgement.allowed:
        house.telemetry.step("prompt_refused", message.key, category=judgement.category or "unreadable")
        return Looked(message, judgement.refusal(Reason.PROMPT_REFUSED), (kept,))
    house.telemetry.step("prompt_allowed", message.key)
    if message.image_url is None or not any(takes_image(model, message) for model in models):
        return Looked(message, None, (kept,))
    looked = await _look_at_input(house, message, message.image_url, plan)
    return replace(looked, records=(kept, *looked.records))


async def _look_at_input(house: House, message: GenerationRequest, url: str, plan: Plan) -> Looked:
    with house.telemetry.span("fetch input", message.key):
        content = await house.inputs.get(url)
    if isinstance(content, Refusal):
        house.telemetry.step("input_unfit", message.key)
        return Looked(message, content)
    file: BinaryIO = io.BytesIO(content)
    try:
        picture = await house.images.inspect(file)
        shown = await house.images.for_screening(file, picture) if picture else b""
        verdict = await house.screener.image(shown, plan) if picture else None
    except OutputUnfit:
        picture, verdict = None, None
    if picture is None or verdict is None:
        house.telemetry.step("input_unfit", message.key)
        return Looked(message, Refusal.of(Reason.INPUT_INVALID))
    judgement, kept = judged(house, "input image", verdict, content, plan)
    if not judgement.allowed:
        house.telemetry.step("input_refused", message.key, category=judgement.category or "unreadable")
        return Looked(message, judgement.refusal(Reason.INPUT_REFUSED), (kept,))
    # Named by its content: a second try that fetches another picture cannot take the place of the one that passed.
    name = f"{output_prefix(message.key)}{hashlib.sha256(content).hexdigest()[:32]}.{picture.extension}"
    await house.blobs.put_input(name, content, picture.content_type)
    house.telemetry.step("input_stored", message.key, bytes=len(content))
    return Looked(replace(message, image_url=f"{INPUT_PREFIX}{name}"), None, (kept,))


def judged(house: House, subject: str, verdict: Verdict, content: bytes, plan: Plan) -> tuple[Judgement, Record]:
    """What the policy says to a verdict, and the record of it; of ``content`` the record has a keyed digest only.

    ``content`` is empty for an output that has a name of its own.
    """
    judgement = judge(house.policy, verdict, plan)
    digest = keyed_digest(house.digest_key, content) if content else ""
    kept = record(subject, verdict, judgement, policy=house.policy, plan=plan, digest=digest, now=house.now())
    return judgement, kept


def recorded(transition: Transition | None, records: tuple[Record, ...]) -> Transition | None:
    """The same step, with the records of what was screened for it: they are saved together."""
    if transition is None or not records:
        return transition
    verdicts = (*transition.generation.verdicts, *records)
    return replace(transition, generation=replace(transition.generation, verdicts=verdicts))


async def readable(house: House, attempt: Attempt) -> Attempt | NotCreated | CreateRefused:
    """The attempt as it is sent: with an address that the model can read in place of each reference to an input.

    An image that is no reference of ours was never screened, and is not sent.
    """
    model = house.catalog.models.get(attempt.model)
    images = [name for name, item in model.inputs.items() if item.kind == "image"] if model else []
    addresses: dict[str, str] = {}
    for name in images:
        value = attempt.inputs.get(name)
        if value is None:
            continue
        if not isinstance(value, str) or not value.startswith(INPUT_PREFIX):
            return CreateRefused(Reason.INPUT_INVALID, Refusal.of(Reason.INPUT_INVALID).text)
        life_s = attempt.cancel_after_s + _ADDRESS_SLACK_S
        blob = value.removeprefix(INPUT_PREFIX)
        try:
            address = await house.blobs.input_address(blob, life_s, house.limits.inline_bytes)
        except Unavailable as trouble:
            return NotCreated(f"{trouble.neighbour} unavailable", trouble.retry_after_s or _INPUT_RETRY_S)
        if address is None:
            return CreateRefused(Reason.INPUT_INVALID, Refusal.of(Reason.INPUT_INVALID).text)
        addresses[name] = address
    return replace(attempt, inputs={**attempt.inputs, **addresses}) if addresses else attempt
