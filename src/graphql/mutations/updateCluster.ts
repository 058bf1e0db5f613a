import {
  ClusterBusyError,
  ClusterStatusError,
  ForbiddenError,
  IdempotencyConflictError,
  InvalidInputError,
  NotFoundError,
  StaleVersionError,
} from '#domain/errors.ts';
import { limits } from '#domain/limits.ts';
import { updateCluster } from '#operations/updateCluster.ts';
import { builder } from '../builder.ts';
import { requireIdOf } from '../globalId.ts';
import { AccessRuleInput } from '../types/Cluster.ts';
import { FailoverPolicyInput, toFailover } from '../types/Failover.ts';
import { acceptedPayload } from './acceptedPayload.ts';
import { acceptOrPlan } from './acceptOrPlan.ts';
import { changeResult } from './changeResult.ts';
import {
  clusterIdDescription,
  expectedVersionDescription,
  idempotencyKeyDescription,
  planDescription,
} from './fieldDescriptions.ts';

const UpdateClusterPayload = acceptedPayload(
  'UpdateClusterPayload',
  'The request was accepted: the change is recorded, and is being put in force on the running servers.',
);

const UpdateClusterResult = changeResult('updateCluster', UpdateClusterPayload, [
  NotFoundError,
  ClusterBusyError,
  ClusterStatusError,
  StaleVersionError,
  InvalidInputError,
  IdempotencyConflictError,
  ForbiddenError,
]);

builder.mutationField('updateCluster', (t) =>
  t.fieldWithInput({
    type: UpdateClusterResult,
    description:
      'Changes who may connect, what commits wait for, and how the cluster is guarded. What is left out stays.',
    typeOptions: { description: 'What to change of a cluster.' },
    input: {
      clusterId: t.input.id({ required: true, description: clusterIdDescription }),
      accessRules: t.input.field({
        type: [AccessRuleInput],
        description: `Who may connect, instead of the rules so far: at most ${limits.accessRulesPerCluster} networks.`,
      }),
      deletionProtection: t.input.boolean({
        description: 'True: the cluster cannot be deleted. Needs a key of role ADMIN.',
      }),
      synchronous: t.input.boolean({
        description:
          'True: a commit is acknowledged only once a replica has it too. In force when the operation has succeeded.',
      }),
      failover: t.input.field({ type: FailoverPolicyInput, description: 'What happens when the primary is lost.' }),
      idempotencyKey: t.input.string({ description: idempotencyKeyDescription }),
      plan: t.input.boolean({ description: planDescription }),
      expectedVersion: t.input.int({ description: expectedVersionDescription }),
    },
    resolve: async (
      _root,
      { input: { clusterId, idempotencyKey, expectedVersion, plan, failover, ...changes } },
      context,
    ) =>
      await acceptOrPlan(
        context,
        updateCluster,
        { clusterId: requireIdOf('Cluster', clusterId), ...changes, failover: toFailover(failover) },
        { idempotencyKey, expectedVersion, plan },
      ),
  }),
);
