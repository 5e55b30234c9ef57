"""Azure Tables: the state of every generation, and the open index.

store.py        TableStore: accounts, generations and ledger; a move of credits is one transaction
app_windows.py  TableAppWindows: what the whole app uses, a row for each instance
index.py        TableIndex: the open index, a row for each generation that is not finished and announced
commands.py     TableCommands: which account commands were given, and what became of them
moved.py        TableMovedAccounts: which accounts moved on which day
nights.py       TableNights: how far the night's audit has come
switches.py     TableSwitches: the kill switches, one row
destinations.py TableDestinations: whose a training's destination is, a row for each
waiting.py      TableWaitingList: the requests that wait for a turn
rows.py         turns our types into rows, and rows into our types
columns.py      reads one row's columns by name and type
service.py      one account's tables, through the REST client and through the SDK
rest_client.py  point reads, writes and transactions, with little CPU
entities.py     rows and transactions on the wire
errors.py       turns the service's errors into those of shared/ports
"""

from shared.adapters.azure_storage.tables.app_windows import TableAppWindows
from shared.adapters.azure_storage.tables.commands import TableCommands
from shared.adapters.azure_storage.tables.destinations import TableDestinations
from shared.adapters.azure_storage.tables.errors import TablesRefused
from shared.adapters.azure_storage.tables.index import TableIndex
from shared.adapters.azure_storage.tables.moved import TableMovedAccounts
from shared.adapters.azure_storage.tables.nights import TableNights
from shared.adapters.azure_storage.tables.service import TableService
from shared.adapters.azure_storage.tables.store import TableStore
from shared.adapters.azure_storage.tables.switches import TableSwitches
from shared.adapters.azure_storage.tables.waiting import TableWaitingList
from shared.ports import UnreadableRow

__all__ = [
    "TableAppWindows",
    "TableCommands",
    "TableDestinations",
    "TableIndex",
    "TableMovedAccounts",
    "TableNights",
    "TableService",
    "TableStore",
    "TableSwitches",
    "TableWaitingList",
    "TablesRefused",
    "UnreadableRow",
]
