import { type DocumentNode, type GraphQLSchema, getNamedType, TypeInfo, visit, visitWithTypeInfo } from 'graphql';

/**
 * The fields whose answer depends on nothing about the viewer but the project and the role: subscribers of one project and role may
 * be given one answer. What is not named here is private, so that a field that is added cannot be shown to the wrong viewer.
 */
export const shareableFields: Readonly<Record<string, readonly string[]>> = {
  Subscription: ['cluster', 'events', 'operation'],
  EventBatch: ['cursor', 'events'],
  Heartbeat: ['at', 'cursor'],
  ResumeGap: ['oldestCursor', 'reason'],
  SlowSubscriber: ['cursor'],
  ClusterSnapshot: ['cluster', 'cursor'],
  Event: [
    ...['actor', 'at', 'cluster', 'clusterId', 'cursor', 'fromStatus', 'instance', 'instanceId', 'operation'],
    ...['operationId', 'payload', 'toStatus', 'type'],
  ],
  Actor: ['keyId', 'kind', 'name', 'role'],
  Cluster: [
    ...[
      'createdAt',
      'currentOperation',
      'deletedAt',
      'deletionProtection',
      'endpoints',
      'engineVersion',
      'health',
      'id',
    ],
    ...['instanceCount', 'instanceSize', 'instances', 'name', 'primary', 'status', 'statusChangedAt', 'statusReason'],
    ...['updatedAt', 'version'],
  ],
  Endpoint: ['dnsName', 'host', 'kind', 'port', 'uri'],
  Health: ['changedAt', 'level', 'reasons'],
  HealthReason: ['code', 'instance', 'message'],
  InstanceConnection: ['nodes', 'totalCount'],
  Instance: [
    ...[
      'address',
      'connections',
      'createdAt',
      'dnsName',
      'id',
      'name',
      'observedAt',
      'port',
      'removedAt',
      'replication',
    ],
    ...['role', 'size', 'status', 'statusChangedAt', 'statusReason', 'storageUsedBytes', 'uptimeSeconds'],
  ],
  InstanceSize: ['cpuMillis', 'memoryMiB', 'storageGiB'],
  Replication: ['lagBytes', 'lagSeconds', 'position', 'state', 'upstream', 'upstreamAddress'],
  Operation: [
    ...['attempt', 'cancelRequestedAt', 'cluster', 'clusterVersion', 'createdAt', 'deadlineAt', 'error', 'finishedAt'],
    ...['id', 'kind', 'progress', 'requestedBy', 'startedAt', 'status', 'steps', 'waitingFor'],
  ],
  OperationStep: ['attempt', 'finishedAt', 'instance', 'message', 'name', 'position', 'startedAt', 'status'],
  OperationError: ['code', 'message', 'retryable', 'step'],
};

/** Whether every field that the document selects is shareable. */
export function isShareable(schema: GraphQLSchema, document: DocumentNode): boolean {
  const types = new TypeInfo(schema);
  let shareable = true;
  const look = visitWithTypeInfo(types, {
    Field({ name }) {
      const parent = getNamedType(types.getParentType())?.name ?? '';
      shareable &&= name.value === '__typename' || (shareableFields[parent]?.includes(name.value) ?? false);
    },
  });
  visit(document, look);
  return shareable;
}
