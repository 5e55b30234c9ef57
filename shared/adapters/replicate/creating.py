"""Creating a prediction: the one POST that is never repeated blindly, and the reading of its answers.

Rules of this file:
1. Replicate has no idempotency key: the same POST twice is two predictions and two charges. So every answer,
   and every missing answer, is read as exactly one of: created, surely not created, refused, unknown.
2. When in doubt it is unknown: that costs a wait, a wrong "not created" costs money.
3. What is said to a user names fields, never values; what is said to operators is a word.
4. A refusal is believed where Replicate itself speaks, in JSON with a ``detail``. The page of an edge or the line of a
   load balancer says nothing about a model or an input: it is trouble on the way, and nothing was created.
5. What is wrong with what we add to a request (token, webhook address) is the operator's, and never a user's.
"""

import re
from datetime import datetime
from typing import Any

import httpx

from shared.adapters.replicate.sdk.answers import (
    decoded,
    detail_of,
    is_replicates,
    lowered_to,
    refused_fields,
    throttle_s,
)
from shared.adapters.replicate.wire import prediction_of
from shared.core.lifecycle.attempt import Attempt
from shared.core.provider.prediction import (
    Created,
    CreateOutcome,
    CreateRefused,
    DeferReason,
    NotCreated,
    OutcomeUnknown,
)
from shared.core.reasons import SENTENCES, Reason

#: Waits where Replicate gives no hint, in seconds: a refused token and missing credit are mended by people,
#: a connection comes back by itself.
UNAUTHORIZED_S, NO_CREDIT_S, UNREACHABLE_S = 60.0, 120.0, 5.0

#: The wait where a connection was closed before a byte was written.
CLOSED_S = 1.0

#: What something on the way answers to a request that it does not let through. (Not here: what is about its size or
#: its form, which are the request's own whoever says so.)
_ON_THE_WAY = frozenset({403, 404, 405, 407, 410, 421, 451})

#: The fields of a create that are ours, and no user's.
_OURS = ("webhook", "webhook_events_filter")


#: From this expected run time on we want to hear of the start too: it adopts a prediction whose answer was lost before
#: it has cost much. A shorter one has ended by then, and each piece of news costs a message, a call and two reads.
START_NEWS_FROM_S = 30


#: Replicate trains into a model that exists, and is of the account whose token it is.
_NO_DESTINATION = "The destination of the training is not there. Create that model first, then send the request again."


def path_and_body(attempt: Attempt, webhook: str) -> tuple[str, dict[str, Any]]:
    """Where an attempt is POSTed to, and its JSON body; a model of the form owner/name:version goes by its version."""
    model, _, version = attempt.target.partition(":")
    body: dict[str, Any] = {
        "input": dict(attempt.inputs),
        "webhook": webhook,
        "webhook_events_filter": ["start", "completed"] if attempt.expected_s >= START_NEWS_FROM_S else ["completed"],
    }
    if attempt.trains:
        return f"models/{model}/versions/{version}/trainings", {"destination": attempt.destination, **body}
    if version:
        return "predictions", {"version": version, **body}
    return f"models/{model}/predictions", body


def headers(attempt: Attempt) -> dict[str, str]:
    """``Cancel-After`` bounds queue, boot and run together, on Replicate's own clock. Trainings know no such header."""
    if not attempt.guarantees.cancel_after:
        return {}
    return {"Cancel-After": f"{attempt.cancel_after_s}s"}


def outcome_of(response: httpx.Response, now: datetime) -> CreateOutcome:
    """What an answer to a create means. The body is read leniently; the status decides."""
    status = response.status_code
    if status in (200, 201, 202):
        prediction = prediction_of(decoded(response))
        return Created(prediction) if prediction else OutcomeUnknown("the answer could not be read")
    if status == 401:
        return NotCreated(DeferReason.UNAUTHORIZED, UNAUTHORIZED_S)
    if status == 402:
        return NotCreated(DeferReason.NO_CREDIT, NO_CREDIT_S)
    if status == 429:
        return NotCreated(DeferReason.THROTTLED, throttle_s(response, now), lowered_to(response))
    # 408 is a time-out by name, and of 409 nothing is known; every other 4xx has created nothing and never will.
    if 400 <= status < 500 and status not in (408, 409):
        return _refused(status, decoded(response))
    return OutcomeUnknown(f"answered {status}")


def _refused(status: int, body: object) -> NotCreated | CreateRefused:
    """A 4xx that has created nothing: trouble of ours or on the way, a model that is gone, or the input's fault."""
    if status in _ON_THE_WAY and not is_replicates(body):
        return NotCreated(DeferReason.BLOCKED if status == 403 else DeferReason.MISROUTED, UNAUTHORIZED_S)
    if status == 403:
        return NotCreated(DeferReason.FORBIDDEN, UNAUTHORIZED_S)
    if status in (404, 410):
        return _not_found(body)
    if status == 422 and "specified version does not exist" in detail_of(body):
        return CreateRefused(Reason.UNKNOWN_MODEL, SENTENCES[Reason.UNKNOWN_MODEL], perhaps_ours=True)
    if _about_ours(body):
        return NotCreated(DeferReason.WEBHOOK_REFUSED, UNAUTHORIZED_S)
    return CreateRefused(Reason.PROVIDER_REFUSED, _refusal_text(body))


def _not_found(body: object) -> CreateRefused:
    """The model is gone, and another one may do; or the model that is to be trained is not there, for none."""
    if "training destination" in detail_of(body):
        return CreateRefused(Reason.PROVIDER_REFUSED, _NO_DESTINATION)
    return CreateRefused(Reason.UNKNOWN_MODEL, SENTENCES[Reason.UNKNOWN_MODEL])


def _about_ours(body: object) -> bool:
    """Whether what is not accepted is a field that we have added, such as the webhook's address."""
    entries = body.get("invalid_fields") if isinstance(body, dict) else None
    named = [entry.get("field") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    told = re.match(r"\W*(webhook\w*)\b", detail_of(body))
    return any(field in _OURS for field in named) or (not named and told is not None and told[1] in _OURS)


def _refusal_text(body: object) -> str:
    """The sentence for the user, with the fields that were not accepted where Replicate names them."""
    fields = refused_fields(body)
    if not fields:
        return SENTENCES[Reason.PROVIDER_REFUSED]
    named = ", ".join(field.replace("_", " ") for field in fields)
    return f"The model did not accept these settings: {named}. Change them and try again."
