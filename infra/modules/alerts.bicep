// The alerts that wake an operator, and the workbook to look at then. docs/operations.md says what to do for each alert.
// The names of metrics and steps are those that the code emits; a test compares them with the code and the document.

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags { *: string }

@description('Where alerts go; empty: nowhere but the portal.')
param email string

@description('Log Analytics workspace with the telemetry.')
param workspaceId string

@description('Service Bus namespace.')
param namespaceId string

@description('Monthly budget; 0: none.')
param monthlyBudget int

@description('First day of the month in which the budget began.')
param budgetStart string

resource operators 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'darkroom-operators'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'darkroom'
    emailReceivers: empty(email) ? [] : [{ name: 'operator', emailAddress: email, useCommonAlertSchema: true }]
  }
}

// Measured by the broker itself, so the alert works even when the app is down. The topic's subscription is included: its dead letters
// are the app in front's.
resource deadLettersWait 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'darkroom-dead-letters-wait'
  location: 'global'
  tags: tags
  properties: {
    description: 'Messages are in a dead-letter queue. The app should have taken them out within seconds.'
    severity: 1
    enabled: true
    scopes: [namespaceId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'dead-letters'
          metricNamespace: 'Microsoft.ServiceBus/namespaces'
          metricName: 'DeadletteredMessages'
          timeAggregation: 'Maximum'
          operator: 'GreaterThan'
          threshold: 0
          dimensions: [{ name: 'EntityName', operator: 'Include', values: ['*'] }]
        }
      ]
    }
    actions: [{ actionGroupId: operators.id }]
  }
}

// The minimum of half an hour: above 0 means that the queue does not empty. The trigger of a dead-letter queue takes out
// every message that reaches the function. A message that the Functions host cannot bind (an AMQP value, a sequence) is
// delivered again at once, for ever, and the app logs nothing about it.
resource deadLettersStay 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'darkroom-dead-letters-stay'
  location: 'global'
  tags: tags
  properties: {
    description: 'The number of dead letters does not fall: the app cannot take these messages out, and the host may deliver them again and again.'
    severity: 1
    enabled: true
    scopes: [namespaceId]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT30M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'dead-letters-stay'
          metricNamespace: 'Microsoft.ServiceBus/namespaces'
          metricName: 'DeadletteredMessages'
          timeAggregation: 'Minimum'
          operator: 'GreaterThan'
          threshold: 0
          dimensions: [{ name: 'EntityName', operator: 'Include', values: ['*'] }]
        }
      ]
    }
    actions: [{ actionGroupId: operators.id }]
  }
}

