"""Azure Tables: the state of every generation, and the open index.

store.py     TableStore: accounts, generations and ledger; a move of credits is one transaction
index.py     TableIndex: what is not finished and announced
rows.py      how our types become rows, and rows our types
columns.py   one row's columns, by name and type
service.py   the two ways to an account: the line, and the SDK
line.py      point reads, writes and transactions, with little CPU
entities.py  rows and transactions on the wire
errors.py    what Tables answers, in the words of shared/ports
"""

from shared.adapters.azure_storage.tables.errors import TablesRefused
from shared.adapters.azure_storage.tables.index import TableIndex
from shared.adapters.azure_storage.tables.service import TableService
from shared.adapters.azure_storage.tables.store import TableStore
from shared.ports import UnreadableRow

__all__ = ["TableIndex", "TableService", "TableStore", "TablesRefused", "UnreadableRow"]
