import {
  ClusterBusyError,
  ClusterStatusError,
  ForbiddenError,
  IdempotencyConflictError,
  InvalidInputError,
  NameTakenError,
  NotFoundError,
  StaleVersionError,
  TopologyError,
} from '#domain/errors.ts';
import { accept } from '#operations/accept.ts';
import { addInstances } from '#operations/addInstances.ts';
import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';
import { requireIdOf } from '../globalId.ts';
import { InstanceInput } from '../types/InstanceInput.ts';
import { acceptedPayload } from './acceptedPayload.ts';
import { clusterIdDescription, expectedVersionDescription, idempotencyKeyDescription } from './fieldDescriptions.ts';

const AddInstancesPayload = acceptedPayload(
  'AddInstancesPayload',
  'The request was accepted: the new instances are in the list, and are being made.',
);

builder.mutationField('addInstances', (t) =>
  t.fieldWithInput({
    type: AddInstancesPayload,
    description: 'Makes a cluster larger: the new instances join it in parallel and hold its data.',
    errors: {
      types: [
        NotFoundError,
        ClusterBusyError,
        ClusterStatusError,
        TopologyError,
        NameTakenError,
        StaleVersionError,
        InvalidInputError,
        IdempotencyConflictError,
        ForbiddenError,
      ],
    },
    typeOptions: { description: 'What instances to add.' },
    input: {
      clusterId: t.input.id({ required: true, description: clusterIdDescription }),
      count: t.input.int({ description: 'How many instances to add. Give either this or `instances`.' }),
      instances: t.input.field({
        type: [InstanceInput],
        description: 'An entry for each instance to add, instead of `count`.',
      }),
      idempotencyKey: t.input.string({ description: idempotencyKeyDescription }),
      expectedVersion: t.input.int({ description: expectedVersionDescription }),
    },
    resolve: async (
      _root,
      { input: { clusterId, idempotencyKey = null, expectedVersion = null, ...added } },
      context,
    ) =>
      await accept(
        context.operations,
        requireActor(context),
        addInstances,
        { clusterId: requireIdOf('Cluster', clusterId), ...added },
        { idempotencyKey, expectedVersion },
      ),
  }),
);
