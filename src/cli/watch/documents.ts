const operationFields = /* GraphQL */ `
  id kind status progress waitingFor cluster { id name } error { message } steps { name status }
`;

const clusterFields = /* GraphQL */ `
  id name status statusReason health { level reasons { message } } engine { name } engineVersion instanceCount
  primary { name } endpoints { kind uri } currentOperation { ${operationFields} }
  instances(first: 32) { nodes {
    id name role status statusReason address port replication { state lagBytes lagSeconds }
  } }
`;

export const eventFields = 'cursor at type clusterId instanceId operationId fromStatus toStatus payload';

/** The log, each event with what it is about as it is then. */
export const eventsWithState = /* GraphQL */ `subscription Watch($after: Cursor) {
  events(after: $after) {
    __typename
    ... on EventBatch { cursor events { ${eventFields} cluster { ${clusterFields} } operation { ${operationFields} } } }
    ... on Heartbeat { cursor }
    ... on ResumeGap { reason oldestCursor }
    ... on SlowSubscriber { cursor }
  }
}`;

/** A cluster as it is: the first message, after which the stream is left. What is observed, such as lag, is no event. */
export const clusterNow = /* GraphQL */ `subscription Look($id: ID!) {
  cluster(id: $id) { ... on ClusterSnapshot { cursor cluster { ${clusterFields} } } }
}`;

export const state = /* GraphQL */ `query State {
  viewer { project { name } }
  clusters(first: 100) { nodes { ${clusterFields} } }
  operations(first: 20, filter: { status: [QUEUED, RUNNING, CANCELLING] }) { nodes { ${operationFields} } }
}`;

export const newestEvents = /* GraphQL */ `query Newest { events(last: 100) { nodes { ${eventFields} } } }`;
