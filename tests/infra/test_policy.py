"""Every rule holds for every environment, and each can be broken: one change of one resource turns it red."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from tests.infra import policy
from tests.infra.policy import Rule
from tests.infra.snapshots import resources, snapshots

#: The value that takes a property away.
GONE = object()

STORAGE, BUS, SITES = "Microsoft.Storage/storageAccounts", "Microsoft.ServiceBus/namespaces", "Microsoft.Web/sites"
SAFETY, COSMOS, VAULT = (
    "Microsoft.CognitiveServices/accounts",
    "Microsoft.DocumentDB/databaseAccounts",
    "Microsoft.KeyVault/vaults",
)
ROLES = "Microsoft.Authorization/roleAssignments"
NETWORK = "Microsoft.Network/virtualNetworks"
LIFECYCLE = f"{STORAGE}/managementPolicies"

#: Each rule with every promise in it: the kind of resource, the path of a property, and what would break it.
MUTATIONS: list[tuple[Rule, str, str, Any]] = [
    (policy.shared_keys_off, STORAGE, "properties.allowSharedKeyAccess", True),
    (policy.shared_keys_off, STORAGE, "properties.allowSharedKeyAccess", GONE),
    (policy.public_blobs_off, STORAGE, "properties.allowBlobPublicAccess", True),
    (policy.public_blobs_off, f"{STORAGE}/blobServices/containers", "properties.publicAccess", "Blob"),
    (policy.tls_12, STORAGE, "properties.minimumTlsVersion", "TLS1_0"),
    (policy.tls_12, STORAGE, "properties.supportsHttpsTrafficOnly", False),
    (policy.tls_12, BUS, "properties.minimumTlsVersion", "1.0"),
    (policy.tls_12, COSMOS, "properties.minimalTlsVersion", "Tls11"),
    (policy.tls_12, SITES, "properties.siteConfig.minTlsVersion", "1.1"),
    (policy.tls_12, SITES, "properties.httpsOnly", False),
    (policy.local_auth_off, BUS, "properties.disableLocalAuth", False),
    (policy.local_auth_off, SAFETY, "properties.disableLocalAuth", False),
    (policy.local_auth_off, COSMOS, "properties.disableLocalAuth", GONE),
    (policy.local_auth_off, "Microsoft.Insights/components", "properties.DisableLocalAuth", False),
    (
        policy.local_auth_off,
        "Microsoft.OperationalInsights/workspaces",
        "properties.features.disableLocalAuth",
        False,
    ),
    (policy.local_auth_off, f"{SITES}/basicPublishingCredentialsPolicies", "properties.allow", True),
    (policy.own_subdomain, SAFETY, "properties.customSubDomainName", GONE),
    (policy.vault_is_kept, VAULT, "properties.enableRbacAuthorization", False),
    (policy.vault_is_kept, VAULT, "properties.enablePurgeProtection", GONE),
    (policy.secrets_are_given_or_left, f"{VAULT}/secrets", "properties.value", "r8_written_down"),
    (policy.secrets_are_given_or_left, f"{VAULT}/secrets", "condition", GONE),
    (policy.no_keys, f"{SITES}/config", "properties.ServiceBus", "[listKeys('x', '1').primaryConnectionString]"),
    (policy.no_keys, f"{SITES}/config", "properties.STORAGE", "AccountKey=abc"),
    (policy.flex_settings, f"{SITES}/config", "properties.FUNCTIONS_WORKER_RUNTIME", "python"),
    (policy.flex_settings, SITES, "properties.siteConfig.ftpsState", "Disabled"),
    (policy.messages_stay, f"{BUS}/queues", "properties.deadLetteringOnMessageExpiration", False),
    (policy.messages_stay, f"{BUS}/queues", "properties.requiresDuplicateDetection", False),
    (policy.messages_stay, f"{BUS}/queues", "properties.maxDeliveryCount", 1),
    (policy.messages_stay, f"{BUS}/topics", "properties.requiresDuplicateDetection", False),
    (policy.messages_stay, f"{BUS}/topics/subscriptions", "properties.deadLetteringOnMessageExpiration", False),
    (policy.roles_are_narrow, ROLES, "properties.roleDefinitionId", "/subscriptions/0/providers/owner"),
    (policy.roles_are_narrow, ROLES, "properties.principalType", GONE),
    (policy.roles_are_narrow, ROLES, "name", "[guid(reference('identity').principalId)]"),
    (policy.roles_are_narrow, ROLES, "id", "/subscriptions/1/providers/Microsoft.Authorization/roleAssignments/a"),
    (policy.table_roles_are_narrow, f"{COSMOS}/tableRoleAssignments", "properties.scope", "/dbs/tablesdb/colls/state"),
    (policy.table_roles_are_narrow, f"{COSMOS}/tableRoleAssignments", "properties.roleDefinitionId", "0"),
    (policy.table_roles_are_narrow, f"{COSMOS}/tableRoleAssignments", "name", "a/[guid('x')]"),
    (policy.reads_see_every_write, COSMOS, "properties.consistencyPolicy.defaultConsistencyLevel", "Session"),
    (policy.reads_see_every_write, COSMOS, "properties.locations", [{}, {}]),
    (policy.the_ledger_can_be_restored, COSMOS, "properties.backupPolicy.type", "Periodic"),
    *((policy.private_when_asked, kind, "properties.publicNetworkAccess", GONE) for kind in policy.DATA),
    (
        policy.endpoints_lead_somewhere,
        "Microsoft.Network/privateEndpoints",
        "properties.privateLinkServiceConnections",
        [{"properties": {"privateLinkServiceId": "/nowhere"}}],
    ),
    (
        policy.endpoints_lead_somewhere,
        "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
        "properties.privateDnsZoneConfigs",
        [{"properties": {"privateDnsZoneId": "/nowhere"}}],
    ),
    (policy.the_way_out_is_said, NETWORK, "properties.subnets", [{"name": "endpoints", "properties": {}}]),
    (
        policy.the_way_out_is_said,
        NETWORK,
        "properties.subnets",
        [{"name": "app", "properties": {"defaultOutboundAccess": False}}],
    ),
    (
        policy.alerts_can_be_made,
        "Microsoft.Insights/scheduledQueryRules",
        "properties.skipQueryValidation",
        GONE,
    ),
    (policy.all_is_tagged, "Microsoft.ManagedIdentity/userAssignedIdentities", "tags", GONE),
    (policy.all_is_tagged, COSMOS, "tags", GONE),
    (policy.all_is_tagged, "Microsoft.ManagedIdentity/userAssignedIdentities", "type", "Microsoft.Compute/disks"),
    (
        policy.lifecycle_spares_the_package,
        LIFECYCLE,
        "properties.policy.rules",
        [{"name": "all", "definition": {"filters": {"prefixMatch": ["app-package/"]}}}],
    ),
    (
        policy.lifecycle_spares_the_package,
        LIFECYCLE,
        "properties.policy.rules",
        [{"name": "all", "definition": {"filters": {}}}],
    ),
    (policy.audited, "Microsoft.Insights/diagnosticSettings", "id", "/elsewhere"),
]

#: Rules that are not about one property of one resource; each has a test of its own below.
OF_THE_WHOLE = {policy.no_secret_outputs, policy.ids_are_single}

RULES = list(dict.fromkeys(rule for rule, *_ in MUTATIONS)) + sorted(OF_THE_WHOLE, key=lambda rule: rule.__name__)


#: Every environment as it is. Nothing here changes it.
WHOLE = snapshots()


def changes(kind: str, path: str, value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every environment once for each of its resources of a kind, with a value put at a path of this resource."""
    for environment, made in WHOLE.items():
        for number, body in enumerate(made["predictedResources"]):
            if body["type"] == kind:
                bodies = made["predictedResources"].copy()
                bodies[number] = deepcopy(body)
                changed(bodies[number], path, value)
                yield environment, made | {"predictedResources": bodies}


