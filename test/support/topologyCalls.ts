import type { ApiClient, Shape } from './apiClient.ts';
import { operationEnd } from './clusterCalls.ts';

/** Changes of a cluster's instances, through the public API. Each answers with the mutation's result as it is. */

const errorFields = /* GraphQL */ `... on Error { code message }`;

export async function requestAdd(client: ApiClient, input: Record<string, unknown>): Promise<Shape> {
  const document = /* GraphQL */ `mutation ($input: AddInstancesInput!) {
    addInstances(input: $input) {
      __typename
      ... on AddInstancesPayload {
        cluster { status instanceCount instances { nodes { id name status } } }
        operation { id }
      }
      ... on ClusterBusyError { operation { id } }
      ${errorFields}
    }
  }`;
  return (await client.data(document, { input })).addInstances;
}

export async function requestDrop(client: ApiClient, input: Record<string, unknown>): Promise<Shape> {
  const document = /* GraphQL */ `mutation ($input: DropInstancesInput!) {
    dropInstances(input: $input) {
      __typename
      ... on DropInstancesPayload { cluster { status } operation { id } }
      ... on ClusterBusyError { operation { id } }
      ... on MinimumInstancesError { minimum remaining }
      ${errorFields}
    }
  }`;
  return (await client.data(document, { input })).dropInstances;
}

export async function requestRestart(client: ApiClient, input: Record<string, unknown>): Promise<Shape> {
  const document = /* GraphQL */ `mutation ($input: RestartClusterInput!) {
    restartCluster(input: $input) {
      __typename
      ... on RestartClusterPayload { cluster { status } operation { id } }
      ... on ClusterBusyError { operation { id kind } }
      ... on InstanceStatusError { instance { name } status }
      ${errorFields}
    }
  }`;
  return (await client.data(document, { input })).restartCluster;
}

/** Waits for an operation that must have been accepted and must end well; answers with its result. */
export async function succeeded(client: ApiClient, request: Promise<Shape>): Promise<Shape> {
  const answer = await request;
  if (!answer.operation || answer.code) throw new Error(`It was refused: ${JSON.stringify(answer)}`);
  const end = await operationEnd(client, answer.operation.id);
  if (end.status !== 'SUCCEEDED') throw new Error(`The operation ended with ${JSON.stringify(end)}`);
  const document = /* GraphQL */ `query ($id: ID!) {
    node(id: $id) { ... on Operation { result {
      ... on InstancesAdded { verified instances { id name } }
      ... on InstancesDropped { verified instances { id name status } }
      ... on ClusterRestarted { verified restarted: instances { downMs instance { name } } }
    } } }
  }`;
  return (await client.data(document, { id: answer.operation.id })).node.result;
}
