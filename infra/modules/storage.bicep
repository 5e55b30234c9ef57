// Two storage accounts: one for the Functions host (its package, its locks and keys), one for the data.
// The host's account needs the strongest role there is for blobs; in an account of its own, that role does not reach the users' pictures.

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags { *: string }

@description('What makes names unique.')
param token string

@description('true: reachable through private endpoints only.')
param isPrivate bool

@description('Copies of the data: the SKU of its account.')
param redundancy string

@description('Days after which an output becomes cool; 0: never.')
param outputsCoolAfterDays int

@description('Days after which an output is deleted; 0: never.')
param outputsDeleteAfterDays int

@description('Days for which dead letters, quarantine and uploads are kept.')
param archiveDays int

@description('Days for which nobody, not even an owner, can change or delete a proof. 0: there is no such policy, or it is locked already.')
param proofDays int

// For two weeks a deleted blob or container can be brought back: longer than a weekend and a holiday, short enough to be a deletion.
var undeleteDays = 14

var settings = loadJsonContent('../settings.json')

var containers = [
  settings.OUTPUTS_CONTAINER // what passed the checks; where the app in front finds it
  settings.DEAD_LETTERS_CONTAINER // raw messages that died
  settings.QUARANTINE_CONTAINER // what was refused, for QUARANTINE_DAYS; nobody but an operator reads it
  settings.INPUTS_CONTAINER // screened input images, while a prediction may read them
  settings.UPLOADS_CONTAINER // what the app in front puts there for models to read: sounds, archives of trainings
  settings.PROOFS_CONTAINER // signed heads of ledgers and public keys: written once
  'config' // catalogue, policy and blocklist, where a setting names one as blob:config/...
]

var tables = [
  settings.STATE_TABLE // accounts, generations, ledger
  settings.OPEN_TABLE // what is not finished and announced
  settings.MOVED_TABLE // which accounts moved on which day
  settings.TURNS_TABLE // what waits for a turn
]

// Each action only where its number of days is not 0.
var cooling = outputsCoolAfterDays == 0 ? {} : { tierToCool: { daysAfterModificationGreaterThan: outputsCoolAfterDays } }
var deleting = outputsDeleteAfterDays == 0 ? {} : { delete: { daysAfterModificationGreaterThan: outputsDeleteAfterDays } }

resource hostAccount 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: 'sthost${token}'
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: 'Standard_LRS' } // nothing in it that a deployment does not bring back
  properties: {
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    networkAcls: { bypass: 'None', defaultAction: isPrivate ? 'Deny' : 'Allow' }
  }
}

resource hostBlobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' = {
  parent: hostAccount
  name: 'default'
}

// Flex Consumption runs what lies here; the site cannot be made before it.
resource package 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = {
  parent: hostBlobs
  name: 'app-package'
  properties: { publicAccess: 'None' }
}

resource dataAccount 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: 'stdata${token}'
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: redundancy }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    networkAcls: { bypass: 'None', defaultAction: isPrivate ? 'Deny' : 'Allow' }
  }
}

resource dataBlobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' = {
  parent: dataAccount
  name: 'default'
  properties: {
    deleteRetentionPolicy: { enabled: true, days: undeleteDays }
    containerDeleteRetentionPolicy: { enabled: true, days: undeleteDays }
  }
}

resource dataContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = [for name in containers: {
  parent: dataBlobs
  name: name
  properties: { publicAccess: 'None' }
}]

resource proofs 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' existing = {
  parent: dataBlobs
  name: settings.PROOFS_CONTAINER
}

// A template can make this policy and not lock it: the postprovision hook does that, where LOCK_PROOFS says so. A locked
// policy refuses to be written again, even with the same days; then it is not written.
resource proofsKept 'Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies@2025-01-01' = if (proofDays > 0) {
  parent: proofs
  name: 'default'
  dependsOn: [dataContainers]
  properties: { immutabilityPeriodSinceCreationInDays: proofDays, allowProtectedAppendWrites: false }
}

resource dataTableService 'Microsoft.Storage/storageAccounts/tableServices@2025-01-01' = {
  parent: dataAccount
  name: 'default'
}

resource dataTables 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-01-01' = [for name in tables: {
  parent: dataTableService
  name: name
}]

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-01-01' = {
  parent: dataAccount
  name: 'default'
  dependsOn: [dataBlobs]
  properties: {
    policy: {
      rules: [
        {
          name: 'outputs'
          type: 'Lifecycle'
          enabled: outputsCoolAfterDays > 0 || outputsDeleteAfterDays > 0
          definition: {
            filters: { blobTypes: ['blockBlob'], prefixMatch: ['${settings.OUTPUTS_CONTAINER}/'] }
            // A rule needs an action even while it is off.
            actions: { baseBlob: empty(union(cooling, deleting)) ? { tierToCool: { daysAfterModificationGreaterThan: 3650 } } : union(cooling, deleting) }
          }
        }
        {
          name: 'archive'
          type: 'Lifecycle'
          enabled: true
          definition: {
            // No inputs: what waits may need them for longer, and the app deletes what it does not need.
            filters: { blobTypes: ['blockBlob'], prefixMatch: ['${settings.DEAD_LETTERS_CONTAINER}/', '${settings.QUARANTINE_CONTAINER}/', '${settings.UPLOADS_CONTAINER}/'] }
            actions: { baseBlob: { delete: { daysAfterModificationGreaterThan: archiveDays } } }
          }
        }
      ]
    }
  }
}

output hostAccountId string = hostAccount.id
output dataAccountId string = dataAccount.id
output blobUrl string = dataAccount.properties.primaryEndpoints.blob
output tableUrl string = dataAccount.properties.primaryEndpoints.table
