"""Turns the errors of Table Storage into ours. What blobs share is in azure_storage/errors.py.

Rules of this file:
1. What may work later is Unavailable. That includes a missing table: an operator creates it, and the messages wait
   until then. A request that will always be refused is TablesRefused.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from shared.adapters.azure_storage.errors import Answered, answered_by_sdk, unavailable
from shared.core.dependency import Dependency
from shared.ports import Unavailable

#: The roles that an identity needs to read and write rows. Cosmos DB's is a role of its own account, not of Azure RBAC.
ROLE, COSMOS_ROLE = "Storage Table Data Contributor", "Cosmos DB Built-in Data Contributor"


class TablesRefused(Exception):  # noqa: N818  # it says what happened
    """A request that Tables will never accept: a row beyond its limits, or a key with forbidden characters."""


def is_rivalry(answered: Answered) -> bool:
    """Whether a conditional write failed because another writer has changed, inserted or deleted the row."""
    return is_row_missing(answered) or answered.status in (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED)


def is_row_missing(answered: Answered) -> bool:
    """Whether the row is missing, while its table exists."""
    return answered.status == HTTPStatus.NOT_FOUND and not is_table_missing(answered)


def is_table_missing(answered: Answered) -> bool:
    """Whether the table is missing. A 404 without a code means that too: it comes only from an insert."""
    return answered.status == HTTPStatus.NOT_FOUND and answered.code in ("", "TableNotFound")


@contextmanager
def translated(table: str, role: str) -> Iterator[None]:
    """Turn an ``Answered`` raised in the body into one of our errors. ``role`` is the one that an identity needs."""
    try:
        yield
    except Answered as answered:
        raise _our_error(answered, table, role) from None


@contextmanager
def sdk_translated(table: str, role: str) -> Iterator[None]:
    """The same for errors of the SDK."""
    from azure.core.exceptions import AzureError  # noqa: PLC0415  # only where the SDK is used

    try:
        yield
    except AzureError as error:
        raise _our_error(answered_by_sdk(error), table, role) from None


def _our_error(answered: Answered, table: str, role: str) -> Exception:
    if is_table_missing(answered):
        return Unavailable(
            Dependency.TABLES, f"the table {table!r} does not exist: deploy the infrastructure, or create it"
        )
    refused = TablesRefused(f"tables refused a request on {table!r}: {answered}")
    return unavailable(Dependency.TABLES, answered, role) or refused
