import type { ApiClient, Shape } from './apiClient.ts';

/** What tests of the whole product do again and again, through the public API. */

const createMutation = /* GraphQL */ `
  mutation ($input: CreateClusterInput!) {
    createCluster(input: $input) {
      __typename
      ... on CreateClusterPayload { cluster { id name status } operation { id } }
      ... on Error { code message }
    }
  }`;

const deleteMutation = /* GraphQL */ `
  mutation ($id: ID!) {
    deleteCluster(input: { clusterId: $id }) {
      __typename
      ... on DeleteClusterPayload { operation { id } }
      ... on Error { code message }
    }
  }`;

const operationSubscription = /* GraphQL */ `
  subscription ($id: ID!) {
    operation(id: $id) { status waitingFor error { code message step } steps { name status attempt } }
  }`;

const operationQuery = /* GraphQL */ `
  query ($id: ID!) {
    node(id: $id) { ... on Operation { status waitingFor error { code message step } steps { name status attempt } } }
  }`;

export const clusterQuery = /* GraphQL */ `
  query ($id: ID!) {
    cluster(by: { id: $id }) {
      id name version status statusReason engineVersion
      health { level reasons { code message } }
      network { cidr accessRules { cidr } }
      primary { name }
      endpoints { kind host port dnsName uri }
      instances { nodes {
        id name role status statusReason address port dnsName observedAt storageUsedBytes connections uptimeSeconds
        agent { version connected lastSeenAt }
        replication { state lagBytes lagSeconds }
        engineInfo { ... on PostgresInfo {
          version inRecovery timeline currentLsn receivedLsn replayedLsn connections databaseSizeBytes replicationLagBytes } }
      } }
    }
  }`;

export async function requestCluster(client: ApiClient, input: Record<string, unknown>) {
  const { createCluster: result } = await client.data(createMutation, { input: { engine: 'postgresql', ...input } });
  return result;
}

/** Asks for a cluster that must be accepted. */
export async function acceptedCluster(
  client: ApiClient,
  input: Record<string, unknown>,
): Promise<{ clusterId: string; operationId: string }> {
  const result = await requestCluster(client, input);
  if (!result.operation) throw new Error(`createCluster answered ${JSON.stringify(result)}`);
  return { clusterId: result.cluster.id, operationId: result.operation.id };
}

/** Watches an operation to its end. */
export async function operationEnd(client: ApiClient, operationId: string): Promise<Shape> {
  let last: Shape = null;
  for await (const { operation } of client.subscribe(operationSubscription, { id: operationId })) last = operation;
  return last;
}

export async function readOperation(client: ApiClient, operationId: string): Promise<Shape> {
  return (await client.data(operationQuery, { id: operationId })).node;
}

export async function readCluster(client: ApiClient, clusterId: string): Promise<Shape> {
  return (await client.data(clusterQuery, { id: clusterId })).cluster;
}

/** Creates a cluster and waits for it. */
export async function createdCluster(client: ApiClient, input: Record<string, unknown>): Promise<string> {
  const { clusterId, operationId } = await acceptedCluster(client, input);
  const operation = await operationEnd(client, operationId);
  if (operation.status !== 'SUCCEEDED') throw new Error(`The creation ended with ${JSON.stringify(operation)}`);
  return clusterId;
}

/** Deletes a cluster and waits until it is gone. */
export async function deletedCluster(client: ApiClient, clusterId: string): Promise<Shape> {
  const { deleteCluster: result } = await client.data(deleteMutation, { id: clusterId });
  if (!result.operation) throw new Error(`deleteCluster answered ${JSON.stringify(result)}`);
  return await operationEnd(client, result.operation.id);
}

export type Credentials = { username: string; password: string; database: string; uri: string };

export async function revealedCredentials(client: ApiClient, clusterId: string): Promise<Credentials> {
  const { revealCredentials } = await client.data(
    /* GraphQL */ `mutation ($id: ID!) {
      revealCredentials(input: { clusterId: $id }) {
        ... on RevealCredentialsPayload { username password database uri }
        ... on Error { code message }
      }
    }`,
    { id: clusterId },
  );
  return revealCredentials;
}

/** Every event of the project from a cursor on, as lines like "orders-2 SYNCING→ACTIVE". Ends when `isEnough` says so. */
export async function eventLines(
  client: ApiClient,
  after: string | null,
  isEnough: (lines: string[]) => boolean,
): Promise<string[]> {
  const lines: string[] = [];
  const subscription = /* GraphQL */ `
    subscription ($after: Cursor) {
      events(after: $after) {
        ... on EventBatch { cursor events { type fromStatus toStatus payload } }
      }
    }`;
  for await (const { events: message } of client.subscribe(subscription, { after })) {
    for (const event of message.events ?? []) lines.push(lineOf(event));
    if (isEnough(lines)) break;
  }
  return lines;
}

const lineOf = ({ payload, fromStatus, toStatus }: Shape): string =>
  `${payload.step ?? payload.instance ?? payload.cluster ?? payload.kind} ${fromStatus ?? ''}→${toStatus ?? ''}`;

/** The cursor after the newest event. */
export async function cursorNow(client: ApiClient): Promise<string | null> {
  const { events } = await client.data('{ events(last: 1) { nodes { cursor } } }');
  return events.nodes.at(-1)?.cursor ?? null;
}
