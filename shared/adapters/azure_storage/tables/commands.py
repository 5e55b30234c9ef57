"""The records of account commands in Azure Tables: implements ``Commands``.

The rows are in the table of the state, in the partition of the command's account. A command about the whole app or a
model has a partition of its own, whose name no account can have:

    command:{command_id}   one command: its content, and what became of it

Rules of this file:
1. A command's row is inserted once. Its answer is added once, on the condition of its ETag. An answer that nothing was
   made comes with the row that forbids the command's move (store.py), in one transaction.
2. This file imports the types of commands where it makes them, because every worker that starts loads the store.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.adapters.azure_storage.errors import Answered
from shared.adapters.azure_storage.tables.columns import Columns, Row, json_columns
from shared.adapters.azure_storage.tables.errors import is_rivalry, is_row_missing, translated
from shared.adapters.azure_storage.tables.rows_money import mark_row
from shared.adapters.azure_storage.tables.service import TableService
from shared.core.dependency import Dependency
from shared.ports import CommandRecord, Unavailable

if TYPE_CHECKING:
    from shared.core.commands.acts import AccountCommand
    from shared.core.events.command_event import CommandAnswer

#: The partition of commands that are about no account.
OF_NO_ACCOUNT = ";app"

#: How often a write is tried again after somebody else was faster.
_TRIES = 10


class TableCommands:
    """The records of account commands. The caller closes the service."""

    def __init__(self, service: TableService, table: str) -> None:
        self._service = service
        self._name = table

    async def claim(self, command: "AccountCommand", at: datetime) -> CommandRecord:
        """Implements ``Commands``."""
        row = _row(command, at)
        if await self._write(row, ""):
            return _record(row)
        stored, _ = await self._read(row)
        return _record(stored or row)

    async def settle(
        self, command: "AccountCommand", answer: "CommandAnswer", at: datetime, *, is_made: bool = False
    ) -> CommandRecord:
        """Implements ``Commands``. A row that was deleted meanwhile is written anew."""
        for _ in range(_TRIES):
            stored, etag = await self._read(_row(command, at))
            if stored is not None and _record(stored).answer is not None:
                return _record(stored)
            decided = {
                **_row(command, at),
                "outcome": answer.outcome.value,
                "reason": answer.reason.value if answer.reason else None,
                "text": answer.text or None,
            }
            mark = _mark(command) if answer.made_nothing and command.account_id and not is_made else None
            if await self._write(decided, etag, mark):
                return _record(decided)
            if mark is not None and (await self._read(mark))[0] is not None and await self._has_no_answer(command, at):
                return CommandRecord(command.digest, at)
        raise _rivals()

    async def _has_no_answer(self, command: "AccountCommand", at: datetime) -> bool:
        stored, _ = await self._read(_row(command, at))
        return stored is not None and _record(stored).answer is None

    async def _read(self, row: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, str]:
        """The stored row of these keys and its ETag; None and "" if there is none."""
        keys = {"PartitionKey": row["PartitionKey"], "RowKey": row["RowKey"]}
        with translated(self._name, self._service.role):
            try:
                return await self._service.rest.read(self._name, keys)
            except Answered as answered:
                if is_row_missing(answered):
                    return None, ""
                raise

    async def _write(self, row: Row, etag: str, mark: Row | None = None) -> bool:
        """Insert the row, or replace the one with this ETag, and insert the mark. False: somebody else was faster."""
        with translated(self._name, self._service.role):
            try:
                if mark is not None:
                    await self._service.rest.transact(self._name, [(row, etag), (mark, "")])
                elif etag:
                    await self._service.rest.replace(self._name, row, etag)
                else:
                    await self._service.rest.insert(self._name, row)
            except Answered as answered:
                if not is_rivalry(answered):
                    raise
                return False
        return True


def _rivals() -> Unavailable:
    return Unavailable(Dependency.TABLES, "a command's record is being changed by too many at once")


def _mark(command: "AccountCommand") -> Row:
    return mark_row(command.account_id, command.act.kind, command.command_id)


def _row(command: "AccountCommand", at: datetime) -> Row:
    return {
        "PartitionKey": command.account_id or OF_NO_ACCOUNT,
        "RowKey": f"command:{command.command_id}",
        "digest": command.digest,
        "at": at,
        "kind": command.act.kind,
        "by": command.by,
        **json_columns("command", command.to_json()),
    }


def _record(row: Mapping[str, Any]) -> CommandRecord:
    from shared.core.events.command_event import CommandAnswer, CommandOutcome, CommandReason  # noqa: PLC0415  # rule 2

    columns = Columns(row)
    outcome = columns.maybe_one_of("outcome", CommandOutcome)
    reason, text = columns.maybe_one_of("reason", CommandReason), columns.maybe("text", str) or ""
    answer = None if outcome is None else CommandAnswer(outcome=outcome, reason=reason, text=text)
    return CommandRecord(columns.get("digest", str), columns.time("at"), answer)
