"""What goes wrong with Tables, in the words of shared/ports. What blobs have too is in azure_storage/errors.py.

Rules of this file:
1. What may work later is Unavailable, a missing table among it: an operator mends it, and the messages wait
   meanwhile. A request that will be refused for ever is TablesRefused.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from shared.adapters.azure_storage.errors import Answered, answered_by_sdk, unavailable
from shared.core.dependency import Dependency
from shared.ports import Unavailable

#: What an identity needs to read and write rows; in Cosmos DB it is a role of the account's own, and not of Azure's.
ROLE, COSMOS_ROLE = "Storage Table Data Contributor", "Cosmos DB Built-in Data Contributor"


class TablesRefused(Exception):  # noqa: N818  # it says what happened
    """A request that Tables will never accept: a row beyond its limits, a key of forbidden characters."""


def is_rivalry(answered: Answered) -> bool:
    """Whether a conditional write failed because the row is not, or no longer, what was expected."""
    return is_row_missing(answered) or answered.status in (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED)


def is_row_missing(answered: Answered) -> bool:
    """Whether the row that was asked for is not there, while its table is."""
    return answered.status == HTTPStatus.NOT_FOUND and not is_table_missing(answered)


def is_table_missing(answered: Answered) -> bool:
    """Whether the table is not there. An insert never misses a row, and only for an insert there may be no code."""
    return answered.status == HTTPStatus.NOT_FOUND and answered.code in ("", "TableNotFound")


@contextmanager
def translated(table: str, role: str) -> Iterator[None]:
    """Turn what was answered into our words; ``role`` is what an identity needs there."""
    try:
        yield
    except Answered as answered:
        raise _in_our_words(answered, table, role) from None


@contextmanager
def sdk_translated(table: str, role: str) -> Iterator[None]:
    """The same for what the SDK raises."""
    from azure.core.exceptions import AzureError  # noqa: PLC0415  # only where the SDK is used

    try:
        yield
    except AzureError as error:
        raise _in_our_words(answered_by_sdk(error), table, role) from None


def _in_our_words(answered: Answered, table: str, role: str) -> Exception:
    if is_table_missing(answered):
        return Unavailable(
            Dependency.TABLES, f"the table {table!r} does not exist: deploy the infrastructure, or create it"
        )
    refused = TablesRefused(f"tables refused a request on {table!r}: {answered}")
    return unavailable(Dependency.TABLES, answered, role) or refused
