"""A simulator of Azure AI Content Safety on loopback, for azure-ai-contentsafety 1.0.

    python -m replicate_simulator.content_safety [--port 0] [--key KEY] [--exit-with-stdin]

    POST   /contentsafety/text:analyze    severities from a short list of words
    POST   /contentsafety/image:analyze   severities from the square that markers.py draws
    POST   /_sim/faults   {"kind": ..., "times": 1, "on": "text" | "image" | null, ...}; times -1: until cleared
    GET    /_sim/faults   the faults that are still to happen
    DELETE /_sim/faults   removes them
    GET    /_sim/stats    the counts of requests and answers

Rules: the limits are the documented ones (10,000 characters; 4 MB; 50 to 7,200 pixels), and a request beyond them is
400 with the service's error body. The SDK repeats a request that was answered 429 or 503 up to three times, so a fault
that its caller is to see needs more `times`. Texts and pictures are neither kept nor logged.
"""

import argparse
import asyncio
import base64
import binascii
import io
import re
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web
from PIL import Image

from replicate_simulator.markers import find_markers
from replicate_simulator.serving import serve
from replicate_simulator.unspoken import log_to_stderr, not_spoken, refused

CATEGORIES: Final = ("Hate", "SelfHarm", "Sexual", "Violence")
#: Words, and phrases, that stand for harm of a category and a severity.
WORDS: Final[Mapping[str, Mapping[str, int]]] = {
    "Hate": {"stereotype": 2, "bigotry": 4, "hate speech": 6},
    "SelfHarm": {"self neglect": 2, "self harm": 4, "suicide": 6},
    "Sexual": {"lingerie": 2, "nude": 4, "explicit sex": 6},
    "Violence": {"fistfight": 2, "bloody": 4, "gore": 6},
}
_API_VERSIONS: Final = frozenset({"2023-10-01", "2024-09-01"})
_TEXT_CHARACTERS: Final = 10_000
_IMAGE_BYTES: Final = 4 * 1024 * 1024
_SIDE_PIXELS: Final = range(50, 7200 + 1)
_FORMATS: Final = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP")
# An image over the limit has to arrive before it can be refused.
_BODY_BYTES: Final = 32 * 1024 * 1024
#: Where a caller with a wrong path finds what is spoken.
_PLACES: Final = "text:analyze and image:analyze are spoken, under /contentsafety"
#: What a body may have of the service's, for which the simulator has no answer.
_UNSPOKEN: Final[Mapping[str, str]] = {
    "blocklistNames": "it has no blocklists",
    "outputType": "it knows the four severities 0, 2, 4 and 6 alone",
    "image.blobUrl": "there is no storage that it could read; send the picture as image.content",
}

#: The faults and their parameters. `keep_name` leaves the category in the answer, without its severity.
FAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "down": {},
    "slow": {"seconds": 2.0},
    "throttled": {"seconds": 1},
    "garbage": {},
    "missing_category": {"category": "Violence", "keep_name": False},
}


@dataclass(eq=False)
class RefusedError(Exception):
    """A request is refused, in the shape of the service's errors."""

    status: int
    code: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        """Returns the HTTP answer."""
        error = {"error": {"code": self.code, "message": self.message, "details": []}}
        return web.json_response(error, status=self.status, headers=self.headers)


@dataclass(slots=True)
class Fault:
    """One fault: `times` is how often it is still to happen, -1 for ever; `on` is text, image or None for both."""

    kind: str
    times: int
    on: str | None
    params: Mapping[str, Any]

    def shown(self) -> dict[str, Any]:
        """Returns the fault as JSON, in the form in which it is given."""
        return {"kind": self.kind, "times": self.times, "on": self.on, **self.params}


@dataclass(slots=True)
class Service:
    """The state of one simulator."""

    key: str
    faults: list[Fault] = field(default_factory=list)
    requests: Counter[str] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)

    def take_fault(self, what: str) -> Fault | None:
        """Uses up the oldest fault that means this kind of request."""
        for fault in self.faults:
            if fault.on in {None, what}:
                if fault.times > 0:
                    fault.times -= 1
                if fault.times == 0:
                    self.faults.remove(fault)
                return fault
        return None


