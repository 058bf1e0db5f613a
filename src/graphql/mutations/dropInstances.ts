import {
  ClusterBusyError,
  ClusterStatusError,
  ForbiddenError,
  IdempotencyConflictError,
  InstanceStatusError,
  InvalidInputError,
  MinimumInstancesError,
  NotFoundError,
  PrimaryNotDroppableError,
  StaleVersionError,
  TopologyError,
} from '#domain/errors.ts';
import { accept } from '#operations/accept.ts';
import { dropInstances } from '#operations/dropInstances.ts';
import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';
import { requireIdOf } from '../globalId.ts';
import { acceptedPayload } from './acceptedPayload.ts';
import { clusterIdDescription, expectedVersionDescription, idempotencyKeyDescription } from './fieldDescriptions.ts';

const DropInstancesPayload = acceptedPayload(
  'DropInstancesPayload',
  'The request was accepted: the instances are leaving the cluster.',
);

builder.mutationField('dropInstances', (t) =>
  t.fieldWithInput({
    type: DropInstancesPayload,
    description:
      'Takes instances out of a cluster, in parallel, and releases their processes, volumes, addresses and names. They may be ill ' +
      'or not answer. Their records stay.',
    errors: {
      types: [
        NotFoundError,
        ClusterBusyError,
        ClusterStatusError,
        MinimumInstancesError,
        TopologyError,
        PrimaryNotDroppableError,
        InstanceStatusError,
        StaleVersionError,
        InvalidInputError,
        IdempotencyConflictError,
        ForbiddenError,
      ],
    },
    typeOptions: { description: 'What instances to drop.' },
    input: {
      clusterId: t.input.id({ required: true, description: clusterIdDescription }),
      instanceIds: t.input.idList({ required: true, description: 'The ids of the instances to drop, each once.' }),
      idempotencyKey: t.input.string({ description: idempotencyKeyDescription }),
      expectedVersion: t.input.int({ description: expectedVersionDescription }),
    },
    resolve: async (
      _root,
      { input: { clusterId, instanceIds, idempotencyKey = null, expectedVersion = null } },
      context,
    ) =>
      await accept(
        context.operations,
        requireActor(context),
        dropInstances,
        {
          clusterId: requireIdOf('Cluster', clusterId),
          instanceIds: instanceIds.map((id) => requireIdOf('Instance', id)),
        },
        { idempotencyKey, expectedVersion },
      ),
  }),
);
