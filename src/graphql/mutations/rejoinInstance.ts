import {
  ClusterBusyError,
  ClusterStatusError,
  ForbiddenError,
  IdempotencyConflictError,
  InstanceNotRejoinableError,
  InvalidInputError,
  NoPrimaryError,
  NotFoundError,
  PromotionUnsupportedError,
  StaleVersionError,
} from '#domain/errors.ts';
import { rejoinInstance } from '#operations/rejoinInstance.ts';
import { builder } from '../builder.ts';
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

const RejoinInstancePayload = acceptedPayload(
  'RejoinInstancePayload',
  'The request was accepted: the instance is being made to follow the primary.',
);

const RejoinInstanceResult = changeResult('rejoinInstance', RejoinInstancePayload, [
  NotFoundError,
  ClusterBusyError,
  ClusterStatusError,
  PromotionUnsupportedError,
  InstanceNotRejoinableError,
  NoPrimaryError,
  StaleVersionError,
  InvalidInputError,
  IdempotencyConflictError,
  ForbiddenError,
]);

builder.mutationField('rejoinInstance', (t) =>
  t.fieldWithInput({
    type: RejoinInstanceResult,
    description:
      'Makes an instance follow the primary again: a former primary, or a replica that has lost its place. With its own data where ' +
      'that is possible, else with a new copy; what only this instance has is discarded. Grove asks for it by itself too.',
    typeOptions: { description: 'Which instance is to follow the primary again.' },
    input: {
      clusterId: t.input.id({ required: true, description: clusterIdDescription }),
      instanceId: t.input.id({ required: true, description: 'The id of the instance; not the primary.' }),
      idempotencyKey: t.input.string({ description: idempotencyKeyDescription }),
      expectedVersion: t.input.int({ description: expectedVersionDescription }),
      plan: t.input.boolean({ description: planDescription }),
    },
    resolve: async (_root, { input: { clusterId, instanceId, idempotencyKey, expectedVersion, plan } }, context) =>
      await acceptOrPlan(
        context,
        rejoinInstance,
        { clusterId: requireIdOf('Cluster', clusterId), instanceId: requireIdOf('Instance', instanceId) },
        { idempotencyKey, expectedVersion, plan },
      ),
  }),
);
