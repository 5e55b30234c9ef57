// Darkroom on Azure: everything that `azd up` makes, in one resource group.
// Each module is one concern. Who may do what is in modules/roles.bicep (and for tables in Cosmos DB, whose roles are its own,
// in modules/cosmos.bicep); what wakes an operator in modules/alerts.bicep.
// No key, connection string or secret is in any template, parameter or output: everything is reached by identity.
targetScope = 'subscription'

// Place and owner.

@description('Name of the azd environment, such as darkroom-prod. It names the resource group and is a tag on everything.')
@minLength(1)
@maxLength(40)
param environmentName string

@description('Azure region. It must offer Flex Consumption and Content Safety (image analysis), for instance swedencentral, eastus or westeurope.')
@minLength(1)
param location string

@description('Object id of whoever deploys (azd fills it in). Gets the roles of an operator; empty: nobody gets them.')
param principalId string = ''

@description('Kind of the principal: User on a laptop, ServicePrincipal in a pipeline. A wrong kind makes the role assignment fail.')
@allowed(['User', 'ServicePrincipal', 'Group'])
param principalType string = 'User'

// The app.

@description('Memory of an instance, MB. 2048 is one core: 16 outputs of at most 8 MiB in memory each, and Pillow decoding one of them. 512 has a quarter of a core and is too little for that; 4096 serves large videos.')
@allowed([2048, 4096])
param instanceMemoryMB int = 2048

@description('Most instances of each function. 40 times maxConcurrentCalls 16 (host.json) is 640 requests at once: one minute of Replicate\'s 600 creates a minute. Older documentation allows nothing below 40.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Webhooks that one instance takes at once. Flex gives Python 1 by default; a webhook waits for nothing but the queue, so 16 of them share a core easily.')
@minValue(1)
@maxValue(1000)
param httpConcurrency int = 16

@description('Instances that always wait for webhooks. 0 costs nothing at rest; Replicate tries again for about a minute after a cold start, and the timer finds what was lost. 1 makes the first picture of the day a few seconds faster.')
@minValue(0)
@maxValue(20)
param alwaysReadyHttpInstances int = 0

@description('The https address under which Replicate reaches the app, when that is not its own host name (a gateway in front). Empty: its own.')
param publicUrl string = ''

@description('Networks that may send webhooks, as CIDRs with commas between. Replicate publishes no addresses, so empty is right unless a gateway of yours stands in front.')
param webhookAllowedCidrs string = ''

// Storage.

@description('Copies of the data. ZRS outlives the loss of a data centre and needs a region with zones; LRS is a fifth cheaper; GZRS keeps a second region.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GZRS'])
param dataRedundancy string = 'Standard_ZRS'

@description('Days after which an output moves to the cool tier. Cool is cheaper from the first month on, but a read costs more. 0: never.')
@minValue(0)
@maxValue(3650)
param outputsCoolAfterDays int = 30

@description('Days after which an output is deleted. 0: never, because pictures belong to your users and only you know for how long.')
@minValue(0)
@maxValue(3650)
param outputsDeleteAfterDays int = 0

@description('Days for which dead letters, quarantined files and uploads are kept. They hold prompts and pictures of users, so not for ever.')
@minValue(1)
@maxValue(365)
param archiveDays int = 30

@description('Days for which nobody can change or delete a signed head of a ledger or a public key. The default is seven years.')
@minValue(1)
@maxValue(146000)
param proofDays int = 2557

@description('true: the policy that keeps the proofs is locked, so that not even an owner can take it away, ever. For production; the postprovision hook does it once.')
param lockProofs bool = false

@description('Whether the policy is locked already. Nobody sets it: the hook that locks it writes PROOFS_LOCKED into the environment of azd, and a pipeline repeats it.')
param proofsLocked bool = false

@description('Where accounts, generations and ledger are. storage: tables of the storage account, enough for 20,000 operations a second and billed by use. cosmos: Azure Cosmos DB for Table, for more than that; about 70 USD a month at rest, and not tried yet. What is in the one is not moved to the other.')
@allowed(['storage', 'cosmos'])
param tableStore string = 'storage'

