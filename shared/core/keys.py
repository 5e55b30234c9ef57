"""Whose generation, and which: the two ids that name it everywhere, and what an id may be.

Rules of this file:
1. An id is what identity providers and apps make (``ada+x@example.com``, ``us-east-1:7f3c``, ``auth0|5f7c``,
   ``o'brien``), as far as Tables, Cosmos DB and Blob Storage all take it as a key: none of
   slash, backslash, ``# ? %``, no control character, no dot at the end.
2. What is put together from ids is never read back by taking it apart. It is joined by what no id may hold, so that two
   keys never make the same name.
"""

import re
from dataclasses import dataclass

#: What an id may be, as a pattern for the whole of it.
ID_PATTERN = r"[A-Za-z0-9_-](?:[A-Za-z0-9._@|+:=~'-]{0,126}[A-Za-z0-9_@|+:=~'-])?"
_ID = re.compile(ID_PATTERN)

#: What an id may be, in words.
ID_RULE = "1 to 128 letters, digits and . _ @ | - + : = ~ ', starting with a letter, a digit, _ or -, no dot at the end"


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Whose generation, and which: the one address of a generation everywhere."""

    user_id: str
    generation_id: str

    def __str__(self) -> str:
        return f"{self.user_id}/{self.generation_id}"

    def named(self, *parts: object) -> str:
        """A name of something about this generation, such as a message's id: no other key has it (rule 2)."""
        return "/".join((str(self), *map(str, parts)))


#: Both ids of a message that says them as something else than ids (a number, a text with a slash): user, generation.
GivenIds = tuple[str | int, str | int]


def is_id(value: object) -> bool:
    """Whether a value can be an id of ours: see ``ID_RULE``."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None
