"""Whose generation, and which: the three ids that name it everywhere, and what an id may be.

Rules of this file:
1. An id is what identity providers and apps make (``ada+x@example.com``, ``us-east-1:7f3c``, ``auth0|5f7c``,
   ``o'brien``), as far as Tables, Cosmos DB and Blob Storage all take it as a key: none of
   slash, backslash, ``# ? %``, no control character, no dot at the end.
2. A generation is named by account, user and id, in this order, and always by all three: two users of one account may
   use the same id, and so may two accounts. A user whose account nobody names has one of the same id.
3. What is put together from ids is never read back by taking it apart. It is joined by what no id may hold, so that two
   keys never make the same name: ``/`` in names, ``;`` in RowKeys.
4. A RowKey has its bound. Ids that are too long for it are the first of them and a digest of all, behind two
   semicolons: ids are not empty, so no plain RowKey has those.
"""

import hashlib
import re
from dataclasses import dataclass

#: What an id may be, as a pattern for the whole of it.
ID_PATTERN = r"[A-Za-z0-9_-](?:[A-Za-z0-9._@|+:=~'-]{0,126}[A-Za-z0-9_@|+:=~'-])?"
_ID = re.compile(ID_PATTERN)

#: What an id may be, in words.
ID_RULE = "1 to 128 letters, digits and . _ @ | - + : = ~ ', starting with a letter, a digit, _ or -, no dot at the end"

#: The longest RowKey of Cosmos DB (learn.microsoft.com/azure/cosmos-db/table/faq); Storage takes 1 KiB. Ids are ASCII.
ROW_KEY_BYTES = 255

#: What ``row_key`` and ``index_key`` may have of it: before and after there is room for ``ledger:`` and ``:resolve``.
IDS_BYTES = 240


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Whose generation, and which: the one address of a generation everywhere.

    ``account_id`` says who pays; left out (or empty), the account is the one of the user's id.
    """

    user_id: str
    generation_id: str
    account_id: str = ""

    def __post_init__(self) -> None:
        if not self.account_id:
            object.__setattr__(self, "account_id", self.user_id)

    def __str__(self) -> str:
        return f"{self.account_id}/{self.user_id}/{self.generation_id}"

    def named(self, *parts: object) -> str:
        """A name of something about this generation, such as a message's id: no other key has it (rule 3)."""
        return "/".join((str(self), *map(str, parts)))

    @property
    def whose(self) -> str:
        """The user in a list: ``ada``, or ``acme/ada`` where another account pays."""
        return user_named(self.account_id, self.user_id)

    @property
    def in_message(self) -> dict[str, str]:
        """The ids as a message says them: the account only where it is not the one of the user's id."""
        ids = {"generation_id": self.generation_id, "user_id": self.user_id}
        return ids if self.account_id == self.user_id else ids | {"account_id": self.account_id}

    @property
    def properties(self) -> dict[str, str]:
        """All three ids by name: for logs, traces, the metadata of a blob and the data of an event."""
        return {"generation_id": self.generation_id, "user_id": self.user_id, "account_id": self.account_id}


#: The ids of a message that says them as something else than ids (a number, a text with a slash): account, user,
#: generation. The account is None where it cannot even be told.
GivenIds = tuple[str | int | None, str | int, str | int]


def is_id(value: object) -> bool:
    """Whether a value can be an id of ours: see ``ID_RULE``."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def user_named(account_id: str, user_id: str) -> str:
    """A user in a list: ``ada``, or ``acme/ada`` where another account pays."""
    return user_id if account_id == user_id else f"{account_id}/{user_id}"


def row_key(key: Key) -> str:
    """What a generation is called within its account's partition: ``user;generation`` (rules 3 and 4)."""
    return _bounded(key.user_id, key.generation_id)


def index_key(key: Key) -> str:
    """What a generation is called where the generations of all accounts are: ``account;user;generation``."""
    return _bounded(key.account_id, key.user_id, key.generation_id)


def _bounded(*ids: str) -> str:
    joined = ";".join(ids)
    if len(joined) <= IDS_BYTES:
        return joined
    return f"{ids[0]};;{hashlib.sha256(joined.encode()).hexdigest()}"