@description('Only for tableStore cosmos: most request units a second of each of the two tables, in steps of 1000. A tenth is always billed. A generation takes about 110 (an estimate), so 4000 are some 36 a second: more than three times Replicate\'s 600 creates a minute.')
@minValue(1000)
@maxValue(1000000)
param cosmosMaxRequestUnits int = 4000

// Secrets. They go into the vault by Azure's control plane, which also reaches a vault in a closed network.

@secure()
@description('Replicate API token. Empty: what the vault has is kept, and the postprovision hook asks for it where there is none.')
param replicateApiToken string = ''

@secure()
@description('Signing secret of Replicate\'s webhooks. Empty: what the vault has is kept, and the postprovision hook fetches it.')
param replicateWebhookSecret string = ''

// Content Safety.

@description('Price tier of Content Safety. F0 is free with 5,000 texts and images a month, one per subscription; S0 is paid per use.')
@allowed(['F0', 'S0'])
param safetySku string = 'S0'

// Network.

@description('true puts storage, tables, vault, Content Safety and Service Bus (Premium then: about 670 USD a month) behind private endpoints, with a NAT gateway as the way out. The webhook stays public.')
param vnetEnabled bool = false

@description('Addresses that may reach the vault when vnetEnabled is true, as CIDRs with commas between: the machine that runs the postprovision hook. Empty: nobody from outside.')
param operatorCidrs string = ''

// Scaling and operations.

@description('target: the platform reads the queues\' length and starts instances by it; it needs the role Data Owner on the queues. incremental: only Receiver and Sender; it starts one instance after the other.')
@allowed(['target', 'incremental'])
param scaling string = 'target'

@description('E-mail address for alerts and the budget. Empty: alerts are seen in the portal alone, and the budget mails the owners.')
param alertEmail string = ''

@description('Monthly budget of the resource group in your billing currency, for a warning by mail; nothing is ever stopped. 0: no budget. Replicate is not in it.')
@minValue(0)
@maxValue(1000000)
param monthlyBudget int = 50

@description('First day of the month in which the budget began, yyyy-MM-01. Empty: this month. azd keeps what was deployed (the output of this name), for Azure refuses to change it later.')
param budgetStart string = ''

@description('The month of the first deployment. Nobody sets it.')
param thisMonth string = utcNow('yyyy-MM-01')

@description('Days for which telemetry is kept. 31 are included in the price of ingestion (Log Analytics); more is billed.')
@minValue(30)
@maxValue(730)
param telemetryDays int = 31

@description('Recover a vault of this name that was deleted less than 90 days ago, after azd down and up again under the same name. Purge protection keeps it until then.')
param recoverVault bool = false

// 13 letters and digits that are the same at every deployment of this environment, and nobody else's.
var token = toLower(uniqueString(subscription().id, environmentName, location))
// Azure takes a budget only from the month in which it is made.
var budgetMonth = empty(budgetStart) ? thisMonth : budgetStart

var tags = { 'azd-env-name': environmentName }

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module observability 'modules/observability.bicep' = {
  name: 'observability'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    telemetryDays: telemetryDays
  }
}

module identity 'modules/identity.bicep' = {
  name: 'identity'
  scope: group
  params: { location: location, tags: tags, token: token }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    isPrivate: vnetEnabled
    redundancy: dataRedundancy
    outputsCoolAfterDays: outputsCoolAfterDays
    outputsDeleteAfterDays: outputsDeleteAfterDays
    archiveDays: archiveDays
    proofDays: proofsLocked ? 0 : proofDays
  }
}

module messaging 'modules/messaging.bicep' = {
  name: 'messaging'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    isPrivate: vnetEnabled
    workspaceId: observability.outputs.workspaceId
  }
}

