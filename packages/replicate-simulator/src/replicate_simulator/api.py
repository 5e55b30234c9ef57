"""/v1: predictions, account and webhook secret.

Rules: a create request is checked in the order that can be seen from outside: token, throttling and credit, body and
input. A request that is refused has created nothing.
"""

import asyncio
import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from aiohttp import web

from replicate_simulator import problems, targets
from replicate_simulator.engine import SIMULATOR, Record, Simulator
from replicate_simulator.outputs import CONTENT_TYPES
from replicate_simulator.paging import paged
from replicate_simulator.predictions import Status
from replicate_simulator.problems import InvalidField, ProblemError, invalid
from replicate_simulator.schemas import Order, Target, order_of

_PAGE: Final = 100
_WAIT: Final = re.compile(r"wait(?:=(\d{1,3}))?")
#: The longest that Replicate holds an answer back, and what `wait` alone means (replicate.com/docs, sync mode).
_LONGEST_WAIT_S: Final = 60
#: Larger files stay addresses in an answer that was held back (the clients' readme of October 2024).
_INLINE_BYTES: Final = 5 * 1024 * 1024

TargetOf = Callable[[Mapping[str, Any]], Target]


def check_token(request: web.Request) -> None:
    """Raises a 401 problem unless the request carries the account's token."""
    given = request.headers.get("Authorization")
    if given is None:
        raise problems.no_authorization()
    scheme, _, token = given.partition(" ")
    if scheme.lower() != "bearer":
        raise problems.not_a_bearer()
    if token.strip() != request.app[SIMULATOR].settings.token:
        raise problems.unknown_token()


async def create_by_version(request: web.Request) -> web.Response:
    """POST /v1/predictions."""
    library = request.app[SIMULATOR].library
    return await _create(request, lambda body: targets.by_version(library, body), takes_version=True)


async def create_by_model(request: web.Request) -> web.Response:
    """POST /v1/models/{owner}/{name}/predictions."""
    library = request.app[SIMULATOR].library
    return await _create(request, lambda _: targets.by_name(library, **request.match_info), takes_version=False)


async def create_by_deployment(request: web.Request) -> web.Response:
    """POST /v1/deployments/{owner}/{name}/predictions."""
    library = request.app[SIMULATOR].library
    return await _create(request, lambda _: targets.by_deployment(library, **request.match_info), takes_version=False)


async def get_prediction(request: web.Request) -> web.Response:
    """GET /v1/predictions/{id}: a training is found here too, because the create's answer has its address here."""
    simulator = request.app[SIMULATOR]
    record = _record(request)
    fault = simulator.faults.take(("get_5xx", "get_404", "get_empty"), record.prompt, record.model)
    if fault is None:
        return web.json_response(simulator.shown(record))
    if fault.kind == "get_5xx":
        return problems.proxy_error(fault.params["status"])
    if fault.kind == "get_404":
        return problems.lost_way() if fault.params["plain"] else problems.not_found().response()
    return web.json_response({**simulator.shown(record), "output": None})


async def cancel_prediction(request: web.Request) -> web.Response:
    """POST /v1/predictions/{id}/cancel: one that has ended stays as it is."""
    record = _record(request)
    request.app[SIMULATOR].cancel(record)
    return web.json_response(request.app[SIMULATOR].shown(record))


async def list_predictions(request: web.Request) -> web.Response:
    """GET /v1/predictions: pages of 100, newest first."""
    simulator = request.app[SIMULATOR]
    if (fault := simulator.faults.take(("get_5xx",), None)) is not None:
        return problems.proxy_error(fault.params["status"])
    matching = _matching(simulator, request)
    for record in matching:
        simulator.settle(record)
    return paged(request, matching, _PAGE, simulator.shown)


async def account(request: web.Request) -> web.Response:
    """GET /v1/account."""
    return web.json_response(request.app[SIMULATOR].settings.account)


async def webhook_secret(request: web.Request) -> web.Response:
    """GET /v1/webhooks/default/secret."""
    return web.json_response({"key": request.app[SIMULATOR].sender.secret})


async def _create(request: web.Request, target_of: TargetOf, *, takes_version: bool) -> web.Response:
    body = await json_object(request)
    request.app[SIMULATOR].settle_trainings()
    target, problem = named(target_of, body)

    def order() -> Order:
        if target is None:
            raise problem or problems.not_found()
        return order_of(target, body, request.headers.get("Cancel-After"), takes_version=takes_version)

    return await created(request, body, target, order, request.app[SIMULATOR].shown)


def named(target_of: TargetOf, body: Mapping[str, Any]) -> tuple[Target | None, ProblemError | None]:
    """Returns what a body names, or why it names nothing; the caller raises it after the faults that come first."""
    try:
        return target_of(body), None
    except ProblemError as problem:
        return None, problem