// Each query returns a row when something is wrong, and none when all is well.
// Severity: 1 money or pictures are being lost, 2 users notice, 3 somebody should look at it today.
// A rule evaluated every 5 minutes costs three times as much as one every 15, so only urgent rules are.
var rules = [
  {
    name: 'dead-letters'
    severity: 1
    every: 'PT5M'
    window: 'PT5M'
    description: 'A message died: it failed ten times, or waited for a day. Its generation has ended, its credits were released; a command about an account is not done.'
    query: '''
AppMetrics
| where Name == "darkroom.dead_letters"
| summarize messages = sum(Sum) by queue = tostring(Properties.queue)
| where messages > 0
'''
  }
  {
    name: 'failure-rate'
    severity: 2
    every: 'PT5M'
    window: 'PT15M'
    description: 'More than a fifth of at least ten generations failed, refusals of content not counted. Is it Replicate? See www.replicatestatus.com, which /api/health reads.'
    query: '''
AppTraces
| where tostring(Properties.step) == "published"
| extend outcome = tostring(Properties.outcome), reason = tostring(Properties.reason)
| where outcome in ("succeeded", "failed")
| summarize ended = count(), failed = countif(outcome == "failed" and reason !in ("CONTENT_REFUSED", "OUTPUT_REFUSED"))
| where ended >= 10 and failed * 5 > ended
'''
  }
  {
    name: 'open-too-long'
    severity: 2
    every: 'PT15M'
    window: 'PT15M'
    description: 'A generation is open beyond its bound: it runs for longer than its expected time plus the hour for which Replicate keeps outputs, or nobody has looked at one that waits. Is it Replicate? See www.replicatestatus.com, which /api/health reads.'
    query: '''
AppMetrics
| where Name == "darkroom.slack_s"
| summarize slack_s = min(Sum)
| where slack_s < 0
'''
  }
  {
    name: 'webhook-signatures'
    severity: 2
    every: 'PT15M'
    window: 'PT15M'
    description: 'Ten or more webhooks were refused for their signature: the signing secret is wrong, or somebody sends forged ones.'
    query: '''
AppMetrics
| where Name == "darkroom.webhook_refused"
| summarize refused = sum(Sum)
| where refused >= 10
'''
  }
  {
    name: 'safety-unavailable'
    severity: 2
    every: 'PT5M'
    window: 'PT15M'
    description: 'Content Safety did not answer five times or more. Requests wait; nothing is allowed unchecked.'
    query: '''
AppMetrics
| where Name == "darkroom.deferrals" and tostring(Properties.dependency) == "content safety"
| summarize times = sum(Sum)
| where times >= 5
'''
  }
  {
    name: 'replicate-credit'
    severity: 1
    every: 'PT5M'
    window: 'PT5M'
    description: 'Replicate answered 402: its credit is used up. Every request waits until somebody buys more.'
    query: '''
AppMetrics
| where Name == "darkroom.creates_deferred" and tostring(Properties.why) == "no credit"
| summarize times = sum(Sum)
| where times > 0
'''
  }
  {
    name: 'replicate-token'
    severity: 1
    every: 'PT5M'
    window: 'PT5M'
    description: 'Replicate answered 401 even to a freshly fetched token. Every request waits until the vault has a good one.'
    query: '''
AppMetrics
| where Name == "darkroom.creates_deferred" and tostring(Properties.why) == "unauthorized"
| summarize times = sum(Sum)
| where times > 0
'''
  }
  {
    name: 'replicate-refuses'
    severity: 1
    every: 'PT5M'
    window: 'PT5M'
    description: 'Replicate, or something on the way to it, refuses our requests: 403, a foreign 404, several models at once, or our webhook address. Every request waits. Is it Replicate? See www.replicatestatus.com, which /api/health reads.'
    query: '''
AppMetrics
| where Name == "darkroom.creates_deferred"
| where tostring(Properties.why) in ("forbidden", "blocked", "misrouted", "not permitted", "webhook refused")
| summarize times = sum(Sum)
| where times > 0
'''
  }
  {
    name: 'replicate-down'
    severity: 2
    every: 'PT5M'
    window: 'PT15M'
    description: 'Replicate did not answer ten times or more, or the circuit breakers are open. Requests wait, and nothing is lost. Is it Replicate? See www.replicatestatus.com, which /api/health reads.'
    query: '''
AppMetrics
| where (Name == "darkroom.creates_deferred" and tostring(Properties.why) in ("unreachable", "circuit open", "replicate unavailable"))
    or (Name == "darkroom.deferrals" and tostring(Properties.dependency) == "replicate")
    or Name == "darkroom.creates_unknown"
| summarize times = sum(Sum)
| where times >= 10
'''
  }
  {
    name: 'audit-difference'
    severity: 1
    every: 'PT1H'
    window: 'PT1H'
    description: 'An account and its ledger do not agree. The app never corrects this by itself.'
    query: '''
AppMetrics
| where Name == "darkroom.audit_differences"
| summarize differences = sum(Sum)
| where differences > 0
'''
  }
  {
    name: 'audit-unfinished'
    severity: 3
    every: 'PT1H'
    window: 'PT1H'
    description: 'The nightly audit did not look at every account: it was out of time, or the tables were not available.'
    query: '''
AppMetrics
| where Name == "darkroom.audits_unfinished"
| summarize audits = sum(Sum)
| where audits > 0
'''
  }
  {
    name: 'models-drifted'
    severity: 3
    every: 'PT1H'
    window: 'PT1H'
    description: 'A model on offer is gone at Replicate, or takes other inputs than the catalogue says.'
    query: '''
AppMetrics
| where Name == "darkroom.models_drifted"
| summarize differences = sum(Sum) by model = tostring(Properties.model)
| where differences > 0
'''
  }
  {
    name: 'model-loses-money'
    severity: 1
    every: 'PT1H'
    window: 'P1D'
    description: 'A model cost more within a day than its credits were sold for. CREDIT_USD says what a credit is sold for; without it there is no alert.'
    query: '''
AppTraces
| where tostring(Properties.step) == "published" and isnotempty(tostring(Properties.sold_usd_micros))
| summarize arg_max(TimeGenerated, *) by account = tostring(Properties.account_id), generation = tostring(Properties.generation_id)
| summarize generations = count(), cost_usd = sum(todouble(Properties.cost_usd_micros)) / 1000000, sold_usd = sum(todouble(Properties.sold_usd_micros)) / 1000000 by model = tostring(Properties.model)
| where cost_usd > sold_usd
'''
  }
  {
    name: 'app-limit-closed'
    severity: 2
    every: 'PT5M'
    window: 'PT5M'
    description: 'A limit of the whole app is used up: requests of all accounts are refused, or wait for an approval.'
    query: '''
AppMetrics
| where Name == "darkroom.app_limits_closed"
| summarize requests = sum(Sum) by limit = tostring(Properties.limit)
| where requests > 0
'''
  }
  {
    name: 'turn-overdue'
    severity: 2
    every: 'PT15M'
    window: 'PT15M'
    description: 'A request has waited for its turn for more than three hours. It is not given up, and goes on by itself.'
    query: '''
AppMetrics
| where Name == "darkroom.turn_waits_s" and tostring(Properties.given) == "no"
| summarize longest_s = max(Max)
| where longest_s > 10800
'''
  }
  {
    name: 'paid-twice'
    severity: 3
    every: 'PT1H'
    window: 'PT1H'
    description: 'Replicate ran a prediction that nobody waited for. It was canceled. The user was not charged, but you may be.'
    query: '''
AppMetrics
| where Name == "darkroom.extra_predictions"
| summarize predictions = sum(Sum)
| where predictions > 0
'''
  }
  {
    name: 'timer-silent'
    severity: 1
    every: 'PT15M'
    window: 'PT30M'
    description: 'The timer reported within the last two days, but not in the last half hour: the app is down, or telemetry is.'
    query: '''
AppMetrics
| where Name == "darkroom.overdue"
| summarize spoke = max(TimeGenerated)
| where isnotnull(spoke) and spoke < ago(30m)
'''
  }
]

