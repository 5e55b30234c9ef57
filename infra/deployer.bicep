// The identity with which GitHub deploys, made once by whoever owns the subscription: infra/github.py.
// It has no secret: GitHub proves with a token of its own (OIDC) that a job runs in one of the environments named here.
targetScope = 'subscription'

@description('Repository on GitHub, owner/name.')
@minLength(3)
param repository string

@description('Environments of the repository that may deploy. A job that names one presents it as its subject, and no branch.')
@minLength(1)
param environments string[]

@description('Azure region of the identity.')
@minLength(1)
param location string

@description('Name of the resource group of the identity. It stays when an environment is taken away.')
param groupName string = 'rg-darkroom-deployer'

// learn.microsoft.com/azure/role-based-access-control/built-in-roles
var contributor = 'b24988ac-6180-42a0-ab88-20f7382dd24c'
var accessAdministrator = 'f58310d9-a9f6-439a-9e8d-f62e7b41a168'

// What it may assign: the roles of modules/roles.bicep and no other, so that it cannot make itself owner.
var assignable = join([
  'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
  'db58b8e5-c6ad-4a2a-8342-4190687cbf4a'
  'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  'a97b65f3-24c7-4388-baec-2e87135dc908'
  '3913510d-42f4-4e42-8a64-420c390055eb'
  'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
  '4633458b-17de-408a-b874-0445c86b69e6'
  '090c5cfd-751d-490a-894a-3ce6f1109419'
  '4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0'
  '69a216fc-b8fb-44d8-bc22-1f3c2cd27a39'
  '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
  '76199698-9eea-4c19-bc75-cec21354c6b6'
], ', ')

// learn.microsoft.com/azure/role-based-access-control/delegate-role-assignments-examples
var onlyThese = '((!(ActionMatches{\'Microsoft.Authorization/roleAssignments/write\'})) OR (@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {${assignable}})) AND ((!(ActionMatches{\'Microsoft.Authorization/roleAssignments/delete\'})) OR (@Resource[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {${assignable}}))'

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: groupName
  location: location
}

module identity 'modules/deployer.bicep' = {
  name: 'deployer'
  scope: group
  params: { location: location, repository: repository, environments: environments }
}

// Makes the resource group of each environment and all that is in it.
resource makes 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(subscription().id, groupName, contributor)
  properties: {
    principalId: identity.outputs.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', contributor)
  }
}

// Assigns the app's and the operator's roles.
resource assigns 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(subscription().id, groupName, accessAdministrator)
  properties: {
    principalId: identity.outputs.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', accessAdministrator)
    condition: onlyThese
    conditionVersion: '2.0'
  }
}

output clientId string = identity.outputs.clientId
output tenantId string = tenant().tenantId
