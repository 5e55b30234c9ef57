// The function app on Flex Consumption, and its settings.

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags { *: string }

@description('What makes names unique.')
param token string

@description('Resource id of the app\'s identity.')
param identityId string

@description('Client id of the app\'s identity.')
param identityClientId string

@description('Subnet to go out through; empty: none.')
param subnetId string

@description('Memory of an instance, MB.')
param instanceMemoryMB int

@description('Most instances of each function.')
param maximumInstanceCount int

@description('Webhooks that one instance takes at once.')
param httpConcurrency int

@description('Instances that always wait for webhooks.')
param alwaysReadyHttpInstances int

@description('The app\'s https address, if it is not its own host name.')
param publicUrl string

@description('Networks that may send webhooks.')
param webhookAllowedCidrs string

@description('Blob endpoint of the data.')
param blobUrl string

@description('Table endpoint of the data.')
param tableUrl string

@description('Host name of the Service Bus namespace.')
param serviceBusNamespace string

@description('Address of the vault.')
param vaultUrl string

@description('Endpoint of Content Safety.')
param safetyEndpoint string

resource component 'Microsoft.Insights/components@2020-02-02' existing = {
  name: 'appi-${token}'
}

resource hostAccount 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: 'sthost${token}'
}

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  name: 'plan-${token}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true } // Linux
}

// How much of the app runs at once. host.json has maxConcurrentCalls 16; the platform wants one instance of `generate`
// for each 16 messages that wait, and stops at maximumInstanceCount:
//
//   Replicate takes 600 creates a minute = 10 a second, per account.
//   One request is about 1.2 s of waiting (table 0.05, Content Safety 0.2, table 0.05, Replicate 0.8, table 0.05), so
//   16 at once on one instance are 16 / 1.2 = 13 creates a second: one instance is enough for the whole account.
//   `observe` needs about 2.5 s for a picture (fetch, screen, store), so 16 / 2.5 = 6.4 a second: two instances.
//   A burst starts more of them: at most 40 x 16 = 640 requests at once. That is one minute of creates, so a
//   message that gets a 429 is deferred once or twice and not ten times.
//   INSTANCES (settings.json), by which the account's limit is divided, is 1 for that reason and not
//   maximumInstanceCount: each of 40 would make 15 creates a minute, even when it is the only one.
//   Memory: 16 outputs x 8 MiB = 128 MiB buffered at most, of 2048 MB.
resource site 'Microsoft.Web/sites@2024-11-01' = {
  name: 'func-${token}'
  location: location
  tags: union(tags, { 'azd-service-name': 'app' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identityId
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: { minTlsVersion: '1.2' }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${hostAccount.properties.primaryEndpoints.blob}app-package'
          authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identityId }
        }
      }
      runtime: { name: 'python', version: '3.13' }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: alwaysReadyHttpInstances == 0 ? [] : [{ name: 'http', instanceCount: alwaysReadyHttpInstances }]
        triggers: { http: { perInstanceConcurrency: httpConcurrency } }
      }
    }
  }
}

// Values tuned by hand are in settings.json; values that follow from the deployment are here.
// Every name is one that shared/config/settings.py reads, or one of the platform's.
resource settings 'Microsoft.Web/sites/config@2024-11-01' = {
  parent: site
  name: 'appsettings'
  properties: union(loadJsonContent('../settings.json'), {
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
    APPLICATIONINSIGHTS_CONNECTION_STRING: component.properties.ConnectionString // an address: local authentication is off
    PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY: 'true'
    AzureWebJobsStorage__blobServiceUri: hostAccount.properties.primaryEndpoints.blob
    AzureWebJobsStorage__clientId: identityClientId
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__tableServiceUri: hostAccount.properties.primaryEndpoints.table
    ServiceBus__clientId: identityClientId
    ServiceBus__credential: 'managedidentity'
    ServiceBus__fullyQualifiedNamespace: serviceBusNamespace
    AZURE_CLIENT_ID: identityClientId
    CONTENT_SAFETY_ENDPOINT: safetyEndpoint
    HAND_FILES_OVER: empty(subnetId) ? 'false' : 'true' // in a closed network nobody outside reads from the storage account
    KEY_VAULT_URL: vaultUrl
    PUBLIC_URL: publicUrl
    STORAGE_BLOB_URL: blobUrl
    STORAGE_TABLE_URL: tableUrl
    TELEMETRY: 'opentelemetry' // through the exporter that PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY makes the worker set up
    WEBHOOK_ALLOWED_CIDRS: webhookAllowedCidrs
  })
}

// Publishing goes by identity too: no user name and password.
resource noBasicScm 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: site
  name: 'scm'
  properties: { allow: false }
}

resource noBasicFtp 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: site
  name: 'ftp'
  properties: { allow: false }
}

output siteName string = site.name
output url string = 'https://${site.properties.defaultHostName}'
