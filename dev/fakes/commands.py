"""The records of account commands in memory."""

import asyncio
from dataclasses import replace
from datetime import datetime

from dev.fakes.store import FakeStore
from shared.core.commands.acts import AccountCommand
from shared.core.events.command_event import CommandAnswer
from shared.ports import CommandRecord


class FakeCommands:
    """Implements ``Commands``. Tests read ``records`` as they are."""

    def __init__(self, store: FakeStore | None = None) -> None:
        self._store = store or FakeStore()
        self.records: dict[tuple[str, str], CommandRecord] = {}

    async def claim(self, command: AccountCommand, at: datetime) -> CommandRecord:
        """See ``Commands``."""
        await asyncio.sleep(0)
        return self.records.setdefault((command.account_id, command.command_id), CommandRecord(command.digest, at))

    async def settle(
        self, command: AccountCommand, answer: CommandAnswer, at: datetime, *, is_made: bool = False
    ) -> CommandRecord:
        """See ``Commands``."""
        await asyncio.sleep(0)
        key = (command.account_id, command.command_id)
        if self.records[key].answer is None:
            if answer.made_nothing and command.account_id and not is_made:
                mark = (command.account_id, command.act.kind, command.command_id)
                if self._store.is_made(*mark):
                    return self.records[key]
                self._store.marks.add(mark)
            self.records[key] = replace(self.records[key], at=at, answer=answer)
        return self.records[key]
