import { assertTransition } from '#domain/assertTransition.ts';
import { operationTransitions } from '#domain/operationStatus.ts';
import type { Change } from '#events/transact.ts';
import type { Operation } from '#generated/prisma/client.ts';
import type { OperationStatus } from '#generated/prisma/enums.ts';
import type { JsonObject } from '#lib/values/json.ts';

type Subject = Pick<Operation, 'id' | 'clusterId' | 'kind'> & { clusterName: string };

/** Tells an operation's transition; from null: it has just been accepted. Refuses one that the table does not have. */
export function recordOperationStatus(
  { record }: Change,
  { id, clusterId, kind, clusterName }: Subject,
  [from, to]: [OperationStatus | null, OperationStatus],
  details: JsonObject = {},
): void {
  if (from !== null) assertTransition(operationTransitions, from, to, `operation ${id}`);
  record({
    type: 'OPERATION_STATUS_CHANGED',
    clusterId,
    operationId: id,
    fromStatus: from,
    toStatus: to,
    payload: { cluster: clusterName, kind, ...details },
  });
}
