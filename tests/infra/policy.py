"""What must hold for the templates, whatever else changes: each rule returns what breaks it.

A template is a promise of safety that no compiler checks: that nothing takes a key, that nothing is public, that a
message cannot vanish. Each rule is one such promise, and test_policy.py shows for each that it can be broken.
"""

import re
from collections.abc import Callable, Iterable, Iterator

from tests.infra.bicep import Call, Expr, Resource, Template, declared, outputs_used, params, used, value_of, walk

Rule = Callable[[list[Template]], list[str]]

#: learn.microsoft.com/azure/role-based-access-control/built-in-roles
ROLES = {
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "db58b8e5-c6ad-4a2a-8342-4190687cbf4a": "Storage Blob Delegator",
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "Storage Blob Data Reader",
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "76199698-9eea-4c19-bc75-cec21354c6b6": "Storage Table Data Reader",
    "4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0": "Azure Service Bus Data Receiver",
    "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39": "Azure Service Bus Data Sender",
    "090c5cfd-751d-490a-894a-3ce6f1109419": "Azure Service Bus Data Owner",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": "Key Vault Secrets Officer",
    "a97b65f3-24c7-4388-baec-2e87135dc908": "Cognitive Services User",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    # Not Azure's but a Cosmos DB account's own: learn.microsoft.com/azure/cosmos-db/table/reference-data-plane-security
    "00000000-0000-0000-0000-000000000001": "Cosmos DB Built-in Data Reader",
    "00000000-0000-0000-0000-000000000002": "Cosmos DB Built-in Data Contributor",
}

#: The name in modules/roles.bicep and modules/cosmos.bicep for each.
ROLE_NAMES = {
    "blobDataContributor": "Storage Blob Data Contributor",
    "blobDataOwner": "Storage Blob Data Owner",
    "blobDataReader": "Storage Blob Data Reader",
    "blobDelegator": "Storage Blob Delegator",
    "tableDataContributor": "Storage Table Data Contributor",
    "tableDataReader": "Storage Table Data Reader",
    "serviceBusReceiver": "Azure Service Bus Data Receiver",
    "serviceBusSender": "Azure Service Bus Data Sender",
    "serviceBusOwner": "Azure Service Bus Data Owner",
    "secretsUser": "Key Vault Secrets User",
    "secretsOfficer": "Key Vault Secrets Officer",
    "cognitiveServicesUser": "Cognitive Services User",
    "cosmosDataContributor": "Cosmos DB Built-in Data Contributor",
    "cosmosDataReader": "Cosmos DB Built-in Data Reader",
    "metricsPublisher": "Monitoring Metrics Publisher",
}

#: Flex Consumption refuses or ignores these: learn.microsoft.com/azure/azure-functions/functions-app-settings
FORBIDDEN_SETTINGS = re.compile(
    r"\b(FUNCTIONS_WORKER_RUNTIME|FUNCTIONS_EXTENSION_VERSION|WEBSITE_RUN_FROM_PACKAGE|WEBSITE_CONTENT\w*"
    r"|SCM_DO_BUILD_DURING_DEPLOYMENT|ENABLE_ORYX_BUILD|WEBSITE_TIME_ZONE|TZ)\b\s*:"
)

#: Of siteConfig Flex Consumption takes little; what is not known to be taken is left out.
SITE_CONFIG = {"minTlsVersion"}

#: These have tags of their own; children, assignments, settings and budgets have none.
TAGGED = {
    "Microsoft.CognitiveServices/accounts",
    "Microsoft.DocumentDB/databaseAccounts",
    "Microsoft.DocumentDB/databaseAccounts/tables",
    "Microsoft.Insights/actionGroups",
    "Microsoft.Insights/components",
    "Microsoft.Insights/metricAlerts",
    "Microsoft.Insights/scheduledQueryRules",
    "Microsoft.Insights/workbooks",
    "Microsoft.KeyVault/vaults",
    "Microsoft.ManagedIdentity/userAssignedIdentities",
    "Microsoft.Network/privateDnsZones",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
    "Microsoft.Network/privateEndpoints",
    "Microsoft.Network/virtualNetworks",
    "Microsoft.OperationalInsights/workspaces",
    "Microsoft.Resources/resourceGroups",
    "Microsoft.ServiceBus/namespaces",
    "Microsoft.Storage/storageAccounts",
    "Microsoft.Web/serverfarms",
    "Microsoft.Web/sites",
}

