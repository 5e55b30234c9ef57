// Azure AI Content Safety: the check of prompts and of outputs.

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags { *: string }

@description('What makes names unique.')
param token string

@description('F0 or S0.')
param sku string

@description('true: reachable through a private endpoint only.')
param isPrivate bool

@description('Where the audit log goes.')
param workspaceId string

resource account 'Microsoft.CognitiveServices/accounts@2025-06-01' = {
  name: 'safety-${token}'
  location: location
  tags: tags
  kind: 'ContentSafety'
  sku: { name: sku }
  properties: {
    // Tokens of an identity are only accepted at an address of the account's own.
    customSubDomainName: 'safety-${token}'
    disableLocalAuth: true
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    networkAcls: { defaultAction: isPrivate ? 'Deny' : 'Allow' }
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: account
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'audit', enabled: true }]
  }
}

output accountId string = account.id
output endpoint string = account.properties.endpoint
