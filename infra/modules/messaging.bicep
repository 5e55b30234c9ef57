// Service Bus: three queues into the message handler and one topic out of it.

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags { *: string }

@description('What makes names unique.')
param token string

@description('true: Premium, reachable through a private endpoint only.')
param isPrivate bool

@description('Where the diagnostic logs go.')
param workspaceId string

// Standard has topics and duplicate detection; only Premium has private endpoints, and it is billed by the hour.
var tier = isPrivate ? 'Premium' : 'Standard'

var settings = loadJsonContent('../settings.json')

var queues = [
  settings.GENERATION_QUEUE
  settings.PREDICTION_QUEUE
  settings.COMMAND_QUEUE
]

// Replicate repeats a webhook for about a minute, the timer a check every minute, and an app a request when it is in
// doubt; ten minutes cover all of them. A later duplicate finds the generation's state, and changes nothing.
var duplicatesWindow = 'PT10M'

resource namespace 'Microsoft.ServiceBus/namespaces@2024-01-01' = {
  name: 'sb-${token}'
  location: location
  tags: tags
  sku: isPrivate ? { name: tier, tier: tier, capacity: 1 } : { name: tier, tier: tier }
  properties: {
    disableLocalAuth: true
    minimumTlsVersion: '1.2'
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
  }
}

resource inbound 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = [for name in queues: {
  parent: namespace
  name: name
  properties: {
    // As long as one invocation may work (INVOCATION_TIMEOUT_S), so it holds even if a renewal is late;
    // and a worker that died gives its message back after two minutes, far within the hour that outputs live.
    lockDuration: 'PT2M'
    // A message that fails unexpectedly is tried ten times at once and then dead-lettered. For a passing failure the app
    // defers the message itself.
    maxDeliveryCount: 10
    requiresDuplicateDetection: true
    duplicateDetectionHistoryTimeWindow: duplicatesWindow
    // Four times the six hours for which the app defers a request. A message that is older is dead-lettered.
    defaultMessageTimeToLive: 'P1D'
    deadLetteringOnMessageExpiration: true
    // At 2 kB a message more than two million of them; it costs nothing.
    maxSizeInMegabytes: 5120
  }
}]

resource events 'Microsoft.ServiceBus/namespaces/topics@2024-01-01' = {
  parent: namespace
  name: settings.EVENTS_TOPIC
  properties: {
    // An end may be published twice under the same id: after a crash between publishing and forgetting.
    requiresDuplicateDetection: true
    duplicateDetectionHistoryTimeWindow: duplicatesWindow
    // The app in front may be down for two weeks and misses nothing.
    defaultMessageTimeToLive: 'P14D'
    maxSizeInMegabytes: 5120
  }
}

// The first subscriber: the app in front. A topic without a subscription drops every event.
resource listener 'Microsoft.ServiceBus/namespaces/topics/subscriptions@2024-01-01' = {
  parent: events
  name: 'app'
  properties: {
    lockDuration: 'PT1M'
    maxDeliveryCount: 10
    defaultMessageTimeToLive: 'P14D'
    deadLetteringOnMessageExpiration: true
    deadLetteringOnFilterEvaluationExceptions: true
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: namespace
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
  }
}

output namespaceId string = namespace.id
output hostName string = '${namespace.name}.servicebus.windows.net'