def changed(body: dict[str, Any], path: str, value: Any) -> None:
    """Put a value at a path of a resource, or take away what is there."""
    *parents, last = path.split(".")
    for name in parents:
        body = body[name]
    if value is GONE:
        del body[last]
    else:
        body[last] = value


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_holds(rule: Rule) -> None:
    """Every environment keeps the rule."""
    assert rule(snapshots()) == []


@pytest.mark.parametrize(
    ("rule", "kind", "path", "wrong"),
    MUTATIONS,
    ids=[f"{rule.__name__}-{n}" for n, (rule, *_) in enumerate(MUTATIONS)],
)
def test_can_be_broken(rule: Rule, kind: str, path: str, wrong: Any) -> None:
    """One change of any one of the resources of a kind, and the rule says so."""
    found = list(changes(kind, path, wrong))
    assert found
    for environment, broken in found:
        assert rule({environment: broken}) != [], environment


def test_an_output_that_is_a_secret_is_seen() -> None:
    """By its name, and by what it is made of."""
    for name, value in (("REPLICATE_TOKEN", "x"), ("CONNECTION", "[reference('c').properties.ConnectionString]")):
        broken = snapshots()
        broken["prod"]["outputs"][name] = value
        assert policy.no_secret_outputs(broken) == [f"prod: output {name}"]


def test_a_resource_that_is_made_twice_is_seen() -> None:
    """Two of one id would be one."""
    broken = snapshots()
    broken["dev"]["predictedResources"].append(broken["dev"]["predictedResources"][3])
    assert len(policy.ids_are_single(broken)) == 1


def test_files_are_handed_over_where_nobody_outside_reads_them() -> None:
    """In the closed network alone: a signed address of its storage leads nowhere."""
    for one in resources(snapshots(), f"{SITES}/config"):
        assert one.at("properties.HAND_FILES_OVER") == ("true" if one.environment == "closed" else "false")


def test_every_rule_is_tried() -> None:
    """A rule without a mutation would prove nothing."""
    rules = {
        name for name, value in vars(policy).items() if getattr(value, "__annotations__", {}).keys() == {"ss", "return"}
    }
    assert rules == {rule.__name__ for rule in RULES}


def test_every_kind_of_resource_is_looked_at() -> None:
    """The snapshots are of whole environments: the closed one has what only a closed network needs."""
    kinds = {one.kind for one in resources(snapshots())}
    assert {NETWORK, COSMOS, VAULT, SITES, "Microsoft.Network/natGateways"} <= kinds
