"""The state in a disposition: the outcome a receiver chose, and what it says besides (OASIS AMQP 1.0, section 3.4).

Service Bus puts the message annotations of a `modified` outcome, and the entries of the info of a `rejected` one,
into the application properties of the message: this is what the SDKs call properties to modify. Their values stay
encoded, as everything that a client sends.
"""

from dataclasses import dataclass

from servicebus_emulator import codec, frames
from servicebus_emulator.message import Pairs

TRANSACTIONAL_CODE = 0x34  # the state of a delivery inside a transaction (OASIS AMQP 1.0, section 4.5.8)

REASON, DESCRIPTION = "DeadLetterReason", "DeadLetterErrorDescription"

_INFO = 2  # the index of the map in an error


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What to do with a delivery; reason and description are there for a dead letter alone."""

    code: int
    undeliverable_here: bool = False
    properties: Pairs = ()
    reason: str | None = None
    description: str | None = None


def parse(state: bytes | None) -> Outcome | None:
    """Read an encoded state; None when it is no outcome (none at all, or `received`).

    Raises:
        codec.MALFORMED: the bytes are not a delivery state.
    """
    if state is None:
        return None
    code, at = codec.decode(state, 1)
    if code == TRANSACTIONAL_CODE:
        return Outcome(code=code)
    if code not in frames.OUTCOME_CODES:
        return None
    fields = codec.raw_items(state, at)
    if code == frames.MODIFIED_CODE:
        fields += [codec.NULL] * (3 - len(fields))
        return Outcome(
            code=code, undeliverable_here=bool(codec.decode(fields[1])[0]), properties=codec.raw_pairs(fields[2])
        )
    if code == frames.REJECTED_CODE:
        return _rejected(fields)
    return Outcome(code=code)


def is_transactional(state: bytes | None) -> bool:
    """Whether a transfer belongs to a transaction."""
    return state is not None and codec.decode(state, 1)[0] == TRANSACTIONAL_CODE


def _rejected(fields: list[bytes]) -> Outcome:
    """Reason and description are entries of the info of the error; all others are properties."""
    error = fields[0] if fields else codec.NULL
    items = [] if error == codec.NULL else codec.raw_items(error, codec.end_of(error, 1))
    pairs = codec.raw_pairs(items[_INFO]) if len(items) > _INFO else ()
    named = {codec.decode(key)[0]: value for key, value in pairs}
    reason, description = (codec.decode(named.get(name, codec.NULL))[0] for name in (REASON, DESCRIPTION))
    return Outcome(
        code=frames.REJECTED_CODE,
        properties=tuple((key, value) for key, value in pairs if codec.decode(key)[0] not in {REASON, DESCRIPTION}),
        reason=reason,
        description=description,
    )
