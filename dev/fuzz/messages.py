"""Mutated messages of both queues and mutated webhooks, as broken senders and attackers would make them.

Each number is one of three kinds: a request; an event, which holds a prediction in Darkroom's own form; or a webhook's
body, which holds one in Replicate's form and becomes an event as in the webhook trigger.

Each message goes through a whole delivery: its envelope and body are read, the message handler runs on fakes, a saved
generation becomes a row and is read back, an outcome becomes an event. Loose is an exception, a text that no store
accepts, a message that is not read back as it was written, or a second of CPU.
"""

import asyncio
import base64
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from dev.fakes.messenger import EVENTS, REQUESTS
from dev.fakes.world import World
from dev.fuzz import Findings
from shared import worker
from shared.adapters.azure_storage.tables import entities, rows
from shared.adapters.replicate.wire import prediction_of
from shared.adapters.service_bus import read_envelope
from shared.core.events.generation_event import Event
from shared.core.keys import Key
from shared.core.lifecycle.generation import AnyGeneration
from shared.core.provider.prediction import Prediction
from shared.core.provider.webhook import named_callback
from shared.core.requests.fields import FIELDS
from shared.core.requests.lenient_json import parsed
from shared.core.requests.messages import GenerationRequest, Malformed, Message, PredictionEvent
from shared.core.requests.parsing import parse_event, parse_request

#: No message may take more CPU than this.
MOST_S = 1.0

#: After this many requests the world is replaced by a new one.
_WORLD_MESSAGES = 200

_IDS = ("ada", "one", "ada+x@example.com", "us-east-1:7f3c", "auth0|5f7c", "o'brien", "a/b", "a#b", "x" * 129, "", "é")

_REQUEST: Mapping[str, Any] = {
    "account_id": "ada",
    "user_id": "ada",
    "generation_id": "one",
    "type": "generate",
    **{field.name: field.example for field in FIELDS},
    "allow_fallback": True,
    "strict": False,
    "continuation": None,
}
#: A prediction as Replicate sends it, and as Darkroom's own queue carries it.
_WEBHOOK: Mapping[str, Any] = {
    "id": "prediction0000000000000001",
    "status": "succeeded",
    "model": "black-forest-labs/flux-schnell",
    "output": ["https://replicate.delivery/x/out-0.webp", "data:image/png;base64,iVBORw0KGgo="],
    "error": None,
    "metrics": {"predict_time": 1.5, "image_count": 1},
    "created_at": "2026-11-21T12:00:00.123456789Z",
    "completed_at": "2026-11-21T12:00:03Z",
    "input": {"seed": 7},
    "webhook": "https://darkroom.example/api/webhooks/replicate?user=ada&generation=one&attempt=1",
    "data_removed": False,
}
_PREDICTION: Mapping[str, Any] = {
    "id": "prediction0000000000000001",
    "status": "succeeded",
    "model": "black-forest-labs/flux-schnell",
    "outputs": ["https://replicate.delivery/x/out-0.webp", "data:image/png;base64,iVBORw0KGgo="],
    "labels": ["image", "mask"],
    "complete": True,
    "error": "",
    "failure": "content",
    "metrics": {"predict_time": 1.5, "image_count": 1},
    "measured": {"image": 1},
    "created_at": "2026-11-21T12:00:00.123456789Z",
    "completed_at": "2026-11-21T12:00:03Z",
    "data_removed": False,
}
_EVENT: Mapping[str, Any] = {
    "type": "prediction",
    "account_id": "ada",
    "user_id": "ada",
    "generation_id": "one",
    "attempt": 1,
    "prediction": _PREDICTION,
}
#: What is mutated, by the kind of the message.
_BODIES: Mapping[str, Mapping[str, Any]] = {"requests": _REQUEST, "events": _EVENT, "webhooks": _WEBHOOK}

#: Texts that a status or an error of a prediction may be, one for each way of reading them.
_SAID = ("starting", "processing", "failed", "canceled", "aborted", "NSFW content detected", "CUDA out of memory")

_EDGES = (
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2999-01-01",
    "1970-01-01T00:00:00Z",
    "x",
    "9" * 5000,
)


