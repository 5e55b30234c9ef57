"""The create: its path, body and headers, and what each answer to it means.

Rules of this file:
1. Replicate has no idempotency key: the same POST twice makes two predictions and two charges. So every answer, and
   every missing answer, is exactly one of: created, surely not created, refused, unknown.
2. When in doubt the outcome is unknown. An unknown outcome costs a wait; a wrong "not created" costs money.
3. A sentence for a user names fields, never values. A reason for operators is a word.
4. What a status means is in the one table of sdk/statuses.py. This file makes an outcome of each meaning.
5. A fault in what we add to a request (token, webhook address) is the operator's, never a user's.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, assert_never

import httpx

from shared.adapters.replicate.sdk.answers import (
    decoded,
    detail_of,
    is_replicates,
    lowered_to,
    refused_fields,
    throttle_s,
)
from shared.adapters.replicate.sdk.retrying import Kind
from shared.adapters.replicate.sdk.statuses import Meaning, meaning_of
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

#: Waits in seconds where Replicate gives no hint. People must mend a refused token and missing credit; a lost
#: connection recovers by itself.
UNAUTHORIZED_S, NO_CREDIT_S, UNREACHABLE_S = 60.0, 120.0, 5.0

#: The wait in seconds if a connection was closed before a byte was written.
CLOSED_S = 1.0

#: Why a create is deferred whatever its body says, and for how many seconds.
_DEFERRED: Mapping[Meaning, tuple[DeferReason, float]] = MappingProxyType(
    {
        Meaning.TOKEN_REFUSED: (DeferReason.UNAUTHORIZED, UNAUTHORIZED_S),
        Meaning.NO_CREDIT: (DeferReason.NO_CREDIT, NO_CREDIT_S),
        Meaning.FORBIDDEN: (DeferReason.FORBIDDEN, UNAUTHORIZED_S),
        Meaning.BLOCKED: (DeferReason.BLOCKED, UNAUTHORIZED_S),
        Meaning.MISROUTED: (DeferReason.MISROUTED, UNAUTHORIZED_S),
    }
)

#: The fields of a create that we add; no user writes them.
_OURS = ("webhook", "webhook_events_filter")


#: If a run is expected to take this long, the webhook is called at its start too. That call adopts a prediction whose
#: answer was lost before it has cost much. A shorter run has ended by then, and each call costs a message, a call to
#: Replicate and two reads.
START_NEWS_FROM_S = 30


#: Replicate trains into a model that exists and belongs to the token's account.
_NO_DESTINATION = "The destination of the training is not there. Create that model first, then send the request again."


def path_and_body(attempt: Attempt, webhook: str) -> tuple[str, dict[str, Any]]:
    """The path and the JSON body of an attempt's create. A model owner/name:version is created by its version."""
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
    """``Cancel-After`` bounds queue, boot and run together, by Replicate's clock. Trainings have no such header."""
    if not attempt.guarantees.cancel_after:
        return {}
    return {"Cancel-After": f"{attempt.cancel_after_s}s"}


def outcome_of(response: httpx.Response, now: datetime) -> CreateOutcome:
    """What an answer to a create means. The status decides (sdk/statuses.py); the body is read leniently."""
    body = decoded(response)
    match meaning_of(response.status_code, Kind.WRITE, replicates=is_replicates(body)):
        case Meaning.DONE:
            prediction = prediction_of(body)
            return Created(prediction) if prediction else OutcomeUnknown("the answer could not be read")
        case (
            Meaning.TOKEN_REFUSED | Meaning.NO_CREDIT | Meaning.FORBIDDEN | Meaning.BLOCKED | Meaning.MISROUTED
        ) as meaning:
            return NotCreated(*_DEFERRED[meaning])
        case Meaning.THROTTLED:
            return NotCreated(DeferReason.THROTTLED, throttle_s(response, now), lowered_to(response))
        case Meaning.NOT_FOUND:
            return _not_found(body)
        case Meaning.REFUSED:
            return _refused(body)
        case Meaning.REDIRECTED | Meaning.FAILED | Meaning.PERHAPS_DONE:
            return OutcomeUnknown(f"answered {response.status_code}")
        case never:
            assert_never(never)


def _refused(body: object) -> NotCreated | CreateRefused:
    """What is not accepted: a version that is gone, what we added to the request, or the user's input."""
    if "specified version does not exist" in detail_of(body):
        return CreateRefused(Reason.UNKNOWN_MODEL, SENTENCES[Reason.UNKNOWN_MODEL], perhaps_ours=True)
    if _about_ours(body):
        return NotCreated(DeferReason.WEBHOOK_REFUSED, UNAUTHORIZED_S)
    return CreateRefused(Reason.PROVIDER_REFUSED, _refusal_text(body))


def _not_found(body: object) -> CreateRefused:
    """A model that is gone, which another may replace; or a missing training destination, which no other replaces."""
    if "training destination" in detail_of(body):
        return CreateRefused(Reason.PROVIDER_REFUSED, _NO_DESTINATION)
    return CreateRefused(Reason.UNKNOWN_MODEL, SENTENCES[Reason.UNKNOWN_MODEL])


def _about_ours(body: object) -> bool:
    """Whether the field that is not accepted is one that we added, such as the webhook's address."""
    entries = body.get("invalid_fields") if isinstance(body, dict) else None
    named = [entry.get("field") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    match = re.match(r"\W*(webhook\w*)\b", detail_of(body))
    return any(field in _OURS for field in named) or (not named and match is not None and match[1] in _OURS)


def _refusal_text(body: object) -> str:
    """The sentence for the user. It names the fields that were not accepted, if Replicate does."""
    fields = refused_fields(body)
    if not fields:
        return SENTENCES[Reason.PROVIDER_REFUSED]
    named = ", ".join(field.replace("_", " ") for field in fields)
    return f"The model did not accept these settings: {named}. Change them and try again."