SERVICE: Final = web.AppKey("service", Service)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(key: str) -> web.Application:
    """Returns the application; `key` is what Ocp-Apim-Subscription-Key has to be."""
    app = web.Application(middlewares=[_errors], client_max_size=_BODY_BYTES)
    app[SERVICE] = Service(key)
    app.add_routes(
        [
            web.post("/contentsafety/text:analyze", analyze_text),
            web.post("/contentsafety/image:analyze", analyze_image),
            web.post("/_sim/faults", add_fault),
            web.get("/_sim/faults", list_faults),
            web.delete("/_sim/faults", clear_faults),
            web.get("/_sim/stats", stats),
        ]
    )
    return app


async def analyze_text(request: web.Request) -> web.Response:
    """Answers with the severities of a text."""
    return await _analyze(request, "text", _text_severities)


async def analyze_image(request: web.Request) -> web.Response:
    """Answers with the severities of an image."""
    return await _analyze(request, "image", _image_severities)


def severities_of_text(text: str) -> dict[str, int]:
    """Returns the highest severity per category of the words in a text; a category without any is left out."""
    found: dict[str, int] = {}
    plain = text.lower().replace("-", " ")
    for category, words in WORDS.items():
        for word, severity in words.items():
            if re.search(rf"\b{word}\b", plain):
                found[category] = max(severity, found.get(category, 0))
    return found


def severities_of_image(content: bytes) -> dict[str, int]:
    """Returns the severities of an encoded image's markers.

    Raises:
        RefusedError: 400, the image breaks a limit or cannot be read.
    """
    if len(content) > _IMAGE_BYTES:
        raise _bad_request("The image is larger than 4 MB.")
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
            if not all(side in _SIDE_PIXELS for side in picture.size):
                raise _bad_request("The image size must be between 50 x 50 and 7200 x 7200 pixels.")
            return find_markers(picture)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        # Pillow says SyntaxError of a broken PNG.
        raise _bad_request("The image cannot be decoded.") from None


async def _analyze(
    request: web.Request, what: str, severities: Callable[[Mapping[str, Any]], Awaitable[Mapping[str, int]]]
) -> web.Response:
    service = request.app[SERVICE]
    service.requests[what] += 1
    _check_access(request, service.key)
    fault = service.take_fault(what)
    if fault is not None and (answer := await _disturb(fault)) is not None:
        return answer
    body = await _json(request)
    _check_spoken(body)
    categories = body.get("categories") or CATEGORIES
    if not isinstance(categories, list | tuple) or any(each not in CATEGORIES for each in categories):
        raise _bad_request("The categories are not known.")
    found = await severities(body)
    analysis = [{"category": category, "severity": found.get(category, 0)} for category in categories]
    if fault is not None and fault.kind == "missing_category":
        analysis = _with_gap(analysis, fault)
    extra: dict[str, Any] = {"blocklistsMatch": []} if what == "text" else {}
    return web.json_response({**extra, "categoriesAnalysis": analysis})


def _check_spoken(body: Mapping[str, Any]) -> None:
    """Refuses a field that the simulator would ignore, because the caller would take that for an answer."""
    image = body.get("image")
    asked = {
        "blocklistNames": bool(body.get("blocklistNames")),
        "outputType": body.get("outputType") not in {None, "FourSeverityLevels"},
        "image.blobUrl": isinstance(image, dict) and image.get("blobUrl") is not None,
    }
    for name, is_asked in asked.items():
        if is_asked:
            raise _bad_request(not_spoken(name, _UNSPOKEN[name]))


async def _disturb(fault: Fault) -> web.Response | None:
    """Does what a fault does before the analysis; returns the answer that takes the analysis' place, or None."""
    match fault.kind:
        case "down":
            raise RefusedError(503, "ServerBusy", "The server cannot process the request temporarily.")
        case "throttled":
            wait = {"Retry-After": str(int(fault.params["seconds"]))}
            raise RefusedError(429, "TooManyRequests", "The requests-per-second exceed the quota.", wait)
        case "slow":
            await asyncio.sleep(fault.params["seconds"])
        case "garbage":
            return web.Response(body=b'{"categoriesAnalysis": [{"cat', content_type="application/json")
        case _:
            pass  # missing_category comes after the analysis
    return None


def _with_gap(analysis: list[dict[str, Any]], fault: Fault) -> list[dict[str, Any]]:
    missing = fault.params["category"]
    kept = [each for each in analysis if each["category"] != missing]
    return [*kept, {"category": missing}] if fault.params["keep_name"] else kept


