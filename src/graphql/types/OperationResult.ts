import type { OperationKind } from '#generated/prisma/enums.ts';
import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';
import { isUuid } from '../globalId.ts';
import { ClusterRestarted } from './ClusterRestarted.ts';
import { InstancesAdded } from './InstancesAdded.ts';
import { InstancesDropped } from './InstancesDropped.ts';

/** What an operation that ended well left behind: its result as stored, and what it was about. */
export type OperationResultFacts = { kind: OperationKind; clusterId: string; clusterVersion: number; result: unknown };

const ClusterCreated = builder.objectRef<OperationResultFacts>('ClusterCreated').implement({
  description: 'Result of CREATE_CLUSTER: the cluster serves, and its data path was verified.',
  fields: (t) => ({
    primary: t.prismaField({
      type: 'Instance',
      nullable: true,
      description: 'The instance that was made the primary; null if the engine has none.',
      resolve: async (query, { result }, _args, context) => {
        const id = (result as { primaryInstanceId?: unknown }).primaryInstanceId;
        if (!isUuid(id)) return null;
        return await context.db.instance.findUnique({
          ...query,
          where: { id, projectId: requireActor(context).projectId },
        });
      },
    }),
  }),
});

const ClusterUpdated = builder.objectRef<OperationResultFacts>('ClusterUpdated').implement({
  description: 'Result of UPDATE_CLUSTER: the change is in force on every instance.',
  fields: (t) => ({
    version: t.exposeInt('clusterVersion', { description: "The cluster's version with the change." }),
  }),
});

const ClusterDeleted = builder.objectRef<OperationResultFacts>('ClusterDeleted').implement({
  description: 'Result of DELETE_CLUSTER: every process, volume, address and rule of the cluster is gone.',
  fields: (t) => ({
    version: t.exposeInt('clusterVersion', { description: "The last version of the cluster's record." }),
  }),
});

const members = {
  CREATE_CLUSTER: ClusterCreated,
  UPDATE_CLUSTER: ClusterUpdated,
  DELETE_CLUSTER: ClusterDeleted,
  ADD_INSTANCES: InstancesAdded,
  DROP_INSTANCES: InstancesDropped,
  RESTART_CLUSTER: ClusterRestarted,
} satisfies Record<OperationKind, unknown>;

export const OperationResult = builder.unionType('OperationResult', {
  description: 'What an operation brought about, by its kind. More members may be added.',
  types: Object.values(members),
  resolveType: ({ kind }) => members[kind],
});
