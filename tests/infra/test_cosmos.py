"""The option of Cosmos DB for Table: its module against Azure's published types, and what hangs on it.

The checker of the other templates has no types of Microsoft.DocumentDB, so .ci/run leaves modules/cosmos.bicep out and
this looks at it instead. cosmos_types.json says in a notation of our own what the definitions published in
Azure/bicep-types-az (generated/cosmos-db/microsoft.documentdb/2026-03-15) say of what is used here: an object with its
properties, "!" behind those that are needed; a list of one shape; "A|B" for the values there are; text, int, bool, and
any where we do not look closer. Properties that can only be read are left out.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.storage_access import StorageAccount
from tests.infra.bicep import INFRA, Call, Expr, params, sources, templates

MODULE, STORAGE = "modules/cosmos.bicep", "modules/storage.bicep"

TYPES: dict[str, Any] = json.loads((Path(__file__).parent / "cosmos_types.json").read_text(encoding="utf-8"))

#: Bicep's own, which every resource may have.
OF_BICEP = {"name", "parent", "scope", "dependsOn"}

PLAIN: dict[str, type] = {"text": str, "int": int, "bool": bool}


def faults(text: str) -> list[str]:
    """What is wrong with every resource of the module, by its types."""
    (template,) = templates({MODULE: text})
    full = re.findall(r"^resource \w+ '([^']+)'", text, re.MULTILINE)
    found = []
    for kind, resource in zip(full, template.resources(), strict=True):
        body = {name: value for name, value in resource.body.items() if name not in OF_BICEP}
        shape = TYPES.get(kind)
        found += [f"there is no {kind}"] if shape is None else list(_faults(resource.symbol, body, shape))
    return found


def _faults(at: str, value: Any, shape: Any) -> Iterator[str]:
    if shape == "any" or isinstance(value, Expr | Call):  # what only the deployment knows
        return
    if isinstance(shape, dict):
        yield from _object_faults(at, value, shape)
    elif isinstance(shape, list):
        if isinstance(value, list):
            for number, item in enumerate(value):
                yield from _faults(f"{at}[{number}]", item, shape[0])
        else:
            yield f"{at} is no list"
    elif shape in PLAIN:
        if type(value) is not PLAIN[shape]:
            yield f"{at} is no {shape}"
    elif value not in shape.split("|"):
        yield f"{at} is {value!r}, and not one of {shape}"


def _object_faults(at: str, value: Any, shape: dict[str, Any]) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{at} is no object"
        return
    known = {name.rstrip("!"): inner for name, inner in shape.items()}
    for name, item in value.items():
        if name in known:
            yield from _faults(f"{at}.{name}", item, known[name])
        else:
            yield f"{at} has no {name}"
    for name in shape:
        if name.endswith("!") and name.rstrip("!") not in value:
            yield f"{at} needs {name.rstrip('!')}"


def test_the_module_is_of_its_types() -> None:
    """Every property exists, has a value of its type, and none that is needed is missing."""
    assert faults(sources()[MODULE]) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("databaseAccounts@2026-03-15", "databaseAccounts@2026-03-16"),
        ("databaseAccounts/tables@", "databaseAccounts/table@"),
        ("disableLocalAuth: true", "disableLocalAuthentication: true"),
        ("disableLocalAuth: true", "disableLocalAuth: 'true'"),
        ("minimalTlsVersion: 'Tls12'", "minimalTlsVersion: 'TLS1_2'"),
        ("    databaseAccountOfferType: 'Standard'\n", ""),
        ("kind: 'GlobalDocumentDB'", "kind: 'Table'"),
        ("capabilities: [{ name: 'EnableTable' }]", "capabilities: { name: 'EnableTable' }"),
        ("{ name: 'EnableTable' }", "'EnableTable'"),
        ("type: 'Continuous', ", ""),
        ("'Continuous7Days'", "'Continuous14Days'"),
        ("failoverPriority: 0", "failoverPriority: 'first'"),
        ("    resource: { id: name }\n", ""),
        ("autoscaleSettings: {", "autoScaleSettings: {"),
        ("principalId: appPrincipalId", "principal: appPrincipalId"),
        (", enabled: true", ""),
    ],
)
def test_a_fault_is_found(right: str, wrong: str) -> None:
    """One change of the module, and the check says so."""
    text = sources()[MODULE]
    assert right in text
    assert faults(text.replace(right, wrong, 1)) != []


def test_no_other_module_is_left_unchecked() -> None:
    """What the checker does not know is in the one file that .ci/run leaves to this test."""
    unknown = {
        name
        for name, text in sources().items()
        if re.search(r"^resource \w+ 'Microsoft\.DocumentDB/", text, re.MULTILINE)
    }
    assert unknown == {MODULE}
    run = (INFRA.parent / ".ci" / "run").read_text(encoding="utf-8")
    assert re.findall(r"== infra/(\S+) \]\]", run) == [MODULE]


def test_it_has_the_tables_that_storage_has() -> None:
    """The same tables, from the same settings."""
    made = [re.findall(r"^  settings\.(\w+_TABLE) //", sources()[name], re.MULTILINE) for name in (MODULE, STORAGE)]
    assert made[0] == made[1] == ["STATE_TABLE", "OPEN_TABLE"]


def test_it_is_made_only_when_it_is_asked_for() -> None:
    """Storage is the default; the app and the command line get the address of the one that is used."""
    main = sources()["main.bicep"]
    assert (
        params(next(one for one in templates(sources()) if one.name == "main.bicep"))["tableStore"].default == "storage"
    )
    assert "module cosmos 'modules/cosmos.bicep' = if (tableStore == 'cosmos') {" in main
    chosen = "tableStore == 'cosmos' ? cosmos!.outputs.tableUrl : storage.outputs.tableUrl"
    assert f"    tableUrl: {chosen}\n" in main
    assert f"output STORAGE_TABLE_URL string = {chosen}\n" in main


def test_nobody_has_a_role_on_tables_that_are_not_used() -> None:
    """The roles on the storage account's tables of data are given only where these are in use."""
    given = re.findall(
        r"^resource (\w+) .*tableStore == 'storage'\) \{$", sources()["modules/roles.bicep"], re.MULTILINE
    )
    assert given == ["appTablesRole", "operatorState", "operatorOpen"]