async def _text_severities(body: Mapping[str, Any]) -> Mapping[str, int]:
    text = body.get("text")
    if not isinstance(text, str) or not text:
        raise _bad_request("The field text is missing or empty.")
    if len(text) > _TEXT_CHARACTERS:
        raise _bad_request("The text is longer than 10000 characters.")
    return severities_of_text(text)


async def _image_severities(body: Mapping[str, Any]) -> Mapping[str, int]:
    image = body.get("image")
    encoded = image.get("content") if isinstance(image, dict) else None
    if not isinstance(encoded, str):
        raise _bad_request("The field image.content is missing.")
    try:
        content = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise _bad_request("The field image.content is not base64.") from None
    # Decoding takes milliseconds; other requests need not wait for it.
    return await asyncio.to_thread(severities_of_image, content)


def _check_access(request: web.Request, key: str) -> None:
    if request.headers.get("Ocp-Apim-Subscription-Key") != key:
        raise RefusedError(
            401,
            "401",
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for "
            "an active subscription and use a correct regional API endpoint for your resource.",
        )
    if request.query.get("api-version") not in _API_VERSIONS:
        raise RefusedError(404, "404", "Resource not found")


def _bad_request(message: str) -> RefusedError:
    return RefusedError(400, "InvalidRequestBody", message)


async def _json(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except (ValueError, RecursionError):
        raise _bad_request("The body is not JSON.") from None
    if not isinstance(body, dict):
        raise _bad_request("The body is not a JSON object.")
    return body


async def add_fault(request: web.Request) -> web.Response:
    """Adds a fault."""
    fault = _read_fault(await _json(request))
    request.app[SERVICE].faults.append(fault)
    return web.json_response(fault.shown(), status=201)


async def list_faults(request: web.Request) -> web.Response:
    """Returns the faults that are still to happen."""
    return web.json_response([fault.shown() for fault in request.app[SERVICE].faults])


async def clear_faults(request: web.Request) -> web.Response:
    """Removes all faults."""
    request.app[SERVICE].faults.clear()
    return web.Response(status=204)


async def stats(request: web.Request) -> web.Response:
    """Returns the counters."""
    service = request.app[SERVICE]
    answers = {str(status): count for status, count in service.answers.items()}
    return web.json_response({"requests": dict(service.requests), "answers": answers})


def _read_fault(given: Mapping[str, Any]) -> Fault:
    kind, times, on = given.get("kind"), given.get("times", 1), given.get("on")
    if not isinstance(kind, str) or kind not in FAULTS:
        raise _bad_request(f"kind is one of {', '.join(FAULTS)}")
    if type(times) is not int or times == 0 or times < -1 or on not in (None, "text", "image"):
        raise _bad_request("times is a positive number or -1, on is text, image or null")
    params = dict(FAULTS[kind])
    for name in given.keys() - {"kind", "times", "on"}:
        if name not in params or not _fits(name, given[name]):
            raise _bad_request(f"{kind} does not know this {name}")
        params[name] = given[name]
    return Fault(kind, times, on, params)


def _fits(name: str, value: object) -> bool:
    if name == "category":
        return value in CATEGORIES
    if name == "keep_name":
        return isinstance(value, bool)
    return isinstance(value, int | float) and value >= 0


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns a refusal into its answer, and counts the answers by status."""
    response: web.StreamResponse
    if (missing := request.match_info.http_exception) is not None:
        response = RefusedError(missing.status, str(missing.status), refused(request, _PLACES)).response()
    else:
        try:
            response = await handler(request)
        except RefusedError as error:
            response = error.response()
    if not request.path.startswith("/_sim/"):
        request.app[SERVICE].answers[response.status] += 1
    return response


def main() -> None:
    """Reads the command line and serves."""
    parser = argparse.ArgumentParser(
        prog="python -m replicate_simulator.content_safety", description="A Content Safety simulator."
    )
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--key", default=secrets.token_hex(16), help="the subscription key (default: a new one)")
    parser.add_argument("--exit-with-stdin", action="store_true", help="stop when standard input ends")
    options = parser.parse_args()
    log_to_stderr()

    def ready(url: str) -> Mapping[str, str]:
        return {"ready": "content_safety", "url": url, "key": options.key}

    asyncio.run(serve(make_app(options.key), options.port, ready, exit_with_stdin=options.exit_with_stdin))


if __name__ == "__main__":
    main()
