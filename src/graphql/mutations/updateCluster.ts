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
import { accept } from '#operations/accept.ts';
import { updateCluster } from '#operations/updateCluster.ts';
import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';
import { requireIdOf } from '../globalId.ts';
import { AccessRuleInput } from '../types/Cluster.ts';
import { BackupPolicyInput } from '../types/clusterBackups.ts';
import { acceptedPayload } from './acceptedPayload.ts';
import { clusterIdDescription, expectedVersionDescription, idempotencyKeyDescription } from './fieldDescriptions.ts';

const UpdateClusterPayload = acceptedPayload(
  'UpdateClusterPayload',
  'The request was accepted: the change is recorded, and is being put in force on the running servers.',
);

builder.mutationField('updateCluster', (t) =>
  t.fieldWithInput({
    type: UpdateClusterPayload,
    description:
      'Changes who may connect, whether the cluster may be deleted, and its backup policy. What is left out stays.',
    errors: {
      types: [
        NotFoundError,
        ClusterBusyError,
        ClusterStatusError,
        StaleVersionError,
        InvalidInputError,
        IdempotencyConflictError,
        ForbiddenError,
      ],
    },
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
      backupPolicy: t.input.field({
        type: BackupPolicyInput,
        description:
          'When its backups are taken by themselves, instead of the policy so far. An empty one: on request only.',
      }),
      idempotencyKey: t.input.string({ description: idempotencyKeyDescription }),
      expectedVersion: t.input.int({ description: expectedVersionDescription }),
    },
    resolve: async (
      _root,
      { input: { clusterId, idempotencyKey = null, expectedVersion = null, ...changes } },
      context,
    ) =>
      await accept(
        context.operations,
        requireActor(context),
        updateCluster,
        { clusterId: requireIdOf('Cluster', clusterId), ...changes },
        { idempotencyKey, expectedVersion },
      ),
  }),
);