module vault 'modules/vault.bicep' = {
  name: 'vault'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    isPrivate: vnetEnabled
    operatorCidrs: operatorCidrs
    recover: recoverVault
    replicateApiToken: replicateApiToken
    replicateWebhookSecret: replicateWebhookSecret
    workspaceId: observability.outputs.workspaceId
  }
}

module safety 'modules/safety.bicep' = {
  name: 'safety'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    sku: safetySku
    isPrivate: vnetEnabled
    workspaceId: observability.outputs.workspaceId
  }
}

module cosmos 'modules/cosmos.bicep' = if (tableStore == 'cosmos') {
  name: 'cosmos'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    isPrivate: vnetEnabled
    isZoneRedundant: dataRedundancy != 'Standard_LRS'
    maxRequestUnits: cosmosMaxRequestUnits
    appPrincipalId: identity.outputs.principalId
    operatorPrincipalId: principalId
    workspaceId: observability.outputs.workspaceId
  }
}

module roles 'modules/roles.bicep' = {
  name: 'roles'
  scope: group
  params: {
    appPrincipalId: identity.outputs.principalId
    operatorPrincipalId: principalId
    operatorPrincipalType: principalType
    scaling: scaling
    tableStore: tableStore
    token: token
  }
  // Their names are made of the token and not taken from these modules, so that a preview shows the roles.
  dependsOn: [observability, storage, messaging, vault, safety]
}

module network 'modules/network.bicep' = if (vnetEnabled) {
  name: 'network'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    hostAccountId: storage.outputs.hostAccountId
    dataAccountId: storage.outputs.dataAccountId
    namespaceId: messaging.outputs.namespaceId
    vaultId: vault.outputs.vaultId
    safetyId: safety.outputs.accountId
    cosmosId: tableStore == 'cosmos' ? cosmos!.outputs.accountId : ''
  }
}

module app 'modules/app.bicep' = {
  name: 'app'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    identityId: identity.outputs.identityId
    identityClientId: identity.outputs.clientId
    subnetId: vnetEnabled ? network!.outputs.appSubnetId : ''
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    httpConcurrency: httpConcurrency
    alwaysReadyHttpInstances: alwaysReadyHttpInstances
    publicUrl: publicUrl
    webhookAllowedCidrs: webhookAllowedCidrs
    blobUrl: storage.outputs.blobUrl
    tableUrl: tableStore == 'cosmos' ? cosmos!.outputs.tableUrl : storage.outputs.tableUrl
    serviceBusNamespace: messaging.outputs.hostName
    vaultUrl: vault.outputs.vaultUrl
    safetyEndpoint: safety.outputs.endpoint
  }
  // The site fetches its package and its first secret as soon as it exists, so its roles must exist before.
  dependsOn: [roles]
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    location: location
    tags: tags
    email: alertEmail
    workspaceId: observability.outputs.workspaceId
    namespaceId: messaging.outputs.namespaceId
    monthlyBudget: monthlyBudget
    budgetStart: budgetMonth
  }
}

// What azd keeps in its environment: addresses and names, never a secret.
output AZURE_RESOURCE_GROUP string = group.name
output BUDGET_START string = budgetMonth
output FUNCTION_APP_NAME string = app.outputs.siteName
output FUNCTION_APP_URL string = app.outputs.url
output KEY_VAULT_NAME string = vault.outputs.vaultName

// These are settings of the app: `python3 -m shared.cli` reads them.
output KEY_VAULT_URL string = vault.outputs.vaultUrl
output STORAGE_BLOB_URL string = storage.outputs.blobUrl
output STORAGE_TABLE_URL string = tableStore == 'cosmos' ? cosmos!.outputs.tableUrl : storage.outputs.tableUrl
output LOCK_PROOFS string = lockProofs ? 'true' : 'false'
output ServiceBus__fullyQualifiedNamespace string = messaging.outputs.hostName
output CONTENT_SAFETY_ENDPOINT string = safety.outputs.endpoint
output PUBLIC_URL string = empty(publicUrl) ? app.outputs.url : publicUrl