UNTAGGED = {
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.Consumption/budgets",
    "Microsoft.DocumentDB/databaseAccounts/tableRoleAssignments",
    "Microsoft.Insights/diagnosticSettings",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
    "Microsoft.ServiceBus/namespaces/queues",
    "Microsoft.ServiceBus/namespaces/topics",
    "Microsoft.ServiceBus/namespaces/topics/subscriptions",
    "Microsoft.Storage/storageAccounts/blobServices",
    "Microsoft.Storage/storageAccounts/blobServices/containers",
    "Microsoft.Storage/storageAccounts/managementPolicies",
    "Microsoft.Storage/storageAccounts/tableServices",
    "Microsoft.Storage/storageAccounts/tableServices/tables",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies",
    "Microsoft.Web/sites/config",
}

_KEYS = re.compile(
    r"(?i)\blist(keys|secrets|accountsas|\w*credentials)\b|accountkey|sharedaccesskey|instrumentationkey"
)
_SECRETS = re.compile(
    r"(?i)secret|password|token|connection_?string|(primary|secondary|account|api)_?key|_key\b|\bsas\b"
)

_GUID = re.compile(r"'([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})'")


def made(all_templates: list[Template], *kinds: str) -> Iterator[Resource]:
    """The resources of these kinds that a deployment makes."""
    for template in all_templates:
        for resource in template.resources():
            if not resource.existing and (not kinds or resource.kind in kinds):
                yield resource


def _not(resources: Iterable[Resource], path: str, want: object) -> list[str]:
    """Which resources do not have what they should at a path; also when there is none of the kind at all."""
    listed = list(resources)
    if not listed:
        return [f"nothing to have {path}"]
    return [f"{one}: {path} is {one.at(path)!r}" for one in listed if one.at(path) != want]


def shared_keys_off(ts: list[Template]) -> list[str]:
    """Storage takes no account key."""
    return _not(made(ts, "Microsoft.Storage/storageAccounts"), "properties.allowSharedKeyAccess", want=False)


def public_blobs_off(ts: list[Template]) -> list[str]:
    """No blob is public, whatever somebody sets on its container."""
    accounts = made(ts, "Microsoft.Storage/storageAccounts")
    containers = made(ts, "Microsoft.Storage/storageAccounts/blobServices/containers")
    return _not(accounts, "properties.allowBlobPublicAccess", want=False) + _not(
        containers, "properties.publicAccess", "None"
    )


def tls_12(ts: list[Template]) -> list[str]:
    """Nothing older than TLS 1.2, and nothing without TLS."""
    accounts = list(made(ts, "Microsoft.Storage/storageAccounts"))
    sites = list(made(ts, "Microsoft.Web/sites"))
    return (
        _not(accounts, "properties.minimumTlsVersion", "TLS1_2")
        + _not(accounts, "properties.supportsHttpsTrafficOnly", want=True)
        + _not(made(ts, "Microsoft.ServiceBus/namespaces"), "properties.minimumTlsVersion", "1.2")
        + _not(made(ts, "Microsoft.DocumentDB/databaseAccounts"), "properties.minimalTlsVersion", "Tls12")
        + _not(sites, "properties.siteConfig.minTlsVersion", "1.2")
        + _not(sites, "properties.httpsOnly", want=True)
    )


