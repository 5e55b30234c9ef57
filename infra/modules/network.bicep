// The private side (vnetEnabled): a network that the app goes out through, and a private endpoint for each dependency.
// Replicate's webhooks still come in over the internet; their signature is what lets them in.

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags { *: string }

@description('What makes names unique.')
param token string

@description('Storage account of the Functions host.')
param hostAccountId string

@description('Storage account of the data.')
param dataAccountId string

@description('Service Bus namespace.')
param namespaceId string

@description('Key vault.')
param vaultId string

@description('Content Safety account.')
param safetyId string

@description('Cosmos DB account of the tables; empty: they are in the storage account.')
param cosmosId string

// learn.microsoft.com/azure/private-link/private-endpoint-dns
var zones = concat([
  'privatelink.blob.${environment().suffixes.storage}'
  'privatelink.table.${environment().suffixes.storage}'
  'privatelink.servicebus.windows.net'
  'privatelink.vaultcore.azure.net'
  'privatelink.cognitiveservices.azure.com'
], empty(cosmosId) ? [] : ['privatelink.table.cosmos.azure.com'])

// The tables: the account's own name for its service is Table with a capital letter.
var tables = empty(cosmosId) ? { name: 'data-table', target: dataAccountId, service: 'table', zone: 1 } : { name: 'cosmos-table', target: cosmosId, service: 'Table', zone: 5 }

// What is reached, by which of its services, and at which place in zones its name lies.
var endpoints = [
  { name: 'host-blob', target: hostAccountId, service: 'blob', zone: 0 }
  { name: 'host-table', target: hostAccountId, service: 'table', zone: 1 }
  { name: 'data-blob', target: dataAccountId, service: 'blob', zone: 0 }
  tables
  { name: 'service-bus', target: namespaceId, service: 'namespace', zone: 2 }
  { name: 'vault', target: vaultId, service: 'vault', zone: 3 }
  { name: 'safety', target: safetyId, service: 'account', zone: 4 }
]

// The way out to Replicate: a subnet gives none by itself (defaultOutboundAccess false is the default of new networks), and
// the traffic of an app in a network leaves by that network (learn.microsoft.com/azure/app-service/overview-vnet-integration,
// and overview-nat-gateway-integration for the gateway, which gives the app one address that others may admit).
resource address 'Microsoft.Network/publicIPAddresses@2024-07-01' = {
  name: 'pip-${token}'
  location: location
  tags: tags
  sku: { name: 'Standard' }
  properties: { publicIPAllocationMethod: 'Static' }
}

resource wayOut 'Microsoft.Network/natGateways@2024-07-01' = {
  name: 'nat-${token}'
  location: location
  tags: tags
  sku: { name: 'Standard' }
  properties: { publicIpAddresses: [{ id: address.id }], idleTimeoutInMinutes: 4 }
}

resource network 'Microsoft.Network/virtualNetworks@2024-07-01' = {
  name: 'vnet-${token}'
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: ['10.42.0.0/22'] }
    subnets: [
      {
        // 512 addresses: eight functions that may each have 40 instances.
        name: 'app'
        properties: {
          addressPrefix: '10.42.0.0/23'
          defaultOutboundAccess: false
          natGateway: { id: wayOut.id }
          delegations: [{ name: 'functions', properties: { serviceName: 'Microsoft.App/environments' } }]
        }
      }
      {
        name: 'endpoints'
        properties: { addressPrefix: '10.42.2.0/24', defaultOutboundAccess: false }
      }
    ]
  }
}

resource privateZones 'Microsoft.Network/privateDnsZones@2024-06-01' = [for zone in zones: {
  name: zone
  location: 'global'
  tags: tags
}]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (zone, i) in zones: {
  parent: privateZones[i]
  name: 'to-${token}'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: { id: network.id }
  }
}]

resource privateEndpoints 'Microsoft.Network/privateEndpoints@2024-07-01' = [for endpoint in endpoints: {
  name: 'pe-${endpoint.name}-${token}'
  location: location
  tags: tags
  properties: {
    subnet: { id: '${network.id}/subnets/endpoints' }
    privateLinkServiceConnections: [
      {
        name: endpoint.name
        #disable-next-line use-resource-id-functions // each target is a parameter of this module, through the list above
        properties: { privateLinkServiceId: endpoint.target, groupIds: [endpoint.service] }
      }
    ]
  }
}]

resource zoneGroups 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-07-01' = [for (endpoint, i) in endpoints: {
  parent: privateEndpoints[i]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [{ name: endpoint.service, properties: { privateDnsZoneId: privateZones[endpoint.zone].id } }]
  }
}]

@description('The address that the app calls Replicate from.')
output outboundAddress string = address.properties.ipAddress
output appSubnetId string = '${network.id}/subnets/app'
