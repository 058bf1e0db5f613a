import {
  ClusterBusyError,
  ClusterStatusError,
  ForbiddenError,
  IdempotencyConflictError,
  InvalidInputError,
  NotFoundError,
  StaleVersionError,
} from '#domain/errors.ts';
import type { PromotionMode as PromotionModeName } from '#engines/engine.ts';
import { promoteInstance } from '#operations/promoteInstance.ts';
import { builder } from '../builder.ts';
import { requireIdOf } from '../globalId.ts';
import { PromotionMode } from '../types/OperationResult.ts';
import { acceptedPayload } from './acceptedPayload.ts';
import { acceptOrPlan } from './acceptOrPlan.ts';
import { changeResult } from './changeResult.ts';
import {
  clusterIdDescription,
  expectedVersionDescription,
  idempotencyKeyDescription,
  planDescription,
} from './fieldDescriptions.ts';
import { promotionRefusals } from './promotionRefusals.ts';

const PromoteInstancePayload = acceptedPayload(
  'PromoteInstancePayload',
  'The request was accepted: a replica is being made the primary.',
);

const PromoteInstanceResult = changeResult('promoteInstance', PromoteInstancePayload, [
  NotFoundError,
  ClusterBusyError,
  ClusterStatusError,
  ...promotionRefusals,
  StaleVersionError,
  InvalidInputError,
  IdempotencyConflictError,
  ForbiddenError,
]);

builder.mutationField('promoteInstance', (t) =>
  t.fieldWithInput({
    type: PromoteInstanceResult,
    description:
      'Makes a replica the primary. PLANNED hands the role over and loses nothing, or leaves it where it was. FAILOVER replaces a ' +
      'lost primary: it is fenced off first, and comes back as a replica.',
    typeOptions: { description: 'Which replica is to become the primary, and how.' },
    input: {
      clusterId: t.input.id({ required: true, description: clusterIdDescription }),
      instanceId: t.input.id({
        description: 'The replica. Left out: the one that has most of the data is elected.',
      }),
      mode: t.input.field({
        type: PromotionMode,
        required: true,
        description: 'PLANNED while the primary is healthy, FAILOVER when it is lost.',
      }),
      maxLagBytes: t.input.field({
        type: 'BigInt',
        description:
          "How far behind the primary the replica may be, in bytes. Left out: the cluster's failover.maxLagBytes.",
      }),
      acceptDataLoss: t.input.boolean({
        defaultValue: false,
        description:
          'FAILOVER only. True: promote though acknowledged writes may be lost that another instance has or may have: a replica of a ' +
          'synchronous cluster that is not seen, or a newer timeline that nobody is left of; also where it is not known how far the ' +
          'lost primary was. And a former primary may be named, which takes writes again where it ended.',
      }),
      idempotencyKey: t.input.string({ description: idempotencyKeyDescription }),
      expectedVersion: t.input.int({ description: expectedVersionDescription }),
      plan: t.input.boolean({ description: planDescription }),
    },
    resolve: async (_root, { input: { idempotencyKey, expectedVersion, plan, ...input } }, context) =>
      await acceptOrPlan(context, promoteInstance, toOperation(input), { idempotencyKey, expectedVersion, plan }),
  }),
);

type Input = {
  clusterId: string;
  instanceId?: string | null | undefined;
  mode: PromotionModeName;
  maxLagBytes?: bigint | null | undefined;
  acceptDataLoss?: boolean | null | undefined;
};

const toOperation = ({ clusterId, instanceId, maxLagBytes, ...rest }: Input) => ({
  ...rest,
  clusterId: requireIdOf('Cluster', clusterId),
  instanceId: instanceId == null ? null : requireIdOf('Instance', instanceId),
  maxLagBytes: maxLagBytes == null ? null : Number(maxLagBytes),
});
