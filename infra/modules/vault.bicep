// Key Vault: Replicate's API token and webhook signing secret, and the two keys of the ledger. The postprovision hook puts them in.

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags { *: string }

@description('What makes names unique.')
param token string

@description('true: reachable through a private endpoint, and from operatorCidrs.')
param isPrivate bool

@description('CIDRs, with commas between, that reach a private vault from outside.')
param operatorCidrs string

@description('Recover the deleted vault of this name instead of making a new one.')
param recover bool

@secure()
@description('Replicate API token; empty: it is not touched.')
param replicateApiToken string

@secure()
@description('Signing secret of Replicate\'s webhooks; empty: it is not touched.')
param replicateWebhookSecret string

@description('Where the audit log goes.')
param workspaceId string

var openCidrs = empty(operatorCidrs) ? [] : split(operatorCidrs, ',')

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: 'kv-${token}'
  location: location
  tags: tags
  properties: {
    createMode: recover ? 'recover' : 'default'
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    // Nobody, not even an owner, can destroy the secrets for good before 90 days are over. It can never be switched off.
    enablePurgeProtection: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    publicNetworkAccess: isPrivate && empty(openCidrs) ? 'disabled' : 'enabled'
    networkAcls: {
      bypass: 'None'
      defaultAction: isPrivate ? 'Deny' : 'Allow'
      ipRules: [for cidr in openCidrs: { value: trim(cidr) }]
    }
  }
}

// By Azure's control plane: it needs no role on the vault, and passes its closed network. Absent, nothing is deleted.
resource apiToken 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(replicateApiToken)) {
  parent: vault
  name: 'replicate-api-token'
  properties: { value: replicateApiToken, contentType: 'Replicate API token' }
}

resource webhookSecret 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(replicateWebhookSecret)) {
  parent: vault
  name: 'replicate-webhook-secret'
  properties: { value: replicateWebhookSecret, contentType: 'Replicate webhook signing secret' }
}

// Who read which secret, and who was refused.
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: vault
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'audit', enabled: true }]
  }
}

output vaultName string = vault.name
output vaultId string = vault.id
output vaultUrl string = vault.properties.vaultUri