def local_auth_off(ts: list[Template]) -> list[str]:
    """Service Bus, Content Safety, Cosmos DB, telemetry and the site's publishing take identities only."""
    return (
        _not(made(ts, "Microsoft.ServiceBus/namespaces"), "properties.disableLocalAuth", want=True)
        + _not(made(ts, "Microsoft.CognitiveServices/accounts"), "properties.disableLocalAuth", want=True)
        + _not(made(ts, "Microsoft.DocumentDB/databaseAccounts"), "properties.disableLocalAuth", want=True)
        + _not(made(ts, "Microsoft.Insights/components"), "properties.DisableLocalAuth", want=True)
        + _not(made(ts, "Microsoft.OperationalInsights/workspaces"), "properties.features.disableLocalAuth", want=True)
        + _not(made(ts, "Microsoft.Web/sites/basicPublishingCredentialsPolicies"), "properties.allow", want=False)
    )


def own_subdomain(ts: list[Template]) -> list[str]:
    """Content Safety has an address of its own, without which it refuses every identity."""
    return [
        f"{one}: no customSubDomainName"
        for one in made(ts, "Microsoft.CognitiveServices/accounts")
        if not one.at("properties.customSubDomainName")
    ]


def vault_is_kept(ts: list[Template]) -> list[str]:
    """The vault goes by roles, and cannot be purged."""
    vaults = list(made(ts, "Microsoft.KeyVault/vaults"))
    return _not(vaults, "properties.enableRbacAuthorization", want=True) + _not(
        vaults, "properties.enablePurgeProtection", want=True
    )


def no_keys(ts: list[Template]) -> list[str]:
    """No template asks Azure for a key, or holds one."""
    return [f"{t.name}: {found.group()}" for t in ts for found in _KEYS.finditer(t.code())]


def no_secret_outputs(ts: list[Template]) -> list[str]:
    """No output is a secret, by its name or by what it is made of."""
    return [
        f"{t.name}: {(node.text or b'').decode()}"
        for t in ts
        for node in t.nodes("output_declaration")
        if _SECRETS.search((node.text or b"").decode())
    ]


def flex_settings(ts: list[Template]) -> list[str]:
    """None of the app settings and site properties that Flex Consumption refuses."""
    settings = [f"{t.name}: {found.group()}" for t in ts for found in FORBIDDEN_SETTINGS.finditer(t.code())]
    keys = [
        f"{site}: siteConfig.{key}"
        for site in made(ts, "Microsoft.Web/sites")
        for key in site.at("properties.siteConfig") or {}
        if key not in SITE_CONFIG
    ]
    return settings + keys


def messages_stay(ts: list[Template]) -> list[str]:
    """What expires or fails is dead-lettered and not dropped; what comes twice is recognised."""
    queues = list(made(ts, "Microsoft.ServiceBus/namespaces/queues"))
    topics = made(ts, "Microsoft.ServiceBus/namespaces/topics")
    listeners = list(made(ts, "Microsoft.ServiceBus/namespaces/topics/subscriptions"))
    return (
        _not(queues, "properties.deadLetteringOnMessageExpiration", want=True)
        + _not(queues, "properties.requiresDuplicateDetection", want=True)
        + _not(queues + listeners, "properties.maxDeliveryCount", want=10)
        + _not(topics, "properties.requiresDuplicateDetection", want=True)
        + _not(listeners, "properties.deadLetteringOnMessageExpiration", want=True)
    )


def roles_are_documented(ts: list[Template]) -> list[str]:
    """Every role is one of the table above under its right name, and every assignment uses one of them by name."""
    wrong: list[str] = []
    for template in ts:
        code = template.code()
        wrong += [f"{template.name}: {guid} is no known role" for guid in _GUID.findall(code) if guid not in ROLES]
        for name, guid in re.findall(r"(\w+): " + _GUID.pattern, code):
            if ROLES.get(guid) != ROLE_NAMES.get(name):
                wrong.append(f"{template.name}: {name} is not {ROLES.get(guid)}")
    for one in made(ts, "Microsoft.Authorization/roleAssignments"):
        definition = one.at("properties.roleDefinitionId")
        role = definition.args[1] if isinstance(definition, Call) and len(definition.args) == 2 else None
        if not (isinstance(role, Expr) and role.text.removeprefix("role.") in ROLE_NAMES):
            wrong.append(f"{one}: its role is {definition!r}")
    return wrong


