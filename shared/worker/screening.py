"""Screening of what a user asks for, before anything is paid; and the records of every screening.

Rules of this file:
1. Each screening makes a record, whatever its verdict. The record is saved with the generation.
2. An input image is fetched once, and the model gets what was screened. The request continues with a reference to the
   app's own copy, never with the user's URL, so that nobody can swap the picture afterwards. Only what a viewer needs
   of the picture is sent to a model: no location, no thumbnail, no text, nothing behind its end.
3. A reference is resolved to a URL for the model when the create is sent. The URL is not saved.
4. An uploaded sound cannot be screened. Only models whose modality the policy lets pass unscreened may read it. A
   training's archive is opened and screened (archives.py), and the model gets what was screened. Existence and size of
   a file are checked before anything is paid.
5. Weights that a model loads beside its own are a version of the account, or come from a host that the policy lists.
6. A training's destination belongs to the account that pays. Any other one is refused, whether it exists or not.
"""

import hashlib
import io
import tempfile
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import BinaryIO, TypeVar

from shared.core.catalog.catalog import Model
from shared.core.catalog.choosing import Quote
from shared.core.catalog.mapping import file_kinds, kinds, pictures_taken
from shared.core.catalog.settable import loosening, picture_names
from shared.core.catalog.sizes import Value
from shared.core.lifecycle.attempt import Attempt
from shared.core.lifecycle.generation import Closed, Generation, Received, Transition
from shared.core.lifecycle.steps import LogStep
from shared.core.modality import InputKind
from shared.core.provider.prediction import CreateRefused, DeferReason, NotCreated
from shared.core.reasons import Reason, Refusal
from shared.core.requests.field_patterns import INPUT_PREFIX
from shared.core.requests.messages import GenerationRequest
from shared.core.safety.moderation import (
    UNSCREENED_INPUTS,
    Assessment,
    may_be_offered,
    not_loosened,
    not_screened,
    unscreened,
)
from shared.core.safety.screening_record import ScreeningRecord
from shared.core.training.versions import unfit_weights
from shared.core.values import replace
from shared.ports import Dependencies, OutputUnfit, Picture, PictureUnfit, Unavailable
from shared.worker.judging import FILE_MISSING, ScreenedRequest, judge
from shared.worker.naming import handed_name, output_prefix
from shared.worker.wariness import NOT_LOOKED_AT

#: A URL lives this long beyond ``Cancel-After``: Replicate fetches an input when the prediction starts, and clocks
#: may differ.
_ADDRESS_SLACK_S = 900

#: How long a create waits if its input cannot be read now.
_INPUT_RETRY_S = 10.0


_PICTURE_UNFIT = (
    "The input image could not be used. Check that its address leads to one PNG, JPEG, WebP or GIF picture that is "
    "complete and not animated."
)

#: The same whether there is such a model, whose it is, or neither: no account learns of another's.
_NO_DESTINATION = Refusal(
    Reason.INVALID_REQUEST,
    "The destination is not known. A training needs one that was made for its account, or given to it.",
)


#: The same for another account's version and for a host that is not listed.
_NO_WEIGHTS = Refusal(
    Reason.INVALID_REQUEST,
    "lora_weights is not known. It must be a version that your account has trained, or on a host of the policy.",
)


async def screen_request(deps: Dependencies, message: GenerationRequest, quoted: Quote, plan: str) -> ScreenedRequest:
    """Screen the user's texts and the input image, and store the image for the model.

    Raises Unavailable if a screener, the image's host or the storage is.
    """
    models = [deps.catalog.models[name] for name in quoted.chain]
    if (refusal := await _not_taken(deps, message, models)) is not None:
        return ScreenedRequest(message, refusal)
    pictures = frozenset(name for model in models for name in picture_names(model))
    records: tuple[ScreeningRecord, ...] = ()
    if kinds := {kind for model in models for kind in file_kinds(model, message)}:
        copied = InputKind.ARCHIVE in kinds and (message.input_file or "").startswith(INPUT_PREFIX)
        unfit = None if copied else await _check_upload_size(deps, message.input_file or "")
        if unfit is not None:
            return ScreenedRequest(message, unfit)
        heard = sorted(kinds & UNSCREENED_INPUTS.keys())
        records = tuple(_record_unscreened(deps, message, kind, plan) for kind in heard)
    texts = await _screen_texts(deps, message, plan, pictures)
    records += texts.records
    if texts.refusal is not None:
        return replace(texts, records=records)
    if InputKind.ARCHIVE in kinds:
        from shared.worker.archives import screen_archive  # noqa: PLC0415  # most apps never see an archive

        opened = await screen_archive(deps, message, plan)
        records, message = (*records, *opened.records), opened.message
        if opened.refusal is not None:
            return replace(opened, records=records)
    seen = await _screen_pictures(deps, message, models, plan)
    return replace(seen, records=(*records, *seen.records))


