"""The option of Cosmos DB for Table: what hangs on it beside its own module."""

import re
from typing import Any

from shared.adapters.azure_storage.access import StorageAccount
from tests.infra.snapshots import ENVIRONMENTS, INFRA, app_settings, one, resources, snapshots


def made(environment: str, kind: str) -> list[str]:
    """The names of an environment's resources of a kind."""
    return [each.name for each in resources({environment: snapshots()[environment]}, kind)]


def test_it_has_the_tables_that_storage_has() -> None:
    """The same tables, from the same settings."""
    tables = made("closed", "Microsoft.DocumentDB/databaseAccounts/tables")
    storage = made("closed", "Microsoft.Storage/storageAccounts/tableServices/tables")
    assert tables == storage == ["state", "open", "moved", "turns"]


def test_it_is_made_only_when_it_is_asked_for() -> None:
    """Storage is the default; the app and the command line get the address of the one that is used."""
    asked = [name for name in ENVIRONMENTS if made(name, "Microsoft.DocumentDB/databaseAccounts")]
    assert asked == ["closed"]
    for environment in ENVIRONMENTS:
        address = app_settings(environment)["STORAGE_TABLE_URL"]
        assert ("table.cosmos.azure.com" in address) is (environment == "closed")
        assert snapshots()[environment]["outputs"]["STORAGE_TABLE_URL"] == address


def test_nobody_has_a_role_on_tables_that_are_not_used() -> None:
    """The roles on the storage account's tables of data are given only where these are in use."""
    for environment in ENVIRONMENTS:
        roles = resources({environment: snapshots()[environment]}, "Microsoft.Authorization/roleAssignments")
        on_tables = [role.id for role in roles if "/tableServices/default/tables/" in role.id]
        assert bool(on_tables) is (environment != "closed")


def test_its_private_endpoint_is_for_tables() -> None:
    """The service's name and the zone of the Table API."""
    endpoint = one("closed", "Microsoft.Network/privateEndpoints", "pe-cosmos-table")
    (link,) = endpoint.at("properties.privateLinkServiceConnections")
    assert link["properties"]["groupIds"] == ["Table"]
    groups = resources({"closed": snapshots()["closed"]}, "Microsoft.Network/privateEndpoints/privateDnsZoneGroups")
    (group,) = [each for each in groups if each.id.startswith(endpoint.id)]
    assert "privatelink.table.cosmos.azure.com" in str(group.at("properties.privateDnsZoneConfigs"))


class Tokens:
    """A credential that notes what tokens are for."""

    def __init__(self) -> None:
        self.scopes: list[str] = []

    async def get_token(self, *scopes: str, **_options: Any) -> Any:
        """A token that ends at once."""
        self.scopes += scopes
        return type("Token", (), {"token": "t", "expires_on": 0})


async def test_the_app_asks_for_tokens_for_it() -> None:
    """The address that the module gives makes the app take tokens for Cosmos DB and not for Storage."""
    address = app_settings("closed")["STORAGE_TABLE_URL"]
    tokens: Any = Tokens()
    account = StorageAccount.by_identity(address, tokens)
    assert account.url == address.rstrip("/")
    await account.access.sign("GET", "/state", {})
    assert tokens.scopes == ["https://cosmos.azure.com/.default"]


def test_the_price_at_rest_is_that_of_the_default() -> None:
    """A tenth of the most, of two tables, for 730 hours, at 0.012 USD for 100 units a second."""
    main = (INFRA / "main.bicep").read_text(encoding="utf-8")
    default = re.search(r"^param cosmosMaxRequestUnits int = (\d+)$", main, re.MULTILINE)
    assert default
    cost = f"about {round(2 * int(default[1]) / 10 / 100 * 0.012 * 730)} USD"
    assert cost in main
    for name in ("deployment.md", "scale.md"):
        assert cost in (INFRA.parent / "docs" / name).read_text(encoding="utf-8"), name