def roles_are_narrow(ts: list[Template]) -> list[str]:
    """Every assignment says on what, for what kind of principal, and is named after what it assigns to whom."""
    wrong: list[str] = []
    for one in made(ts, "Microsoft.Authorization/roleAssignments"):
        scope, kind, name = one.at("scope"), one.at("properties.principalType"), one.at("name")
        if not isinstance(scope, Expr) or scope.text in {"group", "resourceGroup()", "subscription()"}:
            wrong.append(f"{one}: its scope is {scope!r}")
            continue
        if kind != "ServicePrincipal" and kind != Expr("operatorPrincipalType"):
            wrong.append(f"{one}: its principalType is {kind!r}")
        role = one.at("properties.roleDefinitionId").args[1]
        if name != Call("guid", (Expr(f"{scope.text}.id"), one.at("properties.principalId"), role)):
            wrong.append(f"{one}: its name is not made of its scope, principal and role")
    return wrong


def table_roles_are_narrow(ts: list[Template]) -> list[str]:
    """Every role in Cosmos DB is a built-in one, on one table, and named after what it assigns to whom.

    "TablesDB" to the letter: with another spelling the service widens the scope to the whole account.
    """
    wrong: list[str] = []
    for one in made(ts, "Microsoft.DocumentDB/databaseAccounts/tableRoleAssignments"):
        role = _interpolated(r"\$\{account\.id\}/tableRoleDefinitions/\$\{(role\.\w+)\}", one, "roleDefinitionId")
        table = _interpolated(r"\$\{account\.id\}/dbs/TablesDB/colls/\$\{([\w.]+)\}", one, "scope")
        if role is None or role.removeprefix("role.") not in ROLE_NAMES:
            wrong.append(f"{one}: its role is {one.at('properties.roleDefinitionId')!r}")
        elif table is None:
            wrong.append(f"{one}: its scope is {one.at('properties.scope')!r}")
        elif one.at("name") != Call(
            "guid", (Expr("account.id"), Expr(table), one.at("properties.principalId"), Expr(role))
        ):
            wrong.append(f"{one}: its name is not made of its table, principal and role")
    return wrong


def _interpolated(pattern: str, one: Resource, name: str) -> str | None:
    value = one.at(f"properties.{name}")
    found = re.fullmatch(f"'{pattern}'", value.text) if isinstance(value, Expr) else None
    return found and found[1]


def reads_see_every_write(ts: list[Template]) -> list[str]:
    """Cosmos DB is one region with strong consistency: the state is read by other instances than wrote it."""
    accounts = list(made(ts, "Microsoft.DocumentDB/databaseAccounts"))
    several = [f"{one}: several regions" for one in accounts if len(one.at("properties.locations")) != 1]
    return several + _not(accounts, "properties.consistencyPolicy.defaultConsistencyLevel", "Strong")


def the_ledger_can_be_restored(ts: list[Template]) -> list[str]:
    """What is in Cosmos DB can be brought back to any second of the last week."""
    accounts = list(made(ts, "Microsoft.DocumentDB/databaseAccounts"))
    return _not(accounts, "properties.backupPolicy.type", "Continuous")


def private_when_asked(ts: list[Template]) -> list[str]:
    """With vnetEnabled nothing that holds data or takes messages has a public address."""
    kinds = (
        "Microsoft.CognitiveServices/accounts",
        "Microsoft.DocumentDB/databaseAccounts",
        "Microsoft.ServiceBus/namespaces",
        "Microsoft.Storage/storageAccounts",
    )
    closed = Expr("isPrivate ? 'Disabled' : 'Enabled'")
    return [wrong for kind in kinds for wrong in _not(made(ts, kind), "properties.publicNetworkAccess", closed)]


def all_is_tagged(ts: list[Template]) -> list[str]:
    """Everything that can have tags has them; a kind that nobody has decided about is an error."""
    wrong = [f"{one}: no tags" for one in made(ts, *TAGGED) if "tags" not in one.body]
    return wrong + [f"{one}: is {one.kind} tagged?" for one in made(ts) if one.kind not in TAGGED | UNTAGGED]


