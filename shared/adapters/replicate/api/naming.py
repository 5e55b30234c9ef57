"""Names as Replicate writes them: owner/name, and owner/name:version."""

import re

from shared.adapters.replicate.errors import ValidationError

# Loose: what is no name at all is refused here, the rest is Replicate's to judge.
_OWNED = re.compile(r"([\w.-]{1,100})/([\w.-]{1,100})")


def owner_and_name(operation: str, value: str, field: str = "model") -> tuple[str, str]:
    """The two halves of ``owner/name``. ValidationError if it has no such halves."""
    halves = _OWNED.fullmatch(value)
    if halves is None:
        shape = f"{len(value)} characters with {value.count('/')} slashes"
        raise ValidationError(operation, f"{field} must be owner/name, not {shape}", {field: "format"})
    return halves[1], halves[2]