async def _screen_pictures(
    deps: Dependencies, message: GenerationRequest, models: Sequence[Model], plan: str
) -> ScreenedRequest:
    """Screen each picture that one of the models takes, and store it. Ends with the first that is refused."""
    pictures = frozenset(name for model in models for name in picture_names(model))
    records: tuple[ScreeningRecord, ...] = ()
    for address in dict.fromkeys(address for model in models for address in pictures_taken(model, message)):
        seen = await _screen_input(deps, message, address, plan, pictures)
        records += seen.records
        if seen.refusal is not None:
            return replace(seen, records=records)
        message = seen.message
    return ScreenedRequest(message, None, records)


async def _not_taken(deps: Dependencies, message: GenerationRequest, models: Sequence[Model]) -> Refusal | None:
    """Why a request is refused before anything of it is screened. None: it is not."""
    if not all(may_be_offered(deps.policy, model.modality, file_kinds(model, message)) for model in models):
        return not_screened(deps.policy, models[0].modality)
    if message.destination is not None and not await _owns(deps, message, message.destination):
        return _NO_DESTINATION
    if unfit_weights(message, deps.own_version, deps.policy.lora_hosts):
        return _NO_WEIGHTS
    return not_loosened(deps.policy, [name for model in models for name in loosening(model, message.inputs)])


async def _owns(deps: Dependencies, message: GenerationRequest, destination: str) -> bool:
    """Whether a destination belongs to the account of a request. To any other account it is unknown."""
    return await deps.destinations.owner(destination) == message.key.account_id


def _record_unscreened(deps: Dependencies, message: GenerationRequest, kind: InputKind, plan: str) -> ScreeningRecord:
    """The record of an upload that the policy lets pass unscreened. Its digest is of its name, not of its content."""
    assessment = unscreened(UNSCREENED_INPUTS[kind])
    return judge(deps, "input file", assessment, (message.input_file or "").encode(), plan)[1]


async def _screen_texts(
    deps: Dependencies, message: GenerationRequest, plan: str, pictures: Collection[str]
) -> ScreenedRequest:
    """Screen all texts of the user as one: two harmless fields may be harmful together.

    ``pictures`` are the ``inputs`` whose addresses are fetched, so that what is there is screened.
    """
    texts = "\n\n".join(message.texts_beside(pictures))
    if not texts:
        return ScreenedRequest(message, None)
    with deps.telemetry.span("screen prompt", message.key):
        assessment = await deps.screener.text(texts, plan)
    verdict, kept = judge(deps, "prompt", assessment, texts.encode(), plan)
    if not verdict.allowed:
        category = verdict.category or "unreadable"
        deps.telemetry.step(LogStep.PROMPT_REFUSED, message.key, category=category, characters=len(texts))
        return ScreenedRequest(message, verdict.refusal(Reason.PROMPT_REFUSED), (kept,))
    deps.telemetry.step(LogStep.PROMPT_ALLOWED, message.key, characters=len(texts))
    return ScreenedRequest(message, None, (kept,))


async def _check_upload_size(deps: Dependencies, name: str) -> Refusal | None:
    """Check that an upload exists and is not too large. Returns the refusal, or None if it may be used."""
    size_bytes = await deps.uploads.upload_size(name)
    if size_bytes is None:
        return FILE_MISSING
    most = deps.limits.upload_bytes
    if not 0 < size_bytes <= most:
        return Refusal(Reason.INPUT_INVALID, f"The input file must have from 1 byte to {most // 1024**2} MiB.")
    return None


async def _screen_input(
    deps: Dependencies, message: GenerationRequest, url: str, plan: str, pictures: Collection[str]
) -> ScreenedRequest:
    if deps.wary:
        deps.telemetry.step(LogStep.INPUT_NOT_LOOKED_AT, message.key)
        return ScreenedRequest(message, NOT_LOOKED_AT)
    with deps.telemetry.span("fetch input", message.key):
        content = await _input_of(deps, message, url)
    if isinstance(content, Refusal):
        deps.telemetry.step(LogStep.INPUT_UNFIT, message.key)
        place = message.place_of(url)
        return ScreenedRequest(message, replace(content, text=content.text.replace("image_url", place, 1)))
    try:
        content, picture, assessment = await _clean_and_screen(deps, content, plan)
    except OutputUnfit as unfit:
        deps.telemetry.step(LogStep.INPUT_UNFIT, message.key)
        why = f"The input image cannot be used. {unfit.why}" if isinstance(unfit, PictureUnfit) else _PICTURE_UNFIT
        return ScreenedRequest(message, Refusal(Reason.INPUT_INVALID, why))
    verdict, kept = judge(deps, "input image", assessment, content, plan)
    if not verdict.allowed:
        deps.telemetry.step(LogStep.INPUT_REFUSED, message.key, category=verdict.category or "unreadable")
        return ScreenedRequest(message, verdict.refusal(Reason.INPUT_REFUSED), (kept,))
    # The name is made from the content, so a second try that fetches another picture cannot overwrite this one.
    name = f"{output_prefix(message.key)}{hashlib.sha256(content).hexdigest()[:32]}.{picture.extension}"
    await deps.input_files.put_input(name, content, picture.content_type)
    deps.telemetry.step(LogStep.INPUT_STORED, message.key, bytes=len(content))
    return ScreenedRequest(message.with_picture(url, f"{INPUT_PREFIX}{name}", pictures), None, (kept,))


