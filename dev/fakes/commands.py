"""The records of account commands in memory."""

import asyncio
from dataclasses import replace
from datetime import datetime

from shared.core.commands.acts import AccountCommand
from shared.core.events.command_event import CommandAnswer
from shared.ports import CommandRecord


class FakeCommands:
    """Implements ``Commands``. Tests read ``records`` as they are."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], CommandRecord] = {}

    async def claim(self, command: AccountCommand, at: datetime) -> CommandRecord:
        """See ``Commands``."""
        await asyncio.sleep(0)
        return self.records.setdefault((command.account_id, command.command_id), CommandRecord(command.digest, at))

    async def settle(self, command: AccountCommand, answer: CommandAnswer, at: datetime) -> CommandRecord:
        """See ``Commands``."""
        await asyncio.sleep(0)
        key = (command.account_id, command.command_id)
        if self.records[key].answer is None:
            self.records[key] = replace(self.records[key], at=at, answer=answer)
        return self.records[key]
