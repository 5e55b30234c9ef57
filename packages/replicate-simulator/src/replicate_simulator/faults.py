"""What goes wrong: a list of faults that a test fills over HTTP.

    {"kind": "create_429", "times": 2, "match": {"prompt_contains": "fox"}, "hint": "header", "seconds": 3}

Rules: a fault is used `times` times (default 1; -1 is until cleared), the oldest first. Its kind says what uses it: a
create request (`create_*`, `model_gone`), a read (`get_*`), a download (`output_*`), a connection to a stream
(`stream_*`). Any other is used by the prediction or training that is created next, for its whole life. `match` names a
part of the prompt (`prompt_contains`), the model (`model`: owner/name) or both. It does not fit a request without them:
a training has no prompt, a list has neither.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from replicate_simulator.markers import COLOURS, CORNERS
from replicate_simulator.schemas import EVENTS

_SECONDS: Final[Mapping[str, Any]] = {"seconds": 0.0}
_STATUS: Final[Mapping[str, Any]] = {"status": 502}
# Which of the prediction's webhooks: None is all of them.
_EVENT: Final[Mapping[str, Any]] = {"event": None}

#: Every kind, its parameters, their defaults. Seconds of predictions and webhooks are simulated, on a socket real.
KINDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "create_401": {},
    "create_402": {},
    "create_403": {"page": True},  # of an edge in front of the API, or Replicate's own words
    "create_404": {},  # a load balancer's line: no JSON
    "create_422": {},
    "create_422_webhook": {},  # it does not take the webhook's address
    "create_429": {"hint": "all", "seconds": 10},
    "create_5xx_before": _STATUS,  # nothing was created
    "create_5xx_after": _STATUS,  # it was created all the same
    "create_timeout_after": _SECONDS,  # created; after so many seconds the connection is dropped without an answer
    "model_gone": {},  # a create is answered as for a model that was retired; whoever looks at the model sees 404 too
    "get_5xx": _STATUS,
    "get_404": {"plain": False},  # of a prediction that is there; plain: a load balancer's line, no JSON
    "get_empty": {},  # a prediction without its output
    "failed": {"error": "Prediction interrupted; please retry (code: PA)", "before_start": False},
    "nsfw_partial": {"drop": 1},  # so many outputs are missing, though never the last one
    "nsfw_all": {},
    "overloaded": {},  # fails for want of capacity: E003
    "slow_start": {"seconds": 30.0},
    "stuck": {},
    "abort": {},
    "unsafe_image": {
        "category": "Violence",
        "severity": 6,
        "index": None,
    },  # which output; None is all; a film's frames
    "unsafe_text": {"category": "Violence", "severity": 6},  # what is written is unsafe, or judged so: see texts.py
    "webhook_lost": _EVENT,
    "webhook_doubled": _EVENT,
    "webhook_late": {"seconds": 5.0, **_EVENT},
    "webhook_reordered": {},  # completed first
    "webhook_empty": {},  # without the output
    "webhook_bad_signature": _EVENT,
    "output_404": {},
    "output_slow": {"seconds": 2.0},
    "output_truncated": {},
    "output_oversized": {"bytes": 60 * 1024 * 1024, "declare_length": True},
    "output_wrong_type": {},
    "stream_dropped": {"after": 3},  # so many events, then the connection is reset
    "stream_idle": {"after": 3},  # so many events, then 30 s of silence, which end with the comment `:408:`
}

_CHOICES: Final[Mapping[str, tuple[Any, ...]]] = {
    "hint": ("header", "body", "text", "all"),
    "event": (None, *EVENTS),
    "category": tuple(COLOURS),
    "severity": tuple(CORNERS),
}
#: The kinds that a prediction carries from its creation.
PREDICTION_KINDS: Final = tuple(
    kind for kind in KINDS if not kind.startswith(("create_", "get_", "model_", "output_", "stream_"))
)
OUTPUT_KINDS: Final = tuple(kind for kind in KINDS if kind.startswith("output_"))
STREAM_KINDS: Final = tuple(kind for kind in KINDS if kind.startswith("stream_"))


@dataclass(slots=True)
class Fault:
    """One fault: `times` is how often it is still to happen, -1 for ever."""

    kind: str
    times: int
    match: Mapping[str, str]
    params: Mapping[str, Any]

    def shown(self) -> dict[str, Any]:
        """Returns the fault as JSON, in the form in which it is given."""
        match = {"match": dict(self.match)} if self.match else {}
        return {"kind": self.kind, "times": self.times, **match, **self.params}

    def fits(self, prompt: str | None, model: str | None) -> bool:
        """Whether it means an act on this prompt and this model; None where the act has none."""
        part, name = self.match.get("prompt_contains"), self.match.get("model")
        return (part is None or (prompt is not None and part in prompt)) and name in {None, model}


@dataclass(slots=True)
class FaultList:
    """The faults that are still to happen."""

    waiting: list[Fault] = field(default_factory=list)

    def lies_in_wait(self, kind: str, model: str) -> bool:
        """Whether there is a fault of this kind for the model; it is not used up."""
        return any(fault.kind == kind and fault.fits(None, model) for fault in self.waiting)

    def take(self, kinds: Iterable[str], prompt: str | None, model: str | None = None) -> Fault | None:
        """Uses up the oldest fault of these kinds that fits the prompt and the model."""
        wanted = frozenset(kinds)
        for fault in self.waiting:
            if fault.kind in wanted and fault.fits(prompt, model):
                if fault.times > 0:
                    fault.times -= 1
                if fault.times == 0:
                    self.waiting.remove(fault)
                return fault
        return None


def read_fault(given: Mapping[str, Any]) -> Fault:
    """Reads a fault from JSON.

    Raises:
        ValueError: says what is wrong with it.
    """
    kind = given.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"kind is one of {', '.join(KINDS)}")
    times = given.get("times", 1)
    if type(times) is not int or times == 0 or times < -1:
        raise ValueError("times is a positive number, or -1 for ever")
    params = dict(KINDS[kind])
    for name in given.keys() - {"kind", "times", "match"}:
        if name not in params:
            raise ValueError(f"{kind} knows {', '.join(params) or 'no parameter'}, not {name}")
        params[name] = _checked(name, given[name], params[name])
    return Fault(kind, times, _match(given.get("match", {})), params)


def _checked(name: str, value: object, default: object) -> object:
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            raise ValueError(f"{name} is one of {', '.join(map(str, _CHOICES[name]))}")
        return value
    if name == "index":
        fits = value is None or type(value) is int
    elif name == "status":
        fits = type(value) is int and 500 <= value < 600
    elif isinstance(default, bool | str):
        fits = type(value) is type(default)
    else:
        fits = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    if not fits:
        raise ValueError(f"{name} cannot be {value!r}")
    return value


def _match(match: object) -> Mapping[str, str]:
    known = {"prompt_contains", "model"}
    if isinstance(match, dict) and match.keys() <= known and all(isinstance(text, str) for text in match.values()):
        return dict(match)
    raise ValueError('match is {"prompt_contains": text, "model": "owner/name"}, or one of both')
