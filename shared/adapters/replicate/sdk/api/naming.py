"""Checks of arguments: names of the form owner/name, and numbers of seconds."""

import math
import re
from contextlib import suppress

from shared.adapters.replicate.sdk.errors import ValidationError

# A loose pattern: Replicate itself decides which names are valid.
_OWNED = re.compile(r"([\w.-]{1,100})/([\w.-]{1,100})")


def owner_and_name(operation: str, value: str, field: str = "model") -> tuple[str, str]:
    """The two parts of ``owner/name``. ValidationError if it does not have this form."""
    halves = _OWNED.fullmatch(value)
    if halves is None:
        shape = f"{len(value)} characters with {value.count('/')} slashes"
        raise ValidationError(operation, f"{field} must be owner/name, not {shape}", {field: "format"})
    return halves[1], halves[2]


def seconds(operation: str, value: object, *, field: str = "timeout_s", most_s: float | None = None) -> float:
    """The value as a number of seconds. ValidationError if it is not a number, not finite, negative or too large."""
    number = math.nan
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        with suppress(OverflowError):
            number = float(value)
    if not math.isfinite(number) or not 0 <= number <= (number if most_s is None else most_s):
        bounds = "from 0 on" if most_s is None else f"from 0 to {most_s:g}"
        raise ValidationError(operation, f"{field} must be a number of seconds {bounds}", {field: "range"})
    return number
