"""A version that an account has trained, as a row of the account's partition. The rules are those of rows.py."""

from collections.abc import Mapping
from typing import Any

from shared.adapters.azure_storage.tables.columns import Columns, Row
from shared.core.keys import Key
from shared.core.training.versions import TrainedVersion


def version_key(name: str) -> str:
    """The RowKey of a version. A key has no slash, and a name no semicolon."""
    return f"version:{name.replace('/', ';')}"


def version_row(version: TrainedVersion) -> Row:
    """A version as a row."""
    return {
        "PartitionKey": version.key.account_id,
        "RowKey": version_key(version.name),
        "name": version.name,
        "entry": version.entry,
        "trainer": version.trainer,
        "user_id": version.key.user_id,
        "generation_id": version.key.generation_id,
        "made_at": version.made_at,
        "weights": version.weights or None,
    }


def version_of(row: Mapping[str, Any]) -> TrainedVersion:
    """The version in a row. Raises UnreadableRow as ``Columns`` does."""
    columns = Columns(row)
    key = Key(columns.get("user_id", str), columns.get("generation_id", str), columns.get("PartitionKey", str))
    return TrainedVersion(
        name=columns.get("name", str),
        entry=columns.get("entry", str),
        trainer=columns.get("trainer", str),
        key=key,
        made_at=columns.time("made_at"),
        weights=columns.maybe("weights", str) or "",
    )
