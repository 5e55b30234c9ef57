// What prod is, on a smaller scale; deployed by a pipeline, which brings the secrets.
// For staging.snapshot.json and nothing else: azd reads ../main.bicepparam alone.
using '../main.bicep'

param location = 'swedencentral'
param principalId = '00000000-0000-0000-0000-00000000000a'
param budgetStart = '2026-11-01'
param environmentName = 'darkroom-staging'
param principalType = 'ServicePrincipal'
param alertEmail = 'operators@example.com'
param maximumInstanceCount = 10
param outputsDeleteAfterDays = 30
param replicateApiToken = 'r8_of_the_pipeline'
param replicateWebhookSecret = 'whsec_of_the_pipeline'
