"""The flows in which pictures are looked at: an input, and what has cost a worker its life before (wariness.py).

A delivery that was lost makes its pictures be decoded alone; three make an input be refused, for nothing is paid yet,
and never an output, which is.
"""

from dataclasses import replace

from dev.simulation.schedules import End, Faced, Flow, Stage
from shared.core.requests.messages import PredictionEvent
from shared.worker.wariness import LOST_DELIVERIES


async def request_with_image(stage: Stage) -> Faced:
    """A request with a picture to start from: fetched, screened, stored, and sent as our own copy."""
    url = "https://pictures.example/lighthouse.png"
    stage.world.inputs.files[url] = b"a lighthouse"
    return Faced(replace(stage.request(), model="flux-dev", image_url=url))


async def request_lost_before(stage: Stage) -> Faced:
    """The same, after workers that had it died: another one, and its picture is not decoded any more."""
    return replace(await request_with_image(stage), lost=LOST_DELIVERIES - 1)


async def request_lost_often(stage: Stage) -> Faced:
    """The same, after so many of them that its picture is not decoded any more."""
    return replace(await request_with_image(stage), lost=LOST_DELIVERIES)


async def dead_letter_with_image(stage: Stage) -> Faced:
    """A dead letter, of which a delivery had stored the input before it died."""
    faced = await request_with_image(stage)
    await stage.world.blobs.put_input("ada/ada/one/stored.png", b"a lighthouse", "image/png")
    return replace(faced, dead=True)


async def webhook_with_image(stage: Stage) -> Faced:
    """The same, and there is an input that nobody needs any more."""
    faced = await request_with_image(stage)
    if faced.message is not None:
        await stage.hear(faced.message)
    return Faced(finished(stage))


async def webhook_lost_often(stage: Stage) -> Faced:
    """The same, and its outputs have cost workers their lives: they are paid for, and delivered."""
    return replace(await webhook_with_image(stage), lost=LOST_DELIVERIES)


async def webhook_with_leased_image(stage: Stage) -> Faced:
    """The same, and the input may not be deleted: it stays, and holds up nothing."""
    faced = await webhook_with_image(stage)
    stage.world.blobs.kept |= set(stage.world.blobs.inputs)
    return faced


def finished(stage: Stage) -> PredictionEvent:
    """The only prediction ends; returns the webhook's message."""
    stage.finish(stage.world.replicate.only_id)
    return finished_event(stage)


def finished_event(stage: Stage) -> PredictionEvent:
    """The webhook's message of the only prediction as it is now."""
    return stage.world.replicate.event(stage.world.replicate.only_id)


#: The ends that differ where there is an input.
_ENDS = (End.SUCCEEDED, End.CONTENT)

PICTURE_FLOWS: tuple[Flow, ...] = (
    Flow("request with an image", request_with_image, creates=True, ends=(End.SUCCEEDED, End.TRANSIENT)),
    Flow("request with an image, lost before", request_lost_before, creates=True, ends=(End.SUCCEEDED,)),
    Flow("request with an image, lost often", request_lost_often, ends=(End.SUCCEEDED,)),
    Flow("dead request with an image, unopened", dead_letter_with_image, ends=(End.SUCCEEDED,)),
    Flow("webhook, with an image", webhook_with_image, ends=_ENDS),
    Flow("webhook, with an image, lost often", webhook_lost_often, ends=_ENDS),
    Flow("webhook, with an image that is leased", webhook_with_leased_image, ends=_ENDS),
)
