// The identity of deployer.bicep, and whom it believes.

@description('Azure region.')
param location string

@description('Repository on GitHub, owner/name.')
param repository string

@description('Environments of the repository that may deploy.')
param environments string[]

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-darkroom-deployer'
  location: location
}

// One after the other: an identity takes one change at a time.
@batchSize(1)
resource trusts 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2024-11-30' = [for environment in environments: {
  parent: identity
  name: 'github-${environment}'
  properties: {
    issuer: 'https://token.actions.githubusercontent.com'
    subject: 'repo:${repository}:environment:${environment}'
    audiences: ['api://AzureADTokenExchange']
  }
}]

output principalId string = identity.properties.principalId
output clientId string = identity.properties.clientId
