"""The three ids that name a generation everywhere, and what an id may contain.

Rules of this file:
1. An id is what identity providers and apps make (``ada+x@example.com``, ``us-east-1:7f3c``, ``auth0|5f7c``,
   ``o'brien``), as far as Tables, Cosmos DB and Blob Storage all accept it as a key: no slash, no backslash, none of
   ``# ? %``, no control character, no dot at the end.
2. A generation is named by account, user and id, in this order, and always by all three. Two users of one account may
   use the same id, and so may two accounts. A user without a named account has the account of the same id.
3. A name joined from ids is never split again. Ids are joined by a character that no id may contain, so that two keys
   never make the same name: ``/`` in names, ``;`` in RowKeys.
4. A RowKey is bounded. Ids that are too long for it are the first one, two semicolons and a digest of them all. The
   first one stays whole, because the open index is read by account. No plain RowKey has two semicolons in a row,
   because no id is empty or has one. So no two generations share a RowKey.
"""

import hashlib
import re
from dataclasses import dataclass

#: What an id may be: a pattern for the whole id.
ID_PATTERN = r"[A-Za-z0-9_-](?:[A-Za-z0-9._@|+:=~'-]{0,126}[A-Za-z0-9_@|+:=~'-])?"
_ID = re.compile(ID_PATTERN)

#: What an id may be, in words.
ID_RULE = "1 to 128 letters, digits and . _ @ | - + : = ~ ', starting with a letter, a digit, _ or -, no dot at the end"

#: The longest RowKey of Cosmos DB (learn.microsoft.com/azure/cosmos-db/table/faq); Storage takes 1 KiB. Ids are ASCII.
ROW_KEY_BYTES = 255

#: The longest result of ``row_key`` and ``index_key``: this leaves room for ``move:ended_unopened:`` before it.
IDS_BYTES = 235


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """The name of a generation: account, user and id.

    ``account_id`` says who pays. If it is left out or empty, the account has the user's id.
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
        """A name of something about this generation, such as a message's id. No other key makes it (rule 3)."""
        return "/".join((str(self), *map(str, parts)))

    @property
    def whose(self) -> str:
        """The user in a list: ``ada``, or ``acme/ada`` where another account pays."""
        return user_named(self.account_id, self.user_id)

    @property
    def in_message(self) -> dict[str, str]:
        """The ids as a message has them: ``account_id`` only if it differs from ``user_id``."""
        ids = {"generation_id": self.generation_id, "user_id": self.user_id}
        return ids if self.account_id == self.user_id else ids | {"account_id": self.account_id}

    @property
    def properties(self) -> dict[str, str]:
        """All three ids by name: for logs, traces, the metadata of a blob and the data of an event."""
        return {"generation_id": self.generation_id, "user_id": self.user_id, "account_id": self.account_id}


#: The ids of a message whose ids are not valid (a number, a text with a slash): account, user, generation. The account
#: is None if it cannot even be repeated to the sender.
GivenIds = tuple[str | int | None, str | int, str | int]


def is_id(value: object) -> bool:
    """Whether a value is a valid id: see ``ID_RULE``."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def user_named(account_id: str, user_id: str) -> str:
    """A user in a list: ``ada``, or ``acme/ada`` where another account pays."""
    return user_id if account_id == user_id else f"{account_id}/{user_id}"


def row_key(key: Key) -> str:
    """The name of a generation within its account's partition: ``user;generation`` (rules 3 and 4)."""
    return _bounded(key.user_id, key.generation_id)


def index_key(key: Key) -> str:
    """The name of a generation among those of all accounts: ``account;user;generation``."""
    return _bounded(key.account_id, key.user_id, key.generation_id)


def _bounded(*ids: str) -> str:
    joined = ";".join(ids)
    if len(joined) <= IDS_BYTES:
        return joined
    return f"{ids[0]};;{hashlib.sha256(joined.encode()).hexdigest()}"