async def created(
    request: web.Request,
    body: Mapping[str, Any],
    target: Target | None,
    order_of_body: Callable[[], Order],
    shown: Callable[[Record], dict[str, Any]],
) -> web.Response:
    """Creates what a body orders, unless a fault or the body's check refuses it, and answers with what was created."""
    simulator, prompt = request.app[SIMULATOR], _prompt_of(body)
    model = None if target is None else target.model.name
    if (refusal := _refusal(simulator, prompt, model, by_version="version" in body)) is not None:
        return refusal
    order = order_of_body()
    record = simulator.create(order, await simulator.reader.trouble(order))
    if (fault := simulator.faults.take(("create_5xx_after",), prompt, model)) is not None:
        record.answered = False
        return problems.proxy_error(fault.params["status"])
    if (fault := simulator.faults.take(("create_timeout_after",), prompt, model)) is not None:
        record.answered = False
        await asyncio.sleep(fault.params["seconds"])
        if request.transport is not None:
            request.transport.abort()
    if (wait_s := _wait_s(request.headers.get("Prefer", ""))) is None:
        return web.json_response(shown(record), status=201)
    applied = {"Preference-Applied": f"wait={wait_s:g}"}
    return web.json_response(await held_back(simulator, record, wait_s, shown), status=201, headers=applied)


async def held_back(
    simulator: Simulator, record: Record, wait_s: float, shown: Callable[[Record], dict[str, Any]]
) -> dict[str, Any]:
    """Returns what `Prefer: wait` answers.

    A success is answered as "processing", with the whole output but without its end and metrics, because recorded
    answers are. Small files are data URIs. What failed has ended; what still runs is shown as any other.
    """
    await simulator.ended(record, wait_s)
    answer, prediction = shown(record), record.prediction
    if prediction.status is not Status.SUCCEEDED or prediction.trains:
        return answer
    early = {name: value for name, value in answer.items() if name not in ("completed_at", "metrics")}
    return early | {"status": Status.PROCESSING.value, "output": await _inline(simulator, record, answer["output"])}


async def _inline(simulator: Simulator, record: Record, output: Any) -> Any:
    """Returns an output with its files in data URIs."""
    if record.prediction.order.target.model.modality == "text":
        return output
    addresses = record.prediction.outputs or ()
    inline: dict[str, str] = {}
    for index, address in enumerate(addresses):
        content = await simulator.file(record, index)
        if len(content) <= _INLINE_BYTES:
            kind = CONTENT_TYPES[address.rpartition(".")[2]]
            inline[address] = f"data:{kind};base64,{base64.b64encode(content).decode()}"
    if isinstance(output, list):
        return [inline.get(each, each) for each in output]
    if isinstance(output, dict):
        return {name: inline.get(each, each) for name, each in output.items()}
    return inline.get(output, output)


def _wait_s(prefer: str) -> float | None:
    """How long the answer may be held back for the prediction's end: `wait`, or `wait=N` with 1 to 60 seconds."""
    match = _WAIT.fullmatch(prefer.strip())
    if match is None:
        return None
    return min(float(match[1] or _LONGEST_WAIT_S), _LONGEST_WAIT_S)


#: The faults that keep a prediction from being created.
_REFUSALS = (
    *("create_401", "create_402", "create_403", "create_404", "create_422", "create_422_webhook", "create_429"),
    *("create_5xx_before", "model_gone"),
)


def _refusal(simulator: Simulator, prompt: str | None, model: str | None, *, by_version: bool) -> web.Response | None:
    """Returns the answer of a fault that keeps the prediction from being created."""
    fault = simulator.faults.take(_REFUSALS, prompt, model)
    if fault is None:
        return None
    match fault.kind:
        case "create_403":
            return problems.blocked() if fault.params["page"] else problems.forbidden().response()
        case "create_404":
            return problems.lost_way()
        case "create_422_webhook":
            return invalid([InvalidField("format", "webhook", "Does not match format 'uri'")]).response()
        case "create_401":
            return problems.unknown_token().response()
        case "create_402":
            return problems.no_credit().response()
        case "create_422":
            return invalid([InvalidField("required", "input", "prompt is required")]).response()
        case "create_429":
            return problems.throttled(fault.params["hint"], int(fault.params["seconds"])).response()
        case "model_gone":
            return (problems.unknown_version() if by_version else problems.not_found()).response()
        case _:
            return problems.proxy_error(fault.params["status"])


async def json_object(request: web.Request) -> dict[str, Any]:
    """Returns the body; raises a 400 problem if it is no JSON object."""
    try:
        body = json.loads(await request.read(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise problems.bad_request("JSON parse error") from None
    if not isinstance(body, dict):
        raise problems.bad_request("The body is not a JSON object")
    return body


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _prompt_of(body: Mapping[str, Any]) -> str | None:
    given = body.get("input")
    prompt = given.get("prompt") if isinstance(given, dict) else None
    return prompt if isinstance(prompt, str) else None


def _record(request: web.Request) -> Record:
    record = request.app[SIMULATOR].find(request.match_info["id"])
    if record is None:
        raise problems.not_found()
    return record


def _matching(simulator: Simulator, request: web.Request) -> Sequence[Record]:
    """Returns the predictions that the query asks for, newest first."""
    if request.query.get("source", "api") != "api":
        return []  # nobody uses the simulator's web site
    after = _moment(request, "created_after")
    before = _moment(request, "created_before")
    return [
        record
        for record in reversed(simulator.records)
        if not record.trains
        and (after is None or record.prediction.created_at >= after)
        and (before is None or record.prediction.created_at < before)
    ]


def _moment(request: web.Request, name: str) -> datetime | None:
    text = request.query.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise invalid([InvalidField("format", name, "Must be a date and time in ISO 8601")]) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
