"""Names as Replicate writes them: owner/name, and owner/name:version. And numbers of seconds that are some."""

import math
import re
from contextlib import suppress

from shared.adapters.replicate.sdk.errors import ValidationError

# Loose: what is no name at all is refused here, the rest is Replicate's to judge.
_OWNED = re.compile(r"([\w.-]{1,100})/([\w.-]{1,100})")


def owner_and_name(operation: str, value: str, field: str = "model") -> tuple[str, str]:
    """The two halves of ``owner/name``. ValidationError if it has no such halves."""
    halves = _OWNED.fullmatch(value)
    if halves is None:
        shape = f"{len(value)} characters with {value.count('/')} slashes"
        raise ValidationError(operation, f"{field} must be owner/name, not {shape}", {field: "format"})
    return halves[1], halves[2]


def seconds(operation: str, value: object, *, field: str = "timeout_s", most_s: float | None = None) -> float:
    """The value, if it can be waited for. ValidationError for what is no number, not finite, negative or too much."""
    number = math.nan
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        with suppress(OverflowError):
            number = float(value)
    if not math.isfinite(number) or not 0 <= number <= (number if most_s is None else most_s):
        bounds = "from 0 on" if most_s is None else f"from 0 to {most_s:g}"
        raise ValidationError(operation, f"{field} must be a number of seconds {bounds}", {field: "range"})
    return number