def lifecycle_spares_the_package(ts: list[Template]) -> list[str]:
    """Every lifecycle rule is bound to containers, and none of them holds the app's package."""
    wrong: list[str] = []
    for policy in made(ts, "Microsoft.Storage/storageAccounts/managementPolicies"):
        for rule in policy.at("properties.policy.rules"):
            prefixes = rule["definition"]["filters"].get("prefixMatch") or [""]
            if any("app-package" in str(prefix) or prefix == "" for prefix in prefixes):
                wrong.append(f"{policy}: {rule['name']}")
    return wrong


def audited(ts: list[Template]) -> list[str]:
    """Vault, Service Bus, Content Safety and Cosmos DB keep a log of who did what."""
    watched = {(one.file, one.at("scope")) for one in made(ts, "Microsoft.Insights/diagnosticSettings")}
    kinds = (
        "Microsoft.CognitiveServices/accounts",
        "Microsoft.DocumentDB/databaseAccounts",
        "Microsoft.KeyVault/vaults",
        "Microsoft.ServiceBus/namespaces",
    )
    return [f"{one}: no diagnostic setting" for one in made(ts, *kinds) if (one.file, Expr(one.symbol)) not in watched]


def parameters_are_described(ts: list[Template]) -> list[str]:
    """Every parameter says what it is; a number that a person sets is bounded, and a default is an allowed one."""
    wrong: list[str] = []
    for template in ts:
        for param in params(template).values():
            if not param.decorators.get("description"):
                wrong.append(f"{template.name}: {param.name} has no description")
            bounded = {"allowed", "minValue"} & set(param.decorators)
            if template.name == "main.bicep" and param.kind == "int" and not bounded:
                wrong.append(f"{template.name}: {param.name} has no bounds")
            allowed = param.decorators.get("allowed")
            if allowed is not None and param.default is not None and param.default not in allowed:
                wrong.append(f"{template.name}: {param.name} is {param.default!r}, which is not allowed")
    return wrong


def names_exist(ts: list[Template]) -> list[str]:
    """Every name that is used is declared, every parameter is used, every module gets what it asks for."""
    by_name = {template.name: template for template in ts}
    wrong: list[str] = []
    for template in ts:
        known = declared(template) | {"subscription"}
        wrong += [f"{template.name}: {name} is not declared" for name in sorted(used(template) - known)]
        unused = set(params(template)) - used(template)
        wrong += [f"{template.name}: parameter {name} is not used" for name in sorted(unused)]
        modules = {}
        for node in template.nodes("module_declaration"):
            symbol, path, body = (
                node.named_children[0],
                value_of(node.named_children[1]),
                value_of(node.named_children[-1]),
            )
            module = by_name.get(path)
            if module is None:
                wrong.append(f"{template.name}: there is no {path}")
                continue
            modules[(symbol.text or b"").decode()] = module
            wanted = {name for name, param in params(module).items() if param.default is None}
            given = set(body.get("params", {}))
            wrong += [f"{template.name}: {path} is not given {name}" for name in sorted(wanted - given)]
            wrong += [f"{template.name}: {path} does not take {name}" for name in sorted(given - set(params(module)))]
        for module_name, output in sorted(outputs_used(template)):
            if output not in _outputs(modules.get(module_name)):
                wrong.append(f"{template.name}: {module_name} has no output {output}")
    return wrong


def _outputs(template: Template | None) -> set[str]:
    nodes = template.nodes("output_declaration") if template else iter(())
    return {(node.named_children[0].text or b"").decode() for node in nodes}


def no_syntax_errors(ts: list[Template]) -> list[str]:
    """The grammar understands every file to its end."""
    return [
        f"{t.name}:{node.start_point[0] + 1}: {node.type}"
        for t in ts
        for node in walk(t.root)
        if node.type == "ERROR" or node.is_missing
    ]
