"""How many moves fit into one transaction.

Rules of this file:
1. A row's size is reckoned from above, without encoding it: what is encoded twice costs CPU for each move.
2. A move that fits into no transaction is tried all the same, alone: the service says what it does not take.
"""

from collections.abc import Sequence

from shared.adapters.azure_storage.tables.entities import Row, Write

#: The bounds of a transaction. Table Storage takes 4 MiB; Cosmos DB for Table is held to the half.
MOST_ROWS, MOST_BYTES = 100, 2 * 1024 * 1024

#: A character beyond the BMP is two escapes of six bytes in JSON.
_CHARACTER_BYTES = 12

#: What a column needs beside its value (name, type), and what a row needs (the parts of the multipart body, its keys).
_COLUMN_BYTES, _ROW_BYTES = 128, 2048


def most_that_fit(moves: Sequence[Sequence[Write]]) -> int:
    """How many moves, from the first on, fit: at least 1. A row that several of them write is written once."""
    rows: dict[str, int] = {}
    for number, writes in enumerate(moves):
        for row, _ in writes:
            rows[str(row["RowKey"])] = max(size_bytes(row), rows.get(str(row["RowKey"]), 0))
        if len(rows) > MOST_ROWS or sum(rows.values()) > MOST_BYTES:
            return max(1, number)
    return len(moves)


def size_bytes(row: Row) -> int:
    """At least as many bytes as a row needs in a transaction's body."""
    texts = sum(len(value) * _CHARACTER_BYTES if isinstance(value, str) else 0 for value in row.values())
    return _ROW_BYTES + len(row) * _COLUMN_BYTES + texts
