"""The flows with screened pictures: an input, and pictures that may have killed a worker before (wariness.py).

After one lost delivery, its pictures are decoded one at a time. After three, an input is refused, because nothing is
paid yet. An output is never refused for this reason, because it is paid.
"""

from dataclasses import replace

from dev.simulation.cases import End
from dev.simulation.schedules import Faced, Flow, Stage
from shared.core.requests.digest import digest_of
from shared.core.requests.messages import GenerationRequest, PredictionEvent
from shared.worker.wariness import LOST_DELIVERIES


async def request_with_image(stage: Stage) -> Faced:
    """A request with an input picture: it is fetched, screened, stored, and sent as our copy."""
    url = "https://pictures.example/lighthouse.png"
    stage.world.inputs.files[url] = b"a lighthouse"
    asked = replace(stage.request(), model="flux-dev", image_url=url)
    return Faced(replace(asked, digest=digest_of(asked)))


async def request_with_image_clashing(stage: Stage) -> Faced:
    """The same, and what overtakes it under its id has other content: it is refused, and its picture is not kept."""
    faced = await request_with_image(stage)
    assert isinstance(faced.message, GenerationRequest)
    return replace(faced, message=replace(faced.message, digest=stage.request().digest))


async def request_lost_before(stage: Stage) -> Faced:
    """The same, after lost deliveries. After one more, the picture is refused without decoding."""
    return replace(await request_with_image(stage), lost=LOST_DELIVERIES - 1)


async def request_lost_often(stage: Stage) -> Faced:
    """The same, after so many lost deliveries that the picture is refused without decoding."""
    return replace(await request_with_image(stage), lost=LOST_DELIVERIES)


async def dead_letter_with_image(stage: Stage) -> Faced:
    """A dead letter: an earlier delivery had stored the input before it crashed."""
    faced = await request_with_image(stage)
    await stage.world.blobs.put_input("ada/ada/one/stored.png", b"a lighthouse", "image/png")
    return replace(faced, dead=True)


async def webhook_with_image(stage: Stage) -> Faced:
    """The same, and the stored input is not needed any more."""
    faced = await request_with_image(stage)
    if faced.message is not None:
        await stage.hear(faced.message)
    return Faced(finished(stage))


async def webhook_lost_often(stage: Stage) -> Faced:
    """The same, after deliveries that were lost with its outputs. They are paid, so they are delivered."""
    return replace(await webhook_with_image(stage), lost=LOST_DELIVERIES)


async def webhook_with_leased_image(stage: Stage) -> Faced:
    """The same, but a lease prevents deleting the input. It stays, and the end is not delayed."""
    faced = await webhook_with_image(stage)
    stage.world.blobs.kept |= set(stage.world.blobs.inputs)
    return faced


def finished(stage: Stage) -> PredictionEvent:
    """End the only prediction; returns the webhook's message."""
    stage.finish(stage.world.replicate.only_id)
    return finished_event(stage)


def finished_event(stage: Stage) -> PredictionEvent:
    """Returns the webhook's message for the current state of the only prediction."""
    return stage.world.replicate.event(stage.world.replicate.only_id)


#: The ends that make a difference for an input.
_ENDS = (End.SUCCEEDED, End.CONTENT)

PICTURE_FLOWS: tuple[Flow, ...] = (
    Flow("request with an image", request_with_image, creates=True, ends=(End.SUCCEEDED, End.TRANSIENT)),
    Flow("request with an image, clashing", request_with_image_clashing, creates=True, ends=(End.SUCCEEDED,)),
    Flow("request with an image, lost before", request_lost_before, creates=True, ends=(End.SUCCEEDED,)),
    Flow("request with an image, lost often", request_lost_often, ends=(End.SUCCEEDED,)),
    Flow("dead request with an image, unopened", dead_letter_with_image, ends=(End.SUCCEEDED,)),
    Flow("webhook, with an image", webhook_with_image, ends=_ENDS),
    Flow("webhook, with an image, lost often", webhook_lost_often, ends=_ENDS),
    Flow("webhook, with an image that is leased", webhook_with_leased_image, ends=_ENDS),
)
