"""Every rule holds for the templates, and each can be broken: a mutation of one line turns it red."""

import pytest

from tests.infra import policy
from tests.infra.bicep import sources, templates
from tests.infra.policy import Rule

#: Each rule with every promise in it: the file, what stands there, and what would break it.
MUTATIONS: list[tuple[Rule, str, str, str]] = [
    (policy.shared_keys_off, "modules/storage.bicep", "allowSharedKeyAccess: false", "allowSharedKeyAccess: true"),
    (policy.shared_keys_off, "modules/storage.bicep", "    allowSharedKeyAccess: false\n", ""),
    (policy.public_blobs_off, "modules/storage.bicep", "allowBlobPublicAccess: false", "allowBlobPublicAccess: true"),
    (policy.public_blobs_off, "modules/storage.bicep", "publicAccess: 'None'", "publicAccess: 'Blob'"),
    (policy.tls_12, "modules/storage.bicep", "'TLS1_2'", "'TLS1_0'"),
    (policy.tls_12, "modules/storage.bicep", "supportsHttpsTrafficOnly: true", "supportsHttpsTrafficOnly: false"),
    (policy.tls_12, "modules/messaging.bicep", "minimumTlsVersion: '1.2'", "minimumTlsVersion: '1.0'"),
    (policy.tls_12, "modules/app.bicep", "minTlsVersion: '1.2'", "minTlsVersion: '1.1'"),
    (policy.tls_12, "modules/app.bicep", "httpsOnly: true", "httpsOnly: false"),
    (policy.local_auth_off, "modules/messaging.bicep", "disableLocalAuth: true", "disableLocalAuth: false"),
    (policy.local_auth_off, "modules/safety.bicep", "disableLocalAuth: true", "disableLocalAuth: false"),
    (policy.local_auth_off, "modules/observability.bicep", "DisableLocalAuth: true", "DisableLocalAuth: false"),
    (policy.local_auth_off, "modules/observability.bicep", "disableLocalAuth: true", "disableLocalAuth: false"),
    (policy.local_auth_off, "modules/app.bicep", "allow: false", "allow: true"),
    (policy.local_auth_off, "modules/cosmos.bicep", "disableLocalAuth: true", "disableLocalAuth: false"),
    (policy.local_auth_off, "modules/cosmos.bicep", "    disableLocalAuth: true\n", ""),
    (policy.tls_12, "modules/cosmos.bicep", "'Tls12'", "'Tls11'"),
    (policy.own_subdomain, "modules/safety.bicep", "    customSubDomainName: 'safety-${token}'\n", ""),
    (policy.vault_is_kept, "modules/vault.bicep", "enableRbacAuthorization: true", "enableRbacAuthorization: false"),
    (policy.vault_is_kept, "modules/vault.bicep", "enablePurgeProtection: true", "enablePurgeProtection: false"),
    (
        policy.no_keys,
        "modules/app.bicep",
        "ServiceBus__credential: 'managedidentity'",
        "ServiceBus: namespace.listKeys().primaryConnectionString",
    ),
    (policy.no_keys, "modules/app.bicep", "PUBLIC_URL: publicUrl", "STORAGE: 'AccountKey=abc'"),
    (
        policy.no_secret_outputs,
        "modules/observability.bicep",
        "output componentName string = component.name",
        "output componentName string = component.properties.ConnectionString",
    ),
    (policy.no_secret_outputs, "main.bicep", "output KEY_VAULT_NAME", "output REPLICATE_TOKEN"),
    (policy.flex_settings, "modules/app.bicep", "PUBLIC_URL: publicUrl", "FUNCTIONS_WORKER_RUNTIME: 'python'"),
    (policy.flex_settings, "modules/app.bicep", "minTlsVersion: '1.2'", "minTlsVersion: '1.2', ftpsState: 'Disabled'"),
    (
        policy.messages_stay,
        "modules/messaging.bicep",
        "deadLetteringOnMessageExpiration: true",
        "deadLetteringOnMessageExpiration: false",
    ),
    (
        policy.messages_stay,
        "modules/messaging.bicep",
        "requiresDuplicateDetection: true",
        "requiresDuplicateDetection: false",
    ),
    (policy.messages_stay, "modules/messaging.bicep", "maxDeliveryCount: 10", "maxDeliveryCount: 1"),
    (policy.roles_are_documented, "modules/roles.bicep", "4633458b-", "4633458c-"),
    (
        policy.roles_are_documented,
        "modules/roles.bicep",
        "4633458b-17de-408a-b874-0445c86b69e6",
        "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
    ),
    (
        policy.roles_are_documented,
        "modules/roles.bicep",
        "'Microsoft.Authorization/roleDefinitions', role.secretsUser",
        "'Microsoft.Authorization/roleDefinitions', owner",
    ),
    (policy.roles_are_narrow, "modules/roles.bicep", "    principalType: 'ServicePrincipal'\n", ""),
    (policy.roles_are_narrow, "modules/roles.bicep", "  scope: events\n", "  scope: resourceGroup()\n"),
    (policy.roles_are_narrow, "modules/roles.bicep", "  scope: vault\n", ""),
    (policy.roles_are_narrow, "modules/roles.bicep", "guid(safety.id,", "guid(vault.id,"),
    (policy.table_roles_are_narrow, "modules/cosmos.bicep", "/dbs/TablesDB/colls/", "/dbs/tablesdb/colls/"),
    (policy.table_roles_are_narrow, "modules/cosmos.bicep", "/dbs/TablesDB/colls/${name}", ""),
    (policy.table_roles_are_narrow, "modules/cosmos.bicep", "Definitions/${role.cosmosDataReader}", "Definitions/0"),
    (policy.table_roles_are_narrow, "modules/cosmos.bicep", "guid(account.id, name,", "guid(account.id,"),
    (policy.roles_are_documented, "modules/cosmos.bicep", "-000000000001'", "-000000000002'"),
    (policy.reads_see_every_write, "modules/cosmos.bicep", "'Strong'", "'Session'"),
    (policy.reads_see_every_write, "modules/cosmos.bicep", "locations: [", "locations: [{ locationName: 'eastus' }, "),
    (policy.the_ledger_can_be_restored, "modules/cosmos.bicep", "type: 'Continuous'", "type: 'Periodic'"),
    *(
        (policy.private_when_asked, f"modules/{file}.bicep", "isPrivate ? 'Disabled' : 'Enabled'", "'Enabled'")
        for file in ("cosmos", "messaging", "safety", "storage")
    ),
    (policy.all_is_tagged, "modules/identity.bicep", "  tags: tags\n", ""),
    (policy.all_is_tagged, "modules/cosmos.bicep", "  tags: tags\n", ""),
    (
        policy.all_is_tagged,
        "modules/identity.bicep",
        "Microsoft.ManagedIdentity/userAssignedIdentities",
        "Microsoft.Compute/virtualMachines",
    ),
    (
        policy.lifecycle_spares_the_package,
        "modules/storage.bicep",
        "'${settings.QUARANTINE_CONTAINER}/'",
        "'app-package/'",
    ),
    (
        policy.lifecycle_spares_the_package,
        "modules/storage.bicep",
        ", prefixMatch: ['${settings.OUTPUTS_CONTAINER}/']",
        "",
    ),
    (policy.audited, "modules/vault.bicep", "scope: vault", "scope: somethingElse"),
    (policy.audited, "modules/cosmos.bicep", "scope: account\n", ""),
    (policy.parameters_are_described, "modules/identity.bicep", "@description('Azure region.')\n", ""),
    (
        policy.parameters_are_described,
        "main.bicep",
        "@minValue(0)\n@maxValue(3650)\nparam outputsCool",
        "param outputsCool",
    ),
    (policy.parameters_are_described, "main.bicep", "scaling string = 'target'", "scaling string = 'fast'"),
    (policy.names_exist, "modules/app.bicep", "KEY_VAULT_URL: vaultUrl", "KEY_VAULT_URL: vaultUri"),
    (policy.names_exist, "main.bicep", "vault.outputs.vaultUrl", "vault.outputs.vaultUri"),
    (policy.names_exist, "main.bicep", "    sku: safetySku\n", ""),
    (policy.names_exist, "main.bicep", "    sku: safetySku\n", "    sku: safetySku\n    colour: 'red'\n"),
    (policy.names_exist, "main.bicep", "'modules/safety.bicep'", "'modules/safe.bicep'"),
    (policy.no_syntax_errors, "modules/safety.bicep", "kind: 'ContentSafety'", "kind: 'ContentSafety"),
    (policy.no_syntax_errors, "modules/vault.bicep", "  name: 'kv-${token}'", "  name = 'kv-${token}'"),
]

RULES = list(dict.fromkeys(rule for rule, *_ in MUTATIONS))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_holds(rule: Rule) -> None:
    """The templates keep the rule."""
    assert rule(templates(sources())) == []


@pytest.mark.parametrize(
    ("rule", "file", "right", "wrong"),
    MUTATIONS,
    ids=[f"{rule.__name__}-{n}" for n, (rule, *_) in enumerate(MUTATIONS)],
)
def test_can_be_broken(rule: Rule, file: str, right: str, wrong: str) -> None:
    """One change at any one of the places where it can be made, and the rule says so."""
    before, *after = sources()[file].split(right)
    assert after
    for place in range(1, len(after) + 1):
        pieces = [before, *after]
        text = right.join(pieces[:place]) + wrong + right.join(pieces[place:])
        assert rule(templates(sources() | {file: text})) != [], f"place {place}"


def test_every_rule_is_tried() -> None:
    """A rule without a mutation would prove nothing."""
    rules = {
        name for name, value in vars(policy).items() if getattr(value, "__annotations__", {}).keys() == {"ts", "return"}
    }
    assert rules == {rule.__name__ for rule in RULES}
