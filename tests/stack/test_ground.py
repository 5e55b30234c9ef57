"""What the stacks of the tests share: nothing of one account of Azurite is in another."""

import pytest
from azure.core.exceptions import ClientAuthenticationError, ResourceNotFoundError
from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobServiceClient

from tests.stack.road import Ground

pytestmark = pytest.mark.stack


async def test_an_account_has_its_own_tables_and_containers(ground: Ground) -> None:
    """The same names in both, and neither sees what the other has; an account that nobody made refuses."""
    one, other = ground.storage(), ground.storage()
    assert one.ports == other.ports
    async with (
        TableServiceClient.from_connection_string(one.connection_string) as tables,
        TableServiceClient.from_connection_string(other.connection_string) as other_tables,
        BlobServiceClient.from_connection_string(one.connection_string) as blobs,
        BlobServiceClient.from_connection_string(other.connection_string) as other_blobs,
        TableServiceClient.from_connection_string(ground.azurite.of("nobody").connection_string) as nobody,
    ):
        for each in (tables, other_tables):
            await each.create_table("same")
        await tables.get_table_client("same").create_entity({"PartitionKey": "a", "RowKey": "b"})
        await blobs.create_container("pictures")
        with pytest.raises(ResourceNotFoundError):
            await other_tables.get_table_client("same").get_entity("a", "b")
        assert [each.name async for each in other_blobs.list_containers()] == []
        with pytest.raises((ClientAuthenticationError, ResourceNotFoundError)):
            await nobody.create_table("same")
