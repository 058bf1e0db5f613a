import {
  ClusterBusyError,
  ClusterStatusError,
  ForbiddenError,
  IdempotencyConflictError,
  InstanceStatusError,
  InvalidInputError,
  NotFoundError,
  StaleVersionError,
} from '#domain/errors.ts';
import { accept } from '#operations/accept.ts';
import { restartCluster, type restartStrategies } from '#operations/restartCluster.ts';
import { builder } from '../builder.ts';
import { describedEnum } from '../describedEnum.ts';
import { requireActor } from '../errors.ts';
import { requireIdOf } from '../globalId.ts';
import { acceptedPayload } from './acceptedPayload.ts';
import { clusterIdDescription, expectedVersionDescription, idempotencyKeyDescription } from './fieldDescriptions.ts';

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

builder.mutationField('restartCluster', (t) =>
  t.fieldWithInput({
    type: RestartClusterPayload,
    description: 'Restarts the servers of a cluster, or some of them. One that was stopped is started.',
    errors: {
      types: [
        NotFoundError,
        ClusterBusyError,
        ClusterStatusError,
        InstanceStatusError,
        StaleVersionError,
        InvalidInputError,
        IdempotencyConflictError,
        ForbiddenError,
      ],
    },
    typeOptions: { description: 'What to restart, and how.' },
    input: {
      clusterId: t.input.id({ required: true, description: clusterIdDescription }),
      strategy: t.input.field({ type: RestartStrategy, defaultValue: 'ROLLING', description: 'In which order.' }),
      instanceIds: t.input.idList({ description: 'The ids of the instances to restart, each once. Left out: all.' }),
      force: t.input.boolean({ description: 'True: also while the cluster is DOWN. Left out: false.' }),
      idempotencyKey: t.input.string({ description: idempotencyKeyDescription }),
      expectedVersion: t.input.int({ description: expectedVersionDescription }),
    },
    resolve: async (
      _root,
      { input: { clusterId, instanceIds, idempotencyKey = null, expectedVersion = null, ...how } },
      context,
    ) =>
      await accept(
        context.operations,
        requireActor(context),
        restartCluster,
        {
          clusterId: requireIdOf('Cluster', clusterId),
          ...(instanceIds == null ? {} : { instanceIds: instanceIds.map((id) => requireIdOf('Instance', id)) }),
          ...how,
        },
        { idempotencyKey, expectedVersion },
      ),
  }),
);
