// Who may do what, and why. Every role is assigned at the narrowest scope that Azure has for it.
// Tables in Cosmos DB have roles of their own: modules/cosmos.bicep.
// The app's identity and the operator (whoever deploys) have nothing in common but the vault.

@description('Principal of the app\'s identity.')
param appPrincipalId string

@description('Principal of the operator; empty: none.')
param operatorPrincipalId string

@description('User, ServicePrincipal or Group.')
param operatorPrincipalType string

@description('target or incremental: see main.bicep.')
param scaling string

@description('storage or cosmos: see main.bicep. Nobody gets a role on tables that are not used.')
param tableStore string

@description('What makes names unique. The names of what roles are on are made of it and not taken from the modules that make them, and so are the names of the assignments: a preview knows them all before anything exists.')
param token string

// Assignments are named after the app's identity and not after its principal, which Azure draws when it makes it.
var appIdentity = 'id-${token}'

var settings = loadJsonContent('../settings.json')

// learn.microsoft.com/azure/role-based-access-control/built-in-roles
var role = {
  blobDataContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  blobDataReader: '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
  blobDelegator: 'db58b8e5-c6ad-4a2a-8342-4190687cbf4a'
  blobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  cognitiveServicesUser: 'a97b65f3-24c7-4388-baec-2e87135dc908'
  metricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb'
  secretsOfficer: 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
  secretsUser: '4633458b-17de-408a-b874-0445c86b69e6'
  serviceBusOwner: '090c5cfd-751d-490a-894a-3ce6f1109419'
  serviceBusReceiver: '4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0'
  serviceBusSender: '69a216fc-b8fb-44d8-bc22-1f3c2cd27a39'
  tableDataContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
  tableDataReader: '76199698-9eea-4c19-bc75-cec21354c6b6'
}

var queues = [settings.GENERATION_QUEUE, settings.PREDICTION_QUEUE, settings.COMMAND_QUEUE]
var tables = [settings.STATE_TABLE, settings.OPEN_TABLE, settings.MOVED_TABLE, settings.TURNS_TABLE]
var appContainers = [settings.OUTPUTS_CONTAINER, settings.DEAD_LETTERS_CONTAINER, settings.INPUTS_CONTAINER, settings.QUARANTINE_CONTAINER, settings.PROOFS_CONTAINER]
var appReadContainers = [settings.UPLOADS_CONTAINER, 'config']

resource hostAccount 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: 'sthost${token}'
}

resource dataAccount 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: 'stdata${token}'
}

resource dataBlobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' existing = {
  parent: dataAccount
  name: 'default'
}

resource containers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' existing = [for name in appContainers: {
  parent: dataBlobs
  name: name
}]

resource readContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' existing = [for name in appReadContainers: {
  parent: dataBlobs
  name: name
}]

resource config 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' existing = {
  parent: dataBlobs
  name: 'config'
}

resource deadLetters 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' existing = {
  parent: dataBlobs
  name: settings.DEAD_LETTERS_CONTAINER
}

resource proofs 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' existing = {
  parent: dataBlobs
  name: settings.PROOFS_CONTAINER
}

resource dataTableService 'Microsoft.Storage/storageAccounts/tableServices@2025-01-01' existing = {
  parent: dataAccount
  name: 'default'
}

resource dataTables 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-01-01' existing = [for name in tables: {
  parent: dataTableService
  name: name
}]

resource stateTable 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-01-01' existing = {
  parent: dataTableService
  name: settings.STATE_TABLE
}

resource openTable 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-01-01' existing = {
  parent: dataTableService
  name: settings.OPEN_TABLE
}

resource movedTable 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-01-01' existing = {
  parent: dataTableService
  name: settings.MOVED_TABLE
}

resource namespace 'Microsoft.ServiceBus/namespaces@2024-01-01' existing = {
  name: 'sb-${token}'
}

resource inbound 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' existing = [for name in queues: {
  parent: namespace
  name: name
}]

resource events 'Microsoft.ServiceBus/namespaces/topics@2024-01-01' existing = {
  parent: namespace
  name: settings.EVENTS_TOPIC
}

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: 'kv-${token}'
}

resource safety 'Microsoft.CognitiveServices/accounts@2025-06-01' existing = {
  name: 'safety-${token}'
}

resource component 'Microsoft.Insights/components@2020-02-02' existing = {
  name: 'appi-${token}'
}

// The app.

// The host keeps its package, timer locks and function keys here, in containers that it makes itself. Its documented minimum.
resource appHostBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hostAccount.id, appIdentity, role.blobDataOwner)
  scope: hostAccount
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.blobDataOwner)
  }
}

// The host writes its diagnostic events into a table of its own making; without it, it warns at every start.
resource appHostTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hostAccount.id, appIdentity, role.tableDataContributor)
  scope: hostAccount
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.tableDataContributor)
  }
}

// Writes, overwrites and discards outputs; keeps dead letters, screened input images and quarantined files for the configured days.
// Writes proofs too, and their container's policy forbids what else the role would allow.
resource appContainersRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (name, i) in appContainers: {
  name: guid(containers[i].id, appIdentity, role.blobDataContributor)
  scope: containers[i]
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.blobDataContributor)
  }
}]