def made(number: int, seed: int) -> bytes:
    """The message of this number: its kind, ``since`` and ``deferrals`` in a line each, and its body."""
    chance = random.Random(f"{seed}/{number}")
    kind = chance.choices(tuple(_BODIES), (50, 25, 25))[0]
    body = json.loads(json.dumps(_BODIES[kind]))
    for name in chance.sample(sorted(_REQUEST), 8) if kind == "requests" else ():
        if name not in ("user_id", "generation_id", "prompt"):
            body.pop(name)
    for _ in range(chance.choice((0, 1, 1, 2, 3))):
        _mutate_object(body, chance)
    raw = json.dumps(body, ensure_ascii=chance.random() < 0.5).encode(errors="surrogatepass")
    raw = chance.choice(_WRAPPINGS)(raw) if chance.random() < 0.3 else raw
    for _ in range(chance.choice((0, 0, 0, 1, 2, 6))):
        raw = _mutate_bytes(raw, chance)
    since = chance.choice(("", "", "2026-11-21T11:00:00+00:00", *_EDGES))
    deferrals = chance.choice(("", "", "1", "3", "-1", "1e9", "9" * 5000, "²"))
    return b"\n".join((kind.encode(), since.encode(), deferrals.encode(), raw))


def _mutate_object(body: dict[str, Any], chance: random.Random) -> None:
    at = body
    while chance.random() < 0.5 and (inner := [each for each in at.values() if isinstance(each, dict) and each]):
        at = chance.choice(inner)
    name = chance.choice(sorted(at)) if at else "x"
    kind = chance.random()
    if kind < 0.1:
        at.pop(name, None)
    elif kind < 0.2:
        at[chance.choice(("widht", "a\nb", "\ud800", "x" * 5000, "key", "unknown_fields"))] = _value(chance)
    elif kind < 0.4 and name in ("account_id", "user_id", "generation_id"):
        at[name] = chance.choice(_IDS)
    elif kind < 0.6 and name in ("status", "error", "failure"):
        at[name] = chance.choice(_SAID)
    else:
        at[name] = _value(chance)


def _value(chance: random.Random) -> Any:
    """A random one of the values. It is made anew each time, because a mutation may change it."""
    value = json.loads(chance.choice(_values()))
    return value if chance.random() < 0.9 else {"a": value}


@cache
def _values() -> tuple[str, ...]:
    deep: Any = "data:,x"
    for _ in range(600):
        deep = [deep]
    texts: tuple[str, ...] = (
        "",
        " ",
        "\x00",
        "\ud800",
        "data:,\ud800",
        "data:,%",
        "data:;base64,====",
        "\N{BIRD}" * 20_000,
        "a" * 70_000,
    )
    texts += (
        *_EDGES,
        "../..",
        "ada/../eve",
        "https://[",
        "%2e%2e",
        "succeeded",
        "canceled",
        "cancel",
        "\u202e",
        "[INST]",
    )
    numbers = (0, -1, 1, 17, 2**31, 2**63, 2**64, 10**400, 0.1, 1e308, float("nan"), float("inf"), -float("inf"))
    whole: tuple[Any, ...] = (
        [],
        {},
        [None],
        [1, "a"],
        {"": ""},
        {"a": [{"b": "https://x.example/y"}]},
        deep,
        dict.fromkeys(map(str, range(5000)), 1),
    )
    return tuple(map(json.dumps, (None, True, False, *texts, *numbers, *whole)))


def _event(raw: bytes) -> bytes:
    return b'{"specversion": "1.0", "type": "x", "data": ' + raw + b"}"


_WRAPPINGS: tuple[Callable[[bytes], bytes], ...] = (
    lambda raw: b"\xef\xbb\xbf" + raw,
    lambda raw: b"[" + raw + b"]",
    lambda raw: b"[" + raw + b"," + raw + b"]",
    base64.b64encode,
    lambda raw: json.dumps(raw.decode(errors="replace")).encode(),
    _event,
    lambda raw: (
        b"@\x06string\x083http://schemas.microsoft.com/2003/10/Serialization/\x9d"
        + len(raw).to_bytes(4, "little")
        + raw
    ),
    lambda raw: b'{"a":' * 600 + raw + b"}" * 600,
    lambda raw: raw.decode(errors="replace").encode("utf-16"),
)


def _mutate_bytes(raw: bytes, chance: random.Random) -> bytes:
    at, size = chance.randrange(len(raw) + 1), chance.choice((1, 1, 2, 8, 100))
    cut = raw[:at] + raw[at + size :]
    return chance.choice(
        (
            cut,
            raw[:at],
            raw[:at] + chance.randbytes(size) + raw[at:],
            raw[:at] + raw[at : at + size] * 3 + raw[at + size :],
            cut[:at]
            + chance.choice((b"[" * 3000, b'"', b"\\", b"\\ud800", b"{", b"NaN", b"\xff", b"9" * 5000))
            + cut[at:],
        )
    )


def mutated(raw: bytes, seed: int) -> bytes:
    """The bytes of a message after one to six mutations, the same for the same seed."""
    chance = random.Random(seed)
    for _ in range(chance.choice((1, 1, 2, 6))):
        raw = _mutate_bytes(raw, chance)
    return raw


