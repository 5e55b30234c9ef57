"""/_sim: what a test switches, and what it may read. No token is needed, because only this machine reaches it.

README.md lists the requests. Times are simulated seconds, unless a docstring says otherwise.
"""

import json
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web

from replicate_simulator.engine import SIMULATOR, Record
from replicate_simulator.faults import read_fault
from replicate_simulator.outages import KINDS, LONGEST_S, Outage
from replicate_simulator.predictions import view
from replicate_simulator.problems import bad_request
from replicate_simulator.webhooks import key_of


async def add_fault(request: web.Request) -> web.Response:
    """Adds a fault."""
    given = await _json(request)
    try:
        fault = read_fault(given)
    except ValueError as error:
        raise bad_request(str(error)) from None
    request.app[SIMULATOR].faults.waiting.append(fault)
    return web.json_response(fault.shown(), status=201)


async def list_faults(request: web.Request) -> web.Response:
    """Returns the faults that are still to happen."""
    return web.json_response([fault.shown() for fault in request.app[SIMULATOR].faults.waiting])


async def clear_faults(request: web.Request) -> web.Response:
    """Removes all faults; predictions that carry one keep it."""
    request.app[SIMULATOR].faults.waiting.clear()
    return web.Response(status=204)


async def stats(request: web.Request) -> web.Response:
    """Returns the counters: requests per endpoint, predictions, webhooks, leaked tokens, models."""
    simulator = request.app[SIMULATOR]
    alive = len(simulator.alive)
    return web.json_response(
        {
            "now": simulator.clock.now().isoformat(),
            "requests": dict(simulator.requests),
            "predictions": len(simulator.records),
            "alive": alive,
            "statuses": dict(Counter(record.prediction.status.value for record in simulator.records)),
            "webhooks_sent": simulator.sender.sent,
            "webhooks_delivered": simulator.sender.delivered,
            "webhooks_in_flight": len(simulator.sender.under_way),
            "leaks": simulator.leaks,
            "models": sorted(simulator.library.models),
            "not_served": list(simulator.library.left_out),
        }
    )


async def all_predictions(request: web.Request) -> web.Response:
    """Returns all predictions, oldest first, each with what the API hides or has deleted."""
    simulator = request.app[SIMULATOR]
    for record in simulator.records:
        simulator.settle(record)
    return web.json_response([_truth(record, simulator.base_url) for record in simulator.records])


async def set_run_time(request: web.Request) -> web.Response:
    """Sets how long predictions take that are created from now on."""
    given = await _json(request)
    settings = request.app[SIMULATOR].settings
    settings.start_s = _number(given, "start_s", settings.start_s)
    settings.run_s = _number(given, "run_s", settings.run_s)
    return web.json_response({"start_s": settings.start_s, "run_s": settings.run_s})


async def move_clock(request: web.Request) -> web.Response:
    """Lets simulated time jump forward."""
    simulator = request.app[SIMULATOR]
    simulator.clock.advance(_number(await _json(request), "advance_s", 0))
    return web.json_response({"now": simulator.clock.now().isoformat()})


async def set_pictures(request: web.Request) -> web.Response:
    """Chooses painted or plain pictures; `bytes` is about how large a plain PNG is."""
    given = await _json(request)
    mode, size_bytes = given.get("mode"), _size_bytes(given)
    if mode not in {"painted", "plain"}:
        raise bad_request("mode is painted or plain")
    settings = request.app[SIMULATOR].settings
    settings.plain_pictures, settings.picture_bytes = mode == "plain", size_bytes
    return web.json_response({"mode": mode, "bytes": size_bytes})


async def set_media(request: web.Request) -> web.Response:
    """Sets the least size of films, sounds and weights."""
    size_bytes = _size_bytes(await _json(request))
    request.app[SIMULATOR].settings.media_bytes = size_bytes
    return web.json_response({"bytes": size_bytes})


async def add_model(request: web.Request) -> web.Response:
    """Makes a private model without versions; one that is there stays as it is. `like` pushes a version of it."""
    given, library = await _json(request), request.app[SIMULATOR].library
    name, like = _text(given, "name"), library.models.get(str(given.get("like")))
    username = request.app[SIMULATOR].settings.username
    if not re.fullmatch(rf"{re.escape(username)}/[a-z0-9][a-z0-9._-]*", name):
        raise bad_request(f"name is {username}/ and a name in small letters")
    if "like" in given and (like is None or like.model is None):
        raise bad_request("like is a model with a version, owner/name")
    card = library.models.get(name) or library.add_model(name, visibility="private", about={})
    if like is not None and like.model is not None:
        library.push(card, like.model)
    return web.json_response(card.shown(), status=201)


async def begin_outage(request: web.Request) -> web.Response:
    """Lets the whole account fail for so many real seconds."""
    given, simulator = await _json(request), request.app[SIMULATOR]
    kind, seconds, creates_only = given.get("kind"), _number(given, "seconds", 30), given.get("creates_only", False)
    if kind not in KINDS or seconds > LONGEST_S or not isinstance(creates_only, bool):
        raise bad_request(f"kind is one of {', '.join(KINDS)}, seconds at most {LONGEST_S}, creates_only true or false")
    if kind != "refused":
        simulator.outage = Outage(kind, time.monotonic() + seconds, creates_only)
    elif simulator.listener is None:
        raise bad_request("this simulator does not own its listener, so it cannot refuse connections")
    else:
        await simulator.listener.shut(seconds)
    return web.json_response({"kind": kind, "seconds": seconds})


async def end_outage(request: web.Request) -> web.Response:
    """Ends an outage. One that refuses connections ends by itself only, because this request is refused too."""
    request.app[SIMULATOR].outage = None
    return web.Response(status=204)


async def set_webhook_secret(request: web.Request) -> web.Response:
    """Rotates the signing secret."""
    secret = _text(await _json(request), "secret")
    try:
        key_of(secret)
    except ValueError:
        raise bad_request("secret is whsec_ and the base64 of a key") from None
    request.app[SIMULATOR].sender.secret = secret
    return web.Response(status=204)


async def set_token(request: web.Request) -> web.Response:
    """Rotates the token; the old one is refused from now on."""
    request.app[SIMULATOR].settings.token = _text(await _json(request), "token")
    return web.Response(status=204)


async def quiet(request: web.Request) -> web.Response:
    """Brings the simulator to rest, after `wait_s` real seconds at most; returns what it had to end."""
    given = await _json(request) if request.can_read_body else {}
    ended = await request.app[SIMULATOR].come_to_rest(_number(given, "wait_s", 0))
    return web.json_response({"ended": ended})


def _truth(record: Record, base_url: str) -> dict[str, Any]:
    return {
        **view(replace(record.prediction, data_removed=False), base_url),
        "data_removed": record.prediction.data_removed,
        "seed": record.seed,
        "answered": record.answered,
        "faults": {kind: dict(params) for kind, params in record.faults.items()},
        "webhooks": [{"event": each.event, "id": each.id, "tries": each.tries} for each in record.webhooks],
    }


async def _json(request: web.Request) -> Mapping[str, Any]:
    try:
        given = await request.json()
    except json.JSONDecodeError:
        raise bad_request("the body is not JSON") from None
    if not isinstance(given, dict):
        raise bad_request("the body is not a JSON object")
    return given


def _number(given: Mapping[str, Any], name: str, default: float) -> float:
    value = given.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise bad_request(f"{name} is a number of seconds")
    return value


def _size_bytes(given: Mapping[str, Any]) -> int:
    value = given.get("bytes", 0)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise bad_request("bytes is a whole number")
    return value


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value:
        raise bad_request(f"{name} is a text")
    return value