// Reads what the app in front has uploaded for a model, and what an operator has put there for the app's next start.
resource appReadContainersRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (name, i) in appReadContainers: {
  name: guid(readContainers[i].id, appIdentity, role.blobDataReader)
  scope: readContainers[i]
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.blobDataReader)
  }
}]

// Signs the short-lived address under which Replicate reads a screened input image, or an uploaded sound. A user delegation key is the account's matter.
resource appDelegatorRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(dataAccount.id, appIdentity, role.blobDelegator)
  scope: dataAccount
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.blobDelegator)
  }
}

// Reads and writes accounts, generations and ledger, and the open index.
resource appTablesRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (name, i) in tables: if (tableStore == 'storage') {
  name: guid(dataTables[i].id, appIdentity, role.tableDataContributor)
  scope: dataTables[i]
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.tableDataContributor)
  }
}]

// Receives, sends and schedules on the three queues; and the platform reads their length through it, which only the
// owner may. On these queues alone: it can neither make an entity nor touch the topic.
resource appQueuesOwner 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (name, i) in queues: if (scaling == 'target') {
  name: guid(inbound[i].id, appIdentity, role.serviceBusOwner)
  scope: inbound[i]
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.serviceBusOwner)
  }
}]

// The least that works, where slower scaling is accepted for it: the triggers receive ...
resource appQueuesReceiver 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (name, i) in queues: if (scaling == 'incremental') {
  name: guid(inbound[i].id, appIdentity, role.serviceBusReceiver)
  scope: inbound[i]
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.serviceBusReceiver)
  }
}]

// ... and the app sends webhooks, checks and deferred copies.
resource appQueuesSender 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (name, i) in queues: if (scaling == 'incremental') {
  name: guid(inbound[i].id, appIdentity, role.serviceBusSender)
  scope: inbound[i]
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.serviceBusSender)
  }
}]

// Publishes events; it never reads them.
resource appEvents 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(events.id, appIdentity, role.serviceBusSender)
  scope: events
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.serviceBusSender)
  }
}

// Reads the four secrets. On the vault, because they are put in after the deployment; nothing else is in it.
resource appVault 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, appIdentity, role.secretsUser)
  scope: vault
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.secretsUser)
  }
}

// Has texts and images analysed.
resource appSafety 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(safety.id, appIdentity, role.cognitiveServicesUser)
  scope: safety
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.cognitiveServicesUser)
  }
}

// Sends telemetry: the component takes no instrumentation key.
resource appTelemetry 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(component.id, appIdentity, role.metricsPublisher)
  scope: component
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.metricsPublisher)
  }
}

// The operator.

// Puts the token, the signing secret and the keys of the ledger in, and rotates them.
resource operatorVault 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorPrincipalId)) {
  name: guid(vault.id, operatorPrincipalId, role.secretsOfficer)
  scope: vault
  properties: {
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.secretsOfficer)
  }
}

// Grants credits, posts corrections, looks at generations: the command line.
resource operatorState 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorPrincipalId) && tableStore == 'storage') {
  name: guid(stateTable.id, operatorPrincipalId, role.tableDataContributor)
  scope: stateTable
  properties: {
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.tableDataContributor)
  }
}

// Each of those moves is noted there first.
resource operatorMoved 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorPrincipalId) && tableStore == 'storage') {
  name: guid(movedTable.id, operatorPrincipalId, role.tableDataContributor)
  scope: movedTable
  properties: {
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.tableDataContributor)
  }
}

// Looks at what is open; only the app writes there.
resource operatorOpen 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorPrincipalId) && tableStore == 'storage') {
  name: guid(openTable.id, operatorPrincipalId, role.tableDataReader)
  scope: openTable
  properties: {
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.tableDataReader)
  }
}

// Lists and reads dead letters; replaying one leaves it where it is. Not the outputs: an operator does not need users' pictures.
resource operatorDeadLetters 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorPrincipalId)) {
  name: guid(deadLetters.id, operatorPrincipalId, role.blobDataReader)
  scope: deadLetters
  properties: {
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.blobDataReader)
  }
}

// Compares ledgers with their signed heads; publishes the public key before a receipt is signed with a new one.
resource operatorProofs 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorPrincipalId)) {
  name: guid(proofs.id, operatorPrincipalId, role.blobDataContributor)
  scope: proofs
  properties: {
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.blobDataContributor)
  }
}

// Puts a catalogue, a policy or a blocklist there. Not the uploads: an operator does not need users' files.
resource operatorConfig 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorPrincipalId)) {
  name: guid(config.id, operatorPrincipalId, role.blobDataContributor)
  scope: config
  properties: {
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.blobDataContributor)
  }
}

// Submits (the canary after a deployment), commands accounts and replays dead letters.
resource operatorQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (name, i) in queues: if (!empty(operatorPrincipalId)) {
  name: guid(inbound[i].id, operatorPrincipalId, role.serviceBusSender)
  scope: inbound[i]
  properties: {
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.serviceBusSender)
  }
}]
