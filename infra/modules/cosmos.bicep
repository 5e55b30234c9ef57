// The tables in Azure Cosmos DB for Table instead of a storage account (tableStore), and who may read and write them.
// Its roles are not Azure's but the account's own, so they are here and not in roles.bicep.
// Never tried against a real account. docs/scale.md says when to use it and what is not known.

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags { *: string }

@description('What makes names unique.')
param token string

@description('true: reachable through a private endpoint only.')
param isPrivate bool

@description('true: copies in several zones of the region. It cannot be changed once the account exists.')
param isZoneRedundant bool

@description('Most request units a second of each table, a multiple of 1000.')
param maxRequestUnits int

@description('Principal of the app\'s identity.')
param appPrincipalId string

@description('Principal of the operator; empty: none.')
param operatorPrincipalId string

@description('Where the log of changes goes.')
param workspaceId string

var settings = loadJsonContent('../settings.json')

// Names are case-sensitive here, unlike in Storage.
var tables = [
  settings.STATE_TABLE // accounts, generations, ledger
  settings.OPEN_TABLE // what is not finished and announced
  settings.MOVED_TABLE // which accounts moved on which day
  settings.TURNS_TABLE // what waits for a turn
]

// learn.microsoft.com/azure/cosmos-db/table/reference-data-plane-security: every account has these two.
var role = {
  cosmosDataContributor: '00000000-0000-0000-0000-000000000002'
  cosmosDataReader: '00000000-0000-0000-0000-000000000001'
}

resource account 'Microsoft.DocumentDB/databaseAccounts@2026-03-15' = {
  name: 'cosmos-${token}'
  location: location
  tags: tags
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    capabilities: [{ name: 'EnableTable' }]
    // Every instance reads what any other wrote. Session would not do: its token is per client, the Table API's
    // clients send none, and a read without one is eventual even in one region. In one region Strong writes as fast as
    // any other; a read asks two replicas of four and costs twice, the same as with BoundedStaleness.
    consistencyPolicy: { defaultConsistencyLevel: 'Strong' }
    // One region: with a second one every write waits for it. Strong is not available with several write regions.
    locations: [{ locationName: location, failoverPriority: 0, isZoneRedundant: isZoneRedundant }]
    disableLocalAuth: true
    disableKeyBasedMetadataWriteAccess: true
    minimalTlsVersion: 'Tls12'
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    networkAclBypass: 'None'
    // Any second of the last week can be brought back (into another account): the ledger is money.
    backupPolicy: { type: 'Continuous', continuousModeProperties: { tier: 'Continuous7Days' } }
  }
}

// One after the other, here and below: an account may refuse a change while another is under way.
// Autoscale and not serverless: that ends at 20,000 request units a second, and this option is for larger loads.
@batchSize(1)
resource dataTables 'Microsoft.DocumentDB/databaseAccounts/tables@2026-03-15' = [for name in tables: {
  parent: account
  name: name
  tags: tags
  properties: {
    resource: { id: name }
    options: { autoscaleSettings: { maxThroughput: maxRequestUnits } }
  }
}]

// Who may do what, each on one table: dbs/TablesDB/colls/<table> is the narrowest scope there is. The service says that
// TablesDB is case-sensitive, and that a scope with another spelling is widened to the whole account.

// The app reads and writes accounts, generations and ledger, and the open index.
@batchSize(1)
resource appTablesRole 'Microsoft.DocumentDB/databaseAccounts/tableRoleAssignments@2026-03-15' = [for name in tables: {
  parent: account
  // Named after the identity and not after its principal, which no preview knows.
  name: guid(account.id, name, 'id-${token}', role.cosmosDataContributor)
  dependsOn: [dataTables]
  properties: {
    principalId: appPrincipalId
    roleDefinitionId: '${account.id}/tableRoleDefinitions/${role.cosmosDataContributor}'
    scope: '${account.id}/dbs/TablesDB/colls/${name}'
  }
}]

// The operator grants credits, posts corrections, looks at generations: the command line.
resource operatorState 'Microsoft.DocumentDB/databaseAccounts/tableRoleAssignments@2026-03-15' = if (!empty(operatorPrincipalId)) {
  parent: account
  name: guid(account.id, settings.STATE_TABLE, operatorPrincipalId, role.cosmosDataContributor)
  dependsOn: [appTablesRole]
  properties: {
    principalId: operatorPrincipalId
    roleDefinitionId: '${account.id}/tableRoleDefinitions/${role.cosmosDataContributor}'
    scope: '${account.id}/dbs/TablesDB/colls/${settings.STATE_TABLE}'
  }
}

// The operator looks at what is open; only the app writes there.
resource operatorOpen 'Microsoft.DocumentDB/databaseAccounts/tableRoleAssignments@2026-03-15' = if (!empty(operatorPrincipalId)) {
  parent: account
  name: guid(account.id, settings.OPEN_TABLE, operatorPrincipalId, role.cosmosDataReader)
  dependsOn: [operatorState]
  properties: {
    principalId: operatorPrincipalId
    roleDefinitionId: '${account.id}/tableRoleDefinitions/${role.cosmosDataReader}'
    scope: '${account.id}/dbs/TablesDB/colls/${settings.OPEN_TABLE}'
  }
}

// Each move of an operator is noted there first.
resource operatorMoved 'Microsoft.DocumentDB/databaseAccounts/tableRoleAssignments@2026-03-15' = if (!empty(operatorPrincipalId)) {
  parent: account
  name: guid(account.id, settings.MOVED_TABLE, operatorPrincipalId, role.cosmosDataContributor)
  dependsOn: [operatorOpen]
  properties: {
    principalId: operatorPrincipalId
    roleDefinitionId: '${account.id}/tableRoleDefinitions/${role.cosmosDataContributor}'
    scope: '${account.id}/dbs/TablesDB/colls/${settings.MOVED_TABLE}'
  }
}

// Who changed the account, its firewall and its roles. Not every read and write: that would be 17 records a generation.
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: account
  properties: {
    workspaceId: workspaceId
    logs: [{ category: 'ControlPlaneRequests', enabled: true }]
  }
}

output accountId string = account.id
output tableUrl string = 'https://${account.name}.table.cosmos.azure.com/'
