// The open network, with the defaults of main.bicep and an instance that waits for webhooks.
// For prod.snapshot.json and nothing else: azd reads ../main.bicepparam alone.
using '../main.bicep'

param location = 'swedencentral'
param principalId = '00000000-0000-0000-0000-00000000000a'
param budgetStart = '2026-11-01'
param environmentName = 'darkroom-prod'
param principalType = 'ServicePrincipal'
param alertEmail = 'operators@example.com'
param alwaysReadyHttpInstances = 1
param monthlyBudget = 500
param lockProofs = true