resource logAlerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in rules: {
  name: 'darkroom-${rule.name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Darkroom: ${rule.name}'
    description: rule.description
    severity: rule.severity
    enabled: true
    scopes: [workspaceId]
    evaluationFrequency: rule.every
    windowSize: rule.window
    // The alert needs an earlier report: an app that was just made, or stopped on purpose days ago, raises none.
    overrideQueryTimeRange: rule.name == 'timer-silent' ? 'P2D' : null
    autoMitigate: true
    // The tables do not exist before the app's first record, and Azure would refuse the query because of that.
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: rule.query
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    actions: { actionGroups: [operators.id] }
  }
}]

// Azure requires a recipient for a budget's warnings.
var mailed = empty(email) ? [] : [email]
var mailedRoles = empty(email) ? ['Owner'] : []

resource budget 'Microsoft.Consumption/budgets@2024-08-01' = if (monthlyBudget > 0) {
  name: 'darkroom'
  properties: {
    category: 'Cost'
    amount: monthlyBudget
    timeGrain: 'Monthly'
    timePeriod: { startDate: budgetStart }
    notifications: {
      // The forecast comes in time to act; the actual warning comes at 80 %.
      forecast: { enabled: true, operator: 'GreaterThan', threshold: 100, thresholdType: 'Forecasted', contactEmails: mailed, contactRoles: mailedRoles }
      actual: { enabled: true, operator: 'GreaterThan', threshold: 80, thresholdType: 'Actual', contactEmails: mailed, contactRoles: mailedRoles }
    }
  }
}

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'darkroom-workbook')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Darkroom'
    category: 'workbook'
    sourceId: workspaceId
    serializedData: replace(replace(loadTextContent('../workbook.json'), '{WORKSPACE}', workspaceId), '{NAMESPACE}', namespaceId)
  }
}
