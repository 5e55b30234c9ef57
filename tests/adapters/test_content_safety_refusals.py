"""What Content Safety will not analyse: an answer about the picture, or trouble that passes."""

import json

import pytest
from aiohttp import web

from shared.adapters.content_safety import PICTURES_TAKEN
from shared.core.reasons import Reason, Refusal
from shared.ports import OutputUnfit, Unavailable
from tests.adapters.test_content_safety import analysis, on

pytestmark = pytest.mark.process


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "InvalidRequestBody"),
        (400, "InvalidImage"),
        (400, "InvalidImageFormat"),
        (400, "InvalidImageSize"),
        (400, "NotSupportedImage"),
        (400, "BadRequest"),
        (400, ""),
        (413, "RequestEntityTooLarge"),
        (413, ""),
        (415, "UnsupportedMediaType"),
    ],
)
async def test_an_image_that_the_service_will_not_take_is_unfit(status: int, code: str) -> None:
    """It would be refused in an hour as well, when the output is gone; the sentence names what it takes."""
    async with on(*[refused(status, code)] * 2) as (screener, server):
        with pytest.raises(OutputUnfit) as raised:
            await screener.image(b"x")
        with pytest.raises(Unavailable):
            await screener.text("x")
    assert raised.value.refusal == Refusal(Reason.OUTPUT_INVALID, PICTURES_TAKEN)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "InvalidApiVersionParameter"),
        (400, "UnsupportedApiVersion"),
        (400, "FeatureNotSupported"),
        (401, "PermissionDenied"),
        (403, "QuotaExceeded"),
        (404, "ResourceNotFound"),
        (408, "Timeout"),
        (429, "TooManyRequests"),
        (500, "InternalError"),
        (503, "ServerBusy"),
    ],
)
async def test_what_is_not_about_the_image_is_trouble(status: int, code: str) -> None:
    """A setting of ours, the rate, or the service itself: no output is lost for it."""
    async with on(refused(status, code)) as (screener, _):
        with pytest.raises(Unavailable, match=f"answered {status}"):
            await screener.image(b"x")


def refused(status: int, code: str) -> web.Response:
    """The service's answer where it will not analyse."""
    body = json.dumps({"error": {"code": code, "message": "no"}} if code else {}).encode()
    return web.Response(status=status, body=body, headers={"Content-Type": "application/json"})


@pytest.mark.parametrize(
    ("status", "hint", "retry_after_s"),
    [
        (429, "1", 1),
        (429, "7", 7),
        (429, "soon", None),
        (500, "", None),
        (503, "", None),
        (401, "", None),
        (400, "", None),
    ],
)
async def test_an_error_is_unavailable_with_its_hint(status: int, hint: str, retry_after_s: float | None) -> None:
    """The error has the status, and not the service's text."""
    headers = {"Retry_After": hint} if hint else {}
    async with on(analysis("my secret prompt", status=status, **headers)) as (screener, server):
        with pytest.raises(Unavailable, match=f"answered {status}") as raised:
            await screener.text("my secret prompt")
    assert raised.value.retry_after_s == retry_after_s
    assert len(server.requests) == 1
    assert "secret" not in str(raised.value)
