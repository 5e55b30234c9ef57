"""The journal in SQLite: what was acknowledged survives the end of the process, however it ends.

Rules:
- One transaction per turn of the event loop, committed before the answers of that turn are written to sockets.
- WAL with synchronous=NORMAL: it survives the end of the process, but not a power cut.
- One process per file: the exclusive locking mode refuses a second one.
"""

import sqlite3
from pathlib import Path

from servicebus_emulator.broker import Broker
from servicebus_emulator.memory import Message, State
from servicebus_emulator.message import parse

_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    queue TEXT NOT NULL,
    sequence_number INTEGER NOT NULL,
    state INTEGER NOT NULL,
    delivery_count INTEGER NOT NULL,
    enqueued_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    content BLOB NOT NULL,
    PRIMARY KEY (queue, sequence_number)
);
CREATE TABLE IF NOT EXISTS numbers (queue TEXT PRIMARY KEY, reserved INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS seen (
    queue TEXT NOT NULL,
    message_id BLOB NOT NULL,
    until_ms INTEGER NOT NULL,
    PRIMARY KEY (queue, message_id)
);
"""


class Store:
    """A journal in a file. Use it from one thread."""

    def __init__(self, path: Path) -> None:
        # Transactions are begun and ended by hand; a second process is refused at once, not after a wait.
        self._db = sqlite3.connect(path, isolation_level=None, timeout=0)
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    def load(self, broker: Broker, now_ms: int) -> None:
        """Load everything into a fresh broker. Rows of entities that no longer exist stay stored."""
        self._db.execute("DELETE FROM seen WHERE until_ms <= ?", (now_ms,))
        for path, reserved in self._db.execute("SELECT queue, reserved FROM numbers"):
            if queue := broker.find(path):
                queue.memory.restore_number(reserved)
        for path, message_id, until_ms in self._db.execute("SELECT * FROM seen ORDER BY until_ms"):
            if queue := broker.find(path):
                queue.memory.restore_seen(message_id, until_ms)
        for path, *row in self._db.execute("SELECT * FROM messages ORDER BY sequence_number"):
            if queue := broker.find(path):
                queue.restore_message(_message(*row))

    def put(self, path: str, message: Message) -> None:
        """Insert a message, or replace it."""
        self._write(
            "INSERT OR REPLACE INTO messages VALUES (?, ?, ?, ?, ?, ?, ?)",
            path,
            message.sequence_number,
            int(message.state),
            message.delivery_count,
            message.enqueued_ms,
            message.expires_ms,
            message.content.encoded(),
        )

    def update(self, path: str, message: Message) -> None:
        """Write the state and the delivery count of a message."""
        self._write(
            "UPDATE messages SET state = ?, delivery_count = ? WHERE queue = ? AND sequence_number = ?",
            int(message.state),
            message.delivery_count,
            path,
            message.sequence_number,
        )

    def delete(self, path: str, sequence_number: int) -> None:
        """Delete a message."""
        self._write("DELETE FROM messages WHERE queue = ? AND sequence_number = ?", path, sequence_number)

    def reserve(self, path: str, sequence_number: int) -> None:
        """Write the last sequence number that a queue may use before it reserves again."""
        self._write("INSERT OR REPLACE INTO numbers VALUES (?, ?)", path, sequence_number)

    def remember(self, path: str, message_id: bytes, until_ms: int) -> None:
        """Write a message id that duplicate detection drops until then."""
        self._write("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", path, message_id, until_ms)

    def commit(self) -> None:
        """Make all that was written durable; sqlite3.Error when that cannot be done."""
        if self._db.in_transaction:
            self._db.execute("COMMIT")

    def close(self) -> None:
        """Commit and close."""
        self.commit()
        self._db.close()

    def _write(self, statement: str, *values: str | bytes | int | None) -> None:
        if not self._db.in_transaction:
            self._db.execute("BEGIN")
        self._db.execute(statement, values)


def _message(
    sequence_number: int,
    state: int,
    delivery_count: int,
    enqueued_ms: int,
    expires_ms: int | None,
    content: bytes,
) -> Message:
    return Message(
        sequence_number=sequence_number,
        content=parse(content),
        enqueued_ms=enqueued_ms,
        expires_ms=expires_ms,
        state=State(state),
        delivery_count=delivery_count,
    )
