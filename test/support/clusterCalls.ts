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
    node(id: $id) {
      ... on Operation { status waitingFor attempt error { code message step } steps { name status attempt } }
    }
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

/** Waits until a step whose name begins so runs. Throws where the operation ends before. */
export async function stepBegun(client: ApiClient, operationId: string, name: string): Promise<void> {
  for await (const { operation } of client.subscribe(operationSubscription, { id: operationId })) {
    const running = operation.steps.some((step: Shape) => step.name.startsWith(name) && step.status === 'RUNNING');
    if (running) return;
  }
  throw new Error(`The operation ended before "${name}" was seen to begin`);
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

/** Asks for a deletion that must be accepted; answers with its operation. */
export async function requestedDeletion(client: ApiClient, clusterId: string): Promise<string> {
  const { deleteCluster: result } = await client.data(deleteMutation, { id: clusterId });
  if (!result.operation) throw new Error(`deleteCluster answered ${JSON.stringify(result)}`);
  return result.operation.id;
}

/** Deletes a cluster and waits until it is gone. */
export async function deletedCluster(client: ApiClient, clusterId: string): Promise<Shape> {
  return await operationEnd(client, await requestedDeletion(client, clusterId));
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

/** Asks a running operation to stop; tells how it stands then, or why it was refused. */
export async function cancelOperation(client: ApiClient, operationId: string): Promise<Shape> {
  const { cancelOperation: result } = await client.data(
    /* GraphQL */ `mutation ($id: ID!) {
      cancelOperation(input: { operationId: $id }) {
        ... on CancelOperationPayload { operation { status } }
        ... on Error { code message }
      }
    }`,
    { id: operationId },
  );
  return result;
}

/** Runs an ended operation again; tells how it stands then, or why it was refused. */
export async function retryOperation(client: ApiClient, operationId: string): Promise<Shape> {
  const { retryOperation: result } = await client.data(
    /* GraphQL */ `mutation ($id: ID!) {
      retryOperation(input: { operationId: $id }) {
        ... on RetryOperationPayload { cluster { status } operation { status } }
        ... on Error { code message }
      }
    }`,
    { id: operationId },
  );
  return result;
}

const eventFields = 'cursor at type clusterId fromStatus toStatus payload';

const eventsSubscription = /* GraphQL */ `
  subscription ($after: Cursor) {
    events(after: $after) {
      __typename
      ... on EventBatch { cursor events { ${eventFields} } }
      ... on Heartbeat { cursor }
    }
  }`;

/**
 * Every event of the project behind a cursor, until one is enough. With `reconnecting` it goes on behind the last cursor that it
 * has seen when its server goes and comes back.
 */
export async function eventsUntil(
  client: ApiClient,
  after: string | null,
  isEnough: (event: Shape) => boolean,
  options: { reconnecting?: boolean } = {},
): Promise<Shape[]> {
  const seen: Shape[] = [];
  const variables = { after };
  for await (const { events: message } of client.subscribe(eventsSubscription, variables, options)) {
    if (message.cursor === undefined) throw new Error(`The stream has a ${message.__typename}`);
    variables.after = message.cursor;
    for (const event of message.events ?? []) {
      seen.push(event);
      if (isEnough(event)) return seen;
    }
  }
  throw new Error('The stream of events ended');
}

/** Every event that the log has behind a cursor. */
export async function loggedEvents(client: ApiClient, after: string | null): Promise<Shape[]> {
  const query = /* GraphQL */ `query ($after: Cursor) {
    events(first: 100, after: $after) { nodes { ${eventFields} } pageInfo { hasNextPage endCursor } }
  }`;
  const { nodes, pageInfo } = (await client.data(query, { after })).events;
  return pageInfo.hasNextPage ? [...nodes, ...(await loggedEvents(client, pageInfo.endCursor))] : nodes;
}

/** True for the beginning of the step with this name, in whatever attempt. */
export const isBeginningOf =
  (step: string) =>
  ({ payload, toStatus }: Shape): boolean =>
    payload.step === step && toStatus === 'RUNNING';

/** Every event of the project from a cursor on, as lines like "orders-2 SYNCING→ACTIVE". Ends when `isEnough` says so. */
export async function eventLines(
  client: ApiClient,
  after: string | null,
  isEnough: (lines: string[]) => boolean,
): Promise<string[]> {
  const lines: string[] = [];
  await eventsUntil(client, after, (event) => {
    lines.push(lineOf(event));
    return isEnough(lines);
  });
  return lines;
}

const lineOf = ({ payload, fromStatus, toStatus }: Shape): string =>
  `${payload.step ?? payload.instance ?? payload.cluster ?? payload.kind} ${fromStatus ?? ''}→${toStatus ?? ''}`;

/** The cursor behind the newest event. In a project without any event it makes one: a key. */
export async function cursorNow(client: ApiClient): Promise<string> {
  const { events } = await client.data('{ events(last: 1) { nodes { cursor } } }');
  if (events.nodes.length > 0) return events.nodes[0].cursor;
  await client.data(
    'mutation { createApiKey(input: { name: "first event", role: VIEWER }) { ... on CreateApiKeyPayload { key } } }',
  );
  return await cursorNow(client);
}

/** The cluster's id as the machines know it: in paths and on command lines. */
export const uuidOf = (clusterId: string): string => Buffer.from(clusterId, 'base64').toString().split(':')[1] ?? '';
