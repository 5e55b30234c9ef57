"""The columns of a generation's attempt, in the row of its generation. The rules are those of rows.py."""

from shared.adapters.azure_storage.tables.columns import Columns, Row, json_columns
from shared.core.lifecycle.attempt import Attempt
from shared.core.modality import Modality
from shared.core.money.pricing import Price, Unit
from shared.core.provider.guarantees import Guarantees, Kind, ProviderName


def attempt_columns(attempt: Attempt) -> Row:
    """An attempt as columns."""
    return {
        "attempt": attempt.number,
        "posts": attempt.posts,
        "model": attempt.model,
        "provider": attempt.provider,
        "target": attempt.target,
        "prediction_kind": attempt.kind,
        **json_columns("guarantees", list(attempt.guarantees.names)),
        "modality": attempt.modality,
        **json_columns("inputs", dict(attempt.inputs)),
        "seed": attempt.seed,
        "own_seed": attempt.own_seed,
        "wanted_outputs": attempt.outputs,
        "unit_credits": attempt.unit_credits,
        **json_columns("prices", {price.unit.value: price.usd_micros for price in attempt.prices}),
        "seconds": attempt.seconds or None,
        "output_bytes": attempt.output_bytes or None,
        "destination": attempt.destination or None,
        "inherits": attempt.inherits or None,
        "expected_s": attempt.expected_s,
        "cancel_after_s": attempt.cancel_after_s,
        "submitted_at": attempt.submitted_at,
        "retry_at": attempt.retry_at,
        "prediction_id": attempt.prediction_id,
        "missing_since": attempt.missing_since,
        "promised": attempt.promised or None,
    }


def attempt_of(columns: Columns) -> Attempt | None:
    """The attempt in a row, or None if the row has none. Raises UnreadableRow as ``Columns`` does."""
    number = columns.maybe("attempt", int)
    if number is None:
        return None
    return Attempt(
        number=number,
        posts=columns.get("posts", int),
        model=columns.get("model", str),
        provider=ProviderName(columns.get("provider", str)),
        target=columns.get("target", str),
        kind=_kind(columns),
        guarantees=_guarantees(columns),
        modality=_modality(columns),
        inputs=columns.json("inputs", dict) or {},
        seed=columns.get("seed", int),
        own_seed=columns.get("own_seed", bool),
        outputs=columns.get("wanted_outputs", int),
        unit_credits=columns.get("unit_credits", int),
        prices=_prices(columns),
        seconds=columns.maybe("seconds", int) or 0,
        output_bytes=columns.maybe("output_bytes", int) or 0,
        destination=columns.maybe("destination", str) or "",
        inherits=columns.maybe("inherits", str) or "",
        expected_s=columns.get("expected_s", int),
        cancel_after_s=columns.get("cancel_after_s", int),
        submitted_at=columns.time("submitted_at"),
        retry_at=columns.maybe_time("retry_at"),
        prediction_id=columns.maybe("prediction_id", str),
        missing_since=columns.maybe_time("missing_since"),
        promised=columns.maybe("promised", bool) or False,
    )


def _modality(columns: Columns) -> Modality:
    try:
        return Modality(columns.maybe("modality", str) or Modality.IMAGE)
    except ValueError:
        raise columns.unreadable("modality") from None


def _kind(columns: Columns) -> Kind:
    try:
        return Kind(columns.get("prediction_kind", str))
    except ValueError:
        raise columns.unreadable("prediction_kind") from None


def _guarantees(columns: Columns) -> Guarantees:
    """The provider's guarantees when the attempt was made. A name that this version does not know is ignored."""
    try:
        return Guarantees.of(tuple(columns.json("guarantees", list) or ()))
    except TypeError:
        raise columns.unreadable("guarantees") from None


def _prices(columns: Columns) -> tuple[Price, ...]:
    """The prices of an attempt. Older rows have a single price, per image."""
    old = columns.maybe("price_usd_micros", int)
    if old is not None:
        return (Price(Unit.IMAGE, old),)
    try:
        return tuple(Price(Unit(unit), int(price)) for unit, price in (columns.json("prices", dict) or {}).items())
    except (TypeError, ValueError):
        raise columns.unreadable("prices") from None
