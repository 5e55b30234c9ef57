"""The table of statuses, from both ends: the outcome of a create, and the exception of the library, by hand."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from shared.adapters.replicate.creating import outcome_of
from shared.adapters.replicate.sdk.calling import error_of
from shared.adapters.replicate.sdk.errors import (
    AuthenticationError,
    CreditError,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitError,
    ReplicateError,
    TransientError,
    ValidationError,
)
from shared.adapters.replicate.sdk.operations import OPERATIONS
from shared.adapters.replicate.sdk.statuses import STATUSES
from shared.core.provider.prediction import (
    Created,
    CreateOutcome,
    CreateRefused,
    DeferReason,
    NotCreated,
    OutcomeUnknown,
)
from shared.core.reasons import Reason
from tests.adapters.replicate_clients import CREATED

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)

READ, WRITE = OPERATIONS["predictions.get"], OPERATIONS["predictions.create"]

#: What came of a create, the exception for a read, and the exception for a write.
Row = tuple[object, type[ReplicateError], type[ReplicateError]]

_FOREIGN: Row = (DeferReason.MISROUTED, TransientError, TransientError)
_REFUSED: Row = (Reason.PROVIDER_REFUSED, ValidationError, ValidationError)
_GONE: Row = (Reason.UNKNOWN_MODEL, NotFoundError, NotFoundError)
_UNKNOWN: Row = (OutcomeUnknown, TransientError, OutcomeUnknownError)
_ODD: Row = (OutcomeUnknown, ReplicateError, ReplicateError)

#: By status: for an answer of Replicate's own, and for one of anybody else. The rest are in ``expected``.
BY_HAND: dict[int, tuple[Row, Row]] = {
    401: ((DeferReason.UNAUTHORIZED, AuthenticationError, AuthenticationError),) * 2,
    402: ((DeferReason.NO_CREDIT, CreditError, CreditError),) * 2,
    403: (
        (DeferReason.FORBIDDEN, AuthenticationError, AuthenticationError),
        (DeferReason.BLOCKED, AuthenticationError, AuthenticationError),
    ),
    404: (_GONE, _FOREIGN),
    405: (_REFUSED, _FOREIGN),
    407: (_REFUSED, _FOREIGN),
    408: (_UNKNOWN, _UNKNOWN),
    409: (_UNKNOWN, _UNKNOWN),
    410: (_GONE, _FOREIGN),
    421: (_REFUSED, _FOREIGN),
    429: ((DeferReason.THROTTLED, RateLimitError, RateLimitError),) * 2,
    451: (_REFUSED, _FOREIGN),
}


def expected(status: int, *, replicates: bool) -> Row:
    """What the answer of this status means, as a person says it."""
    if status in BY_HAND:
        return BY_HAND[status][not replicates]
    if 400 <= status < 500:
        return _REFUSED
    return _UNKNOWN if status >= 500 else _ODD


def answers() -> Iterator[tuple[int, bool, httpx.Response]]:
    """Every status that is no success, answered by Replicate, and with the page of a proxy."""
    for status in (*range(100, 200), *range(300, 600)):
        yield status, True, httpx.Response(status, content=json.dumps({"detail": "No."}).encode())
        yield status, False, httpx.Response(status, content=b"<!DOCTYPE html><title>Attention!</title>")


def in_a_word(outcome: CreateOutcome) -> object:
    """What decides about an outcome: why it was not created, the reason of its end, or that nothing is known."""
    match outcome:
        case NotCreated(why=why):
            return why
        case CreateRefused(reason=reason):
            return reason
        case _:
            return type(outcome)


def test_every_status_means_for_both_what_was_written_by_hand() -> None:
    """One table, two users: an outcome and an exception that always agree on whether anything was done."""
    for status, replicates, answer in answers():
        said = (
            in_a_word(outcome_of(answer, NOW)),
            type(error_of(answer, READ, NOW)),
            type(error_of(answer, WRITE, NOW)),
        )
        assert said == expected(status, replicates=replicates), (status, replicates)
    assert set(STATUSES) == set(BY_HAND)


def test_a_create_is_unknown_exactly_where_a_write_of_the_library_may_have_been_done() -> None:
    """A redirect aside, which the library reports by its name: money depends on this one question."""
    for status, replicates, answer in answers():
        unknown = isinstance(outcome_of(answer, NOW), OutcomeUnknown)
        lost = isinstance(error_of(answer, WRITE, NOW), OutcomeUnknownError)
        assert unknown == lost or status < 400, (status, replicates)


@pytest.mark.parametrize("status", [200, 201, 202, 203, 206])
def test_a_success_counts_as_created_if_it_holds_a_prediction(status: int) -> None:
    """A success that cannot be read leaves the outcome unknown, whatever its number."""
    created = outcome_of(httpx.Response(status, content=json.dumps(CREATED).encode()), NOW)
    assert isinstance(created, Created)
    assert created.prediction.prediction_id == CREATED["id"]
    for body in (b"", b"{}", b"<html>", b'{"detail": "No."}'):
        assert outcome_of(httpx.Response(status, content=body), NOW) == OutcomeUnknown("the answer could not be read")
