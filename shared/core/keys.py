"""Whose generation, and which: the two ids that name it everywhere, and what an id may be.

Ids are letters, digits and ``. _ @ | -``, at most 128 characters: what Tables and Blob both take as a key.
"""

import re
from dataclasses import dataclass

_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._@|-]{0,126}[A-Za-z0-9_@|-])?")

#: What an id may be, in words.
ID_RULE = "1 to 128 letters, digits and . _ @ | -, starting with a letter or digit, not ending with a dot"


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Whose generation, and which: the one address of a generation everywhere."""

    user_id: str
    generation_id: str

    def __str__(self) -> str:
        return f"{self.user_id}/{self.generation_id}"


def is_id(value: object) -> bool:
    """Whether a value can be an id of ours: see ``ID_RULE``."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None