async def _input_of(deps: Dependencies, message: GenerationRequest, url: str) -> bytes | Refusal:
    """The input image: fetched from the user's address, or this generation's own copy if it is screened again."""
    if not url.startswith(f"{INPUT_PREFIX}{output_prefix(message.key)}"):
        return await deps.inputs.get(url)
    copied = io.BytesIO()
    found = await deps.input_files.read_input(url.removeprefix(INPUT_PREFIX), copied)
    return copied.getvalue() if found else Refusal.of(Reason.INPUT_INVALID)


async def _clean_and_screen(deps: Dependencies, content: bytes, plan: str) -> tuple[bytes, Picture, Assessment]:
    """Clean and screen an input image: the bytes that are kept, their picture data, and the assessment.

    Raises OutputUnfit if it is no usable picture.
    """
    file, clean = io.BytesIO(content), io.BytesIO()
    if (await deps.images.clean(file, clean)).dropped:
        file, content = clean, clean.getvalue()
    picture = await deps.images.inspect(file)
    if picture is None:
        raise OutputUnfit(Refusal.of(Reason.INPUT_INVALID))
    shown = await deps.images.for_screening(file, picture)
    return content, picture, await deps.screener.image(shown, plan)


Screened = TypeVar("Screened", bound=Received | Generation | Closed)


def with_records(transition: Transition[Screened], records: tuple[ScreeningRecord, ...]) -> Transition[Screened]:
    """The same transition with the screening records added, so that both are saved together."""
    if not records:
        return transition
    screenings = (*transition.generation.screenings, *records)
    return replace(transition, generation=replace(transition.generation, screenings=screenings))


async def with_input_urls(deps: Dependencies, attempt: Attempt) -> Attempt | NotCreated | CreateRefused:
    """The attempt as it is sent: each reference to an input is replaced by a URL that the model can read.

    An image that is not a reference of ours was never screened, so it makes a CreateRefused. So does a missing input.
    An input that cannot be read now makes a NotCreated.
    """
    model = deps.catalog.models.get(attempt.entry)
    sent = dict(attempt.inputs)
    try:
        for name, kind in kinds(model).items() if model else ():
            if (kind.is_picture or kind.is_file) and name in sent:
                value = sent[name]
                if isinstance(value, list):
                    sent[name] = [await _resolve_address(deps, attempt, kind, each) for each in value]
                else:
                    sent[name] = await _resolve_address(deps, attempt, kind, value)
    except Unavailable as trouble:
        return NotCreated(DeferReason.unavailable(trouble.dependency), trouble.retry_after_s or _INPUT_RETRY_S)
    except OutputUnfit as gone:
        return CreateRefused(gone.refusal.reason, gone.refusal.text)
    return replace(attempt, inputs=sent)


async def _resolve_address(deps: Dependencies, attempt: Attempt, kind: InputKind, value: Value) -> str:
    """The URL where a model reads one input. Raises OutputUnfit if it is gone, or was never screened."""
    named = str(value)
    life_s = attempt.cancel_after_s + _ADDRESS_SLACK_S
    address: str | None = None
    if kind is InputKind.AUDIO:
        address = await _sound_address(deps, attempt, named, life_s)
    elif named.startswith(INPUT_PREFIX):
        blob = named.removeprefix(INPUT_PREFIX)
        if kind is InputKind.ARCHIVE:
            address = await _upload_to_provider(deps, attempt, blob, deps.input_files.read_input)
        else:
            address = await deps.input_files.input_address(blob, life_s, deps.limits.inline_bytes)
        if (
            deps.limits.hand_files_over
            and kind is not InputKind.ARCHIVE
            and address
            and not address.startswith("data:")
        ):
            address = await _upload_to_provider(deps, attempt, blob, deps.input_files.read_input)
    if address is None:
        raise OutputUnfit(FILE_MISSING if kind.is_file else Refusal.of(Reason.INPUT_INVALID))
    return address


async def _sound_address(deps: Dependencies, attempt: Attempt, name: str, life_s: int) -> str | None:
    if deps.limits.hand_files_over:
        return await _upload_to_provider(deps, attempt, name, deps.uploads.read_upload)
    return await deps.uploads.upload_address(name, life_s)


async def _upload_to_provider(
    deps: Dependencies, attempt: Attempt, name: str, read: Callable[[str, BinaryIO], Awaitable[bool]]
) -> str | None:
    """Upload a file to the provider's own file store. Returns its URL there, or None if there is no such file.

    An archive is always uploaded, because a training may wait longer than a URL of ours lives. Other files are
    uploaded if the storage account has no public endpoint, because the provider cannot read URLs of ours then.
    """
    with tempfile.SpooledTemporaryFile(max_size=deps.limits.buffer_bytes) as spool:
        file: BinaryIO = spool  # type: ignore[assignment]  # it has every method of a BinaryIO, but not the type
        if not await read(name, file):
            return None
        file.seek(0)
        return await deps.providers[attempt.provider].upload(handed_name(name), file)
