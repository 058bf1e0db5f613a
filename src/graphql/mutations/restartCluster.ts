import {
  ClusterBusyError,
  ClusterStatusError,
  ForbiddenError,
  IdempotencyConflictError,
  InvalidInputError,
  NotFoundError,
  StaleVersionError,
} from '#domain/errors.ts';
import { InstanceStatusError } from '#domain/instanceErrors.ts';
import { restartCluster, type restartStrategies } from '#operations/restartCluster.ts';
import { builder } from '../builder.ts';
import { describedEnum } from '../describedEnum.ts';
import { requireIdOf } from '../globalId.ts';
import { acceptedPayload } from './acceptedPayload.ts';
import { acceptOrPlan } from './acceptOrPlan.ts';
import { changeResult } from './changeResult.ts';
import {
  clusterIdDescription,
  expectedVersionDescription,
  idempotencyKeyDescription,
  planDescription,
} from './fieldDescriptions.ts';

const RestartStrategy = describedEnum<(typeof restartStrategies)[number]>(
  'RestartStrategy',
  'In which order servers are restarted.',
  {
    ROLLING: 'One after the other, the primary last, each serving and following again before the next.',
    ALL_AT_ONCE: 'All at the same time: sooner done, and nothing is served meanwhile.',
  },
);

const RestartClusterPayload = acceptedPayload(
  'RestartClusterPayload',
  'The request was accepted: the servers are being restarted.',
);

const RestartClusterResult = changeResult('restartCluster', RestartClusterPayload, [
  NotFoundError,
  ClusterBusyError,
  ClusterStatusError,
  InstanceStatusError,
  StaleVersionError,
  InvalidInputError,
  IdempotencyConflictError,
  ForbiddenError,
]);

builder.mutationField('restartCluster', (t) =>
  t.fieldWithInput({
    type: RestartClusterResult,
    description: 'Restarts the servers of a cluster, or some of them. One that was stopped is started.',
    typeOptions: { description: 'What to restart, and how.' },
    input: {
      clusterId: t.input.id({ required: true, description: clusterIdDescription }),
      strategy: t.input.field({ type: RestartStrategy, defaultValue: 'ROLLING', description: 'In which order.' }),
      instanceIds: t.input.idList({ description: 'The ids of the instances to restart, each once. Left out: all.' }),
      force: t.input.boolean({ description: 'True: also while the cluster is DOWN. Left out: false.' }),
      idempotencyKey: t.input.string({ description: idempotencyKeyDescription }),
      plan: t.input.boolean({ description: planDescription }),
      expectedVersion: t.input.int({ description: expectedVersionDescription }),
    },
    resolve: async (
      _root,
      { input: { clusterId, instanceIds, idempotencyKey, expectedVersion, plan, ...how } },
      context,
    ) =>
      await acceptOrPlan(
        context,
        restartCluster,
        {
          clusterId: requireIdOf('Cluster', clusterId),
          ...(instanceIds == null ? {} : { instanceIds: instanceIds.map((id) => requireIdOf('Instance', id)) }),
          ...how,
        },
        { idempotencyKey, expectedVersion, plan },
      ),
  }),
);
