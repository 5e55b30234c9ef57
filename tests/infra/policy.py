"""What must hold for every environment, whatever else changes: each rule returns what breaks it.

A template is a promise of safety that no compiler checks: that nothing takes a key, that nothing is public, that a
message cannot vanish. Each rule is one such promise, read from the snapshots of what would be deployed;
test_policy.py shows for each that it can be broken. ``kinds.py`` says which kinds of resource there may be.
"""

import json
import re
from collections.abc import Callable, Iterable

from tests.infra.kinds import ROLES, TAGGED, UNTAGGED
from tests.infra.snapshots import SUBSCRIPTION, Resource, Snapshots, resources

Rule = Callable[[Snapshots], list[str]]

#: Flex Consumption refuses or ignores these: learn.microsoft.com/azure/azure-functions/functions-app-settings
FORBIDDEN_SETTINGS = re.compile(
    r"FUNCTIONS_WORKER_RUNTIME|FUNCTIONS_EXTENSION_VERSION|WEBSITE_RUN_FROM_PACKAGE|WEBSITE_CONTENT\w*"
    r"|SCM_DO_BUILD_DURING_DEPLOYMENT|ENABLE_ORYX_BUILD|WEBSITE_TIME_ZONE|TZ"
)

#: Of siteConfig Flex Consumption takes little; what is not known to be taken is left out.
SITE_CONFIG = {"minTlsVersion"}

_KEYS = re.compile(
    r"(?i)\blist(keys|secrets|accountsas|\w*credentials)\b|accountkey|sharedaccesskey|instrumentationkey"
)
_SECRETS = re.compile(r"(?i)secret|password|token|connection_?string|(primary|secondary|account|api)_?key\b|\bsas\b")

#: What may have a public address in a closed network: what Replicate's webhooks come to.
DATA = (
    "Microsoft.CognitiveServices/accounts",
    "Microsoft.DocumentDB/databaseAccounts",
    "Microsoft.ServiceBus/namespaces",
    "Microsoft.Storage/storageAccounts",
)


def _not(found: Iterable[Resource], path: str, want: object) -> list[str]:
    """Which resources do not have what they should at a path; also when there is none of the kind at all."""
    listed = list(found)
    if not listed:
        return [f"nothing to have {path}"]
    return [f"{one}: {path} is {one.at(path)!r}" for one in listed if one.at(path) != want]


def shared_keys_off(ss: Snapshots) -> list[str]:
    """Storage takes no account key."""
    return _not(resources(ss, "Microsoft.Storage/storageAccounts"), "properties.allowSharedKeyAccess", want=False)


def public_blobs_off(ss: Snapshots) -> list[str]:
    """No blob is public, whatever somebody sets on its container."""
    accounts = resources(ss, "Microsoft.Storage/storageAccounts")
    containers = resources(ss, "Microsoft.Storage/storageAccounts/blobServices/containers")
    return _not(accounts, "properties.allowBlobPublicAccess", want=False) + _not(
        containers, "properties.publicAccess", "None"
    )


def tls_12(ss: Snapshots) -> list[str]:
    """Nothing older than TLS 1.2, and nothing without TLS."""
    accounts = list(resources(ss, "Microsoft.Storage/storageAccounts"))
    sites = list(resources(ss, "Microsoft.Web/sites"))
    return (
        _not(accounts, "properties.minimumTlsVersion", "TLS1_2")
        + _not(accounts, "properties.supportsHttpsTrafficOnly", want=True)
        + _not(resources(ss, "Microsoft.ServiceBus/namespaces"), "properties.minimumTlsVersion", "1.2")
        + _not(resources(ss, "Microsoft.DocumentDB/databaseAccounts"), "properties.minimalTlsVersion", "Tls12")
        + _not(sites, "properties.siteConfig.minTlsVersion", "1.2")
        + _not(sites, "properties.httpsOnly", want=True)
    )


def local_auth_off(ss: Snapshots) -> list[str]:
    """Service Bus, Content Safety, Cosmos DB, telemetry and the site's publishing take identities only."""
    workspaces = resources(ss, "Microsoft.OperationalInsights/workspaces")
    publishing = resources(ss, "Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    return (
        _not(resources(ss, "Microsoft.ServiceBus/namespaces"), "properties.disableLocalAuth", want=True)
        + _not(resources(ss, "Microsoft.CognitiveServices/accounts"), "properties.disableLocalAuth", want=True)
        + _not(resources(ss, "Microsoft.DocumentDB/databaseAccounts"), "properties.disableLocalAuth", want=True)
        + _not(resources(ss, "Microsoft.Insights/components"), "properties.DisableLocalAuth", want=True)
        + _not(workspaces, "properties.features.disableLocalAuth", want=True)
        + _not(publishing, "properties.allow", want=False)
    )


def own_subdomain(ss: Snapshots) -> list[str]:
    """Content Safety has an address of its own, without which it refuses every identity."""
    accounts = list(resources(ss, "Microsoft.CognitiveServices/accounts"))
    return [f"{one}: no customSubDomainName" for one in accounts if not one.at("properties.customSubDomainName")]


