import type { OperationKind } from '#generated/prisma/enums.ts';
import { addInstances } from './addInstances.ts';
import { createCluster } from './createCluster.ts';
import { deleteCluster } from './deleteCluster.ts';
import { dropInstances } from './dropInstances.ts';
import type { OperationDefinition } from './operation.ts';
import { promoteInstance } from './promoteInstance.ts';
import { rejoinInstance } from './rejoinInstance.ts';
import { restartCluster } from './restartCluster.ts';
import { updateCluster } from './updateCluster.ts';

const byKind = {
  CREATE_CLUSTER: createCluster,
  UPDATE_CLUSTER: updateCluster,
  DELETE_CLUSTER: deleteCluster,
  PROMOTE_INSTANCE: promoteInstance,
  REJOIN_INSTANCE: rejoinInstance,
  ADD_INSTANCES: addInstances,
  DROP_INSTANCES: dropInstances,
  RESTART_CLUSTER: restartCluster,
} satisfies Record<OperationKind, Pick<OperationDefinition<never>, 'kind' | 'subject'>>;

/** The definition of each kind of operation. Total: a kind without one is a type error. */
export function definitionOf(kind: OperationKind): OperationDefinition<unknown> {
  return byKind[kind] as unknown as OperationDefinition<unknown>;
}

/** The kinds that can be asked of an existing cluster. */
export const clusterActions: readonly OperationKind[] = (Object.keys(byKind) as OperationKind[]).filter(
  (kind) => byKind[kind].subject.kind === 'EXISTING',
);