def test_its_private_endpoint_is_for_tables() -> None:
    """The service's name and the zone of the Table API, at the place that the endpoint points to."""
    network = sources()["modules/network.bicep"]
    assert "name: 'cosmos-table', target: cosmosId, service: 'Table', zone: 5 }" in network
    zones = re.findall(r"'(privatelink\.[^']+)'", network)
    assert zones[5] == "privatelink.table.cosmos.azure.com"


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
    address = re.search(r"^output tableUrl string = '(.+)'$", sources()[MODULE], re.MULTILINE)
    assert address
    tokens: Any = Tokens()
    account = StorageAccount.by_identity(address[1].replace("${account.name}", "cosmos-example"), tokens)
    assert account.url == "https://cosmos-example.table.cosmos.azure.com"
    await account.access.sign("GET", "/state", {})
    assert tokens.scopes == ["https://cosmos.azure.com/.default"]


def test_the_price_at_rest_is_that_of_the_default() -> None:
    """A tenth of the most, of two tables, for 730 hours, at 0.012 USD for 100 units a second."""
    main = params(next(one for one in templates(sources()) if one.name == "main.bicep"))
    cost = f"about {round(2 * main['cosmosMaxRequestUnits'].default / 10 / 100 * 0.012 * 730)} USD"
    assert cost in main["tableStore"].decorators["description"]
    for name in ("deployment.md", "scale.md"):
        assert cost in (INFRA.parent / "docs" / name).read_text(encoding="utf-8"), name