def vault_is_kept(ss: Snapshots) -> list[str]:
    """The vault goes by roles, and cannot be purged."""
    vaults = list(resources(ss, "Microsoft.KeyVault/vaults"))
    return _not(vaults, "properties.enableRbacAuthorization", want=True) + _not(
        vaults, "properties.enablePurgeProtection", want=True
    )


def secrets_are_given_or_left(ss: Snapshots) -> list[str]:
    """A secret is a secure parameter and nothing else; where it is empty, what the vault has is kept."""
    wrong = []
    for one in resources(ss, "Microsoft.KeyVault/vaults/secrets"):
        value = str(one.at("properties.value"))
        named = re.fullmatch(r"\[parameters\('(\w+)'\)\]", value)
        if named is None:
            wrong.append(f"{one}: its value is in the template")
        elif one.at("condition") != f"[not(empty(parameters('{named[1]}')))]":
            wrong.append(f"{one}: it is made without a value")
    return wrong


def no_keys(ss: Snapshots) -> list[str]:
    """No template asks Azure for a key, or holds one."""
    return [f"{one}: {found.group()}" for one in resources(ss) for found in _KEYS.finditer(json.dumps(one.body))]


def no_secret_outputs(ss: Snapshots) -> list[str]:
    """No output is a secret, by its name or by what it is made of."""
    return [
        f"{environment}: output {name}"
        for environment, snapshot in ss.items()
        for name, value in snapshot["outputs"].items()
        if _SECRETS.search(name) or _SECRETS.search(str(value))
    ]


def flex_settings(ss: Snapshots) -> list[str]:
    """None of the app settings and site properties that Flex Consumption refuses."""
    settings = [
        f"{one}: {name}"
        for one in resources(ss, "Microsoft.Web/sites/config")
        for name in one.at("properties")
        if FORBIDDEN_SETTINGS.fullmatch(name)
    ]
    sites = resources(ss, "Microsoft.Web/sites")
    keys = [f"{one}: {key}" for one in sites for key in one.at("properties.siteConfig") or {} if key not in SITE_CONFIG]
    return settings + keys


def messages_stay(ss: Snapshots) -> list[str]:
    """What expires or fails is dead-lettered and not dropped; what comes twice is recognised."""
    queues = list(resources(ss, "Microsoft.ServiceBus/namespaces/queues"))
    topics = resources(ss, "Microsoft.ServiceBus/namespaces/topics")
    listeners = list(resources(ss, "Microsoft.ServiceBus/namespaces/topics/subscriptions"))
    return (
        _not(queues, "properties.deadLetteringOnMessageExpiration", want=True)
        + _not(queues, "properties.requiresDuplicateDetection", want=True)
        + _not(queues + listeners, "properties.maxDeliveryCount", want=10)
        + _not(topics, "properties.requiresDuplicateDetection", want=True)
        + _not(listeners, "properties.deadLetteringOnMessageExpiration", want=True)
    )


