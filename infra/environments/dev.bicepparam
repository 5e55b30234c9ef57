// A laptop: nobody is mailed, no budget, free Content Safety, one copy of the data.
// For dev.snapshot.json and nothing else: azd reads ../main.bicepparam alone.
using '../main.bicep'

param location = 'swedencentral'
param principalId = '00000000-0000-0000-0000-00000000000a'
param budgetStart = '2026-11-01'
param environmentName = 'darkroom-dev'
param principalType = 'User'
param dataRedundancy = 'Standard_LRS'
param safetySku = 'F0'
param monthlyBudget = 0
param scaling = 'incremental'
