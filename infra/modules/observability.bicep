// Where telemetry goes: a workspace, and Application Insights on top of it. Neither takes a key.

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags { *: string }

@description('What makes names unique.')
param token string

@description('Days for which telemetry is kept.')
param telemetryDays int

// A loop that logs without end stops costing here. About 5 million records a day; normal is one to four per generation.
var dailyGigabytes = 5

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: 'log-${token}'
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: telemetryDays
    features: { disableLocalAuth: true }
    workspaceCapping: { dailyQuotaGb: dailyGigabytes }
  }
}

resource component 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-${token}'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: true
  }
}

output workspaceId string = workspace.id