def fuzzed(count: int, seed: int, say: Callable[[int], None]) -> Findings:
    """Deliver ``count`` messages."""
    return asyncio.run(_fuzzed(count, seed, say))


async def _fuzzed(count: int, seed: int, say: Callable[[int], None]) -> Findings:
    findings, world = Findings(), await _world()
    for number in range(count):
        if number and number % 10_000 == 0:
            say(number)
        content = made(number, seed)
        if not content.startswith(b"requests") or number % _WORLD_MESSAGES == 0:
            world = await _world()  # an observation is of a generation that still runs
        started = time.process_time()
        try:
            findings.ends[await _looked(content, world)] += 1
        except Exception as error:  # noqa: BLE001  # any exception is a finding
            findings.loose[number] = f"{type(error).__name__}: {str(error)[:200]}"
        took_s = time.process_time() - started
        findings.slowest_s = max(findings.slowest_s, took_s)
        if took_s > MOST_S:
            findings.loose[number] = f"took {took_s:.1f} s of CPU"
    return findings


def look(content: bytes) -> str:
    """Deliver one message in a world of its own; returns its end."""

    async def alone() -> str:
        return await _looked(content, await _world())

    return asyncio.run(alone())


async def _world() -> World:
    """A world with the user Ada and a running generation."""
    world = World(credits=1_000_000)
    await world.open_account()
    await world.ask()
    return world


async def _looked(content: bytes, world: World) -> str:
    kind, since, deferrals, raw = content.split(b"\n", 3)
    asks = kind == b"requests"
    came = datetime(2026, 11, 21, 12, tzinfo=UTC)
    properties = {name: value for name, value in ((b"since", since), (b"deferrals", deferrals)) if value}
    envelope = read_envelope("m", properties, enqueued_at=came.replace(tzinfo=None))
    if envelope.since is not None and envelope.since.year != came.year:
        raise ValueError(f"{envelope.since} was believed")
    if kind == b"webhooks":
        prediction = prediction_of(parsed(raw))
        if prediction is None:
            return "webhooks: refused"  # the trigger answers 400
        raw = _queued(prediction)
    message = _read(raw, asks=asks)
    _read_back(message, asks=asks)
    if asks:
        message = _as_another(message, world)
    await worker.handle(world.deps, message, replace(envelope, enqueued_at=world.now()), REQUESTS if asks else EVENTS)
    if message.key is not None and message.key in world.store.saved_generations:
        _stored(world.store.saved_generations[message.key])
    events: tuple[Event, ...] = (*world.messenger.published, *world.messenger.refused)
    for event in events:
        json.dumps(event.to_json(), ensure_ascii=False).encode()
    world.messenger.published.clear()
    world.messenger.refused.clear()
    await worker.dead_letter(world.deps, message, raw, REQUESTS if asks else EVENTS)
    return f"{kind.decode()}: {type(message).__name__}"


def _queued(prediction: Prediction) -> bytes:
    """The event that the webhook trigger sends. Whose it is, is asked as for an entry of Replicate's list."""
    named_callback(prediction.webhook)
    event = PredictionEvent(Key("ada", "one"), 1, prediction)
    raw = json.dumps(event.to_json()).encode()
    # The trigger has read the address already, and the seed is only of use in a list: the queue carries neither.
    if _read(raw, asks=False) != replace(event, prediction=replace(prediction, webhook="", seed=None)):
        raise ValueError("the queue does not carry it as it was read")
    return raw


def _read(raw: bytes, *, asks: bool) -> Message:
    return parse_request(raw)[0] if asks else parse_event(raw)


def _read_back(message: Message, *, asks: bool) -> None:
    if isinstance(message, Malformed):
        message.text.encode()
        return
    raw = json.dumps(message.to_json()).encode()
    again = _read(raw, asks=asks)
    if isinstance(message, PredictionEvent):  # fields that our own queue does not carry
        bare = replace(message.prediction, webhook="", seed=None)
        message = replace(message, prediction=bare)
    if again != message:
        raise ValueError("it is not read back as it was written")


def _as_another(message: Message, world: World) -> Message:
    """The message under an id that is new in this world, so that each request opens its own generation."""
    if isinstance(message, GenerationRequest) and message.key.user_id == "ada":
        return replace(message, key=Key("ada", f"{len(world.store.saved_generations)}"))
    return message


def _stored(generation: AnyGeneration) -> None:
    """Write the generation to a row and read it back."""
    row = rows.generation_row(generation)
    for value in row.values():
        if isinstance(value, str):
            value.encode()
    if rows.generation_of(entities.decoded(entities.encoded(row))) != generation:
        raise ValueError("it is not read back from its row")
