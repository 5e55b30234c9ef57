// The closed network, with the tables in Cosmos DB.
// For closed.snapshot.json and nothing else: azd reads ../main.bicepparam alone.
using '../main.bicep'

param location = 'swedencentral'
param principalId = '00000000-0000-0000-0000-00000000000a'
param budgetStart = '2026-11-01'
param environmentName = 'darkroom-closed'
param principalType = 'ServicePrincipal'
param alertEmail = 'operators@example.com'
param vnetEnabled = true
param tableStore = 'cosmos'
param operatorCidrs = '203.0.113.7/32'