def roles_are_narrow(ss: Snapshots) -> list[str]:
    """Every assignment is of a known role, on one resource, for a kind of principal, and is known beforehand."""
    wrong: list[str] = []
    ids = {environment: {one.id for one in resources({environment: snapshot})} for environment, snapshot in ss.items()}
    for one in resources(ss, "Microsoft.Authorization/roleAssignments"):
        scope = one.id.partition("/providers/Microsoft.Authorization/")[0]
        if scope not in ids[one.environment] or "/providers/" not in scope:
            wrong.append(f"{one}: its scope is {scope}")
        if one.at("properties.principalType") not in {"ServicePrincipal", "User", "Group"}:
            wrong.append(f"{one}: its principalType is {one.at('properties.principalType')!r}")
        role = str(one.at("properties.roleDefinitionId"))
        if role.removeprefix(f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/") not in ROLES:
            wrong.append(f"{one}: its role is {role}")
        if one.name.startswith("["):
            wrong.append(f"{one}: no preview knows its name")
    return wrong


def table_roles_are_narrow(ss: Snapshots) -> list[str]:
    """Every role in Cosmos DB is a built-in one, on one table that there is.

    "TablesDB" to the letter: with another spelling the service widens the scope to the whole account.
    """
    tables = {one.id for one in resources(ss, "Microsoft.DocumentDB/databaseAccounts/tables")}
    wrong: list[str] = []
    for one in resources(ss, "Microsoft.DocumentDB/databaseAccounts/tableRoleAssignments"):
        account = one.id.partition("/tableRoleAssignments/")[0]
        role = str(one.at("properties.roleDefinitionId")).removeprefix(f"{account}/tableRoleDefinitions/")
        scope = str(one.at("properties.scope"))
        if role not in ROLES:
            wrong.append(f"{one}: its role is {role}")
        if scope.replace("/dbs/TablesDB/colls/", "/tables/") not in tables:
            wrong.append(f"{one}: its scope is {scope}")
        if one.name.startswith("["):
            wrong.append(f"{one}: no preview knows its name")
    return wrong


def reads_see_every_write(ss: Snapshots) -> list[str]:
    """Cosmos DB is one region with strong consistency: the state is read by other instances than wrote it."""
    accounts = list(resources(ss, "Microsoft.DocumentDB/databaseAccounts"))
    several = [f"{one}: several regions" for one in accounts if len(one.at("properties.locations")) != 1]
    return several + _not(accounts, "properties.consistencyPolicy.defaultConsistencyLevel", "Strong")


def the_ledger_can_be_restored(ss: Snapshots) -> list[str]:
    """What is in Cosmos DB can be brought back to any second of the last week."""
    accounts = resources(ss, "Microsoft.DocumentDB/databaseAccounts")
    return _not(accounts, "properties.backupPolicy.type", "Continuous")


def private_when_asked(ss: Snapshots) -> list[str]:
    """In the closed network nothing that holds data or takes messages has a public address; elsewhere all has one."""
    return [
        f"{one}: {one.at('properties.publicNetworkAccess')}"
        for one in resources(ss, *DATA)
        if one.at("properties.publicNetworkAccess") != ("Disabled" if one.environment == "closed" else "Enabled")
    ]


def endpoints_lead_somewhere(ss: Snapshots) -> list[str]:
    """A private endpoint is of a resource of the environment, and its name is in a zone that the network asks."""
    ids = {one.id for one in resources(ss)}
    zones = {one.id for one in resources(ss, "Microsoft.Network/privateDnsZones")}
    wrong = []
    for one in resources(ss, "Microsoft.Network/privateEndpoints"):
        (link,) = one.at("properties.privateLinkServiceConnections")
        if link["properties"]["privateLinkServiceId"] not in ids:
            wrong.append(f"{one}: leads nowhere")
    for one in resources(ss, "Microsoft.Network/privateEndpoints/privateDnsZoneGroups"):
        (config,) = one.at("properties.privateDnsZoneConfigs")
        if config["properties"]["privateDnsZoneId"] not in zones:
            wrong.append(f"{one}: has no zone")
    return wrong


def the_way_out_is_said(ss: Snapshots) -> list[str]:
    """Each subnet says whether it has a way out by itself; the app's has a gateway, for Replicate is outside."""
    wrong = []
    for network in resources(ss, "Microsoft.Network/virtualNetworks"):
        for subnet in network.at("properties.subnets"):
            if subnet["properties"].get("defaultOutboundAccess") is not False:
                wrong.append(f"{network}: subnet {subnet['name']} does not say it")
            if subnet["name"] == "app" and "natGateway" not in subnet["properties"]:
                wrong.append(f"{network}: no way out")
    return wrong


def alerts_can_be_made(ss: Snapshots) -> list[str]:
    """A query is taken before there are tables: Azure refuses one on a table without data unless validation is off."""
    return _not(resources(ss, "Microsoft.Insights/scheduledQueryRules"), "properties.skipQueryValidation", want=True)


def all_is_tagged(ss: Snapshots) -> list[str]:
    """Everything that can have tags has them; a kind that nobody has decided about is an error."""
    wrong = [f"{one}: no tags" for one in resources(ss, *TAGGED) if not one.at("tags.azd-env-name")]
    return wrong + [f"{one}: is {one.kind} tagged?" for one in resources(ss) if one.kind not in TAGGED | UNTAGGED]


def ids_are_single(ss: Snapshots) -> list[str]:
    """No resource is made twice."""
    wrong = []
    for environment, snapshot in ss.items():
        ids = [one.id for one in resources({environment: snapshot})]
        wrong += [f"{environment}: {each} twice" for each in sorted(set(ids)) if ids.count(each) > 1]
    return wrong


def lifecycle_spares_the_package(ss: Snapshots) -> list[str]:
    """Every lifecycle rule is bound to containers, and none of them holds the app's package."""
    wrong: list[str] = []
    for policy in resources(ss, "Microsoft.Storage/storageAccounts/managementPolicies"):
        for rule in policy.at("properties.policy.rules"):
            prefixes = rule["definition"]["filters"].get("prefixMatch") or [""]
            if any("app-package" in prefix or prefix == "" for prefix in prefixes):
                wrong.append(f"{policy}: {rule['name']}")
    return wrong


def audited(ss: Snapshots) -> list[str]:
    """Vault, Service Bus, Content Safety and Cosmos DB keep a log of who did what."""
    watched = {one.id for one in resources(ss, "Microsoft.Insights/diagnosticSettings")}
    kinds = (*DATA[:3], "Microsoft.KeyVault/vaults")
    settings = "providers/Microsoft.Insights/diagnosticSettings/to-workspace"
    return [f"{one}: no diagnostic setting" for one in resources(ss, *kinds) if f"{one.id}/{settings}" not in watched]
