import {
  EngineUnavailableError,
  ForbiddenError,
  IdempotencyConflictError,
  InvalidInputError,
  NameTakenError,
} from '#domain/errors.ts';
import { TopologyError } from '#domain/instanceErrors.ts';
import { limits } from '#domain/limits.ts';
import { QuotaExceededError } from '#domain/quota.ts';
import { createCluster } from '#operations/createCluster.ts';
import { builder } from '../builder.ts';
import { AccessRuleInput } from '../types/Cluster.ts';
import { BackupPolicyInput } from '../types/clusterBackups.ts';
import { FailoverPolicyInput, toFailover } from '../types/Failover.ts';
import { InstanceInput } from '../types/InstanceInput.ts';
import { InstanceSizeInput } from '../types/InstanceSize.ts';
import { acceptedPayload } from './acceptedPayload.ts';
import { acceptOrPlan } from './acceptOrPlan.ts';
import { changeResult } from './changeResult.ts';
import { idempotencyKeyDescription, planDescription } from './fieldDescriptions.ts';

const CreateClusterPayload = acceptedPayload(
  'CreateClusterPayload',
  'The request was accepted: the cluster is being built.',
);

const names = `1 to ${limits.nameMaxLength} characters: a-z, 0-9 and inner hyphens, beginning with a letter`;

const CreateClusterResult = changeResult('createCluster', CreateClusterPayload, [
  InvalidInputError,
  NameTakenError,
  EngineUnavailableError,
  TopologyError,
  QuotaExceededError,
  IdempotencyConflictError,
  ForbiddenError,
]);

builder.mutationField('createCluster', (t) =>
  t.fieldWithInput({
    type: CreateClusterResult,
    description: 'Makes a cluster: its network, its instances with their servers, one body of data on them all.',
    typeOptions: { description: 'What cluster to make.' },
    input: {
      name: t.input.string({ required: true, description: `Unique in the project. ${names}.` }),
      engine: t.input.string({
        required: true,
        description: 'The name of an engine, e.g. "postgresql"; see `engines`.',
      }),
      engineVersion: t.input.string({
        description: 'E.g. "18"; see `engines`. Left out: the newest that is available.',
      }),
      instanceCount: t.input.int({ description: 'How many instances. Give either this or `instances`.' }),
      instances: t.input.field({
        type: [InstanceInput],
        description: 'An entry for each instance, instead of `instanceCount`.',
      }),
      size: t.input.field({
        type: InstanceSizeInput,
        description: 'The size of each instance. Left out: a small one.',
      }),
      accessRules: t.input.field({
        type: [AccessRuleInput],
        description: `Who may connect: at most ${limits.accessRulesPerCluster} networks. Left out: this host only.`,
      }),
      deletionProtection: t.input.boolean({
        description: 'True: the cluster cannot be deleted until a key of role ADMIN takes this off. Left out: false.',
      }),
      backupPolicy: t.input.field({
        type: BackupPolicyInput,
        description: 'When its backups are taken by themselves. Left out: on request only.',
      }),
      synchronous: t.input.boolean({
        description: 'True: a commit is acknowledged only once a replica has it too. Left out: false.',
      }),
      failover: t.input.field({ type: FailoverPolicyInput, description: 'What happens when the primary is lost.' }),
      idempotencyKey: t.input.string({ description: idempotencyKeyDescription }),
      plan: t.input.boolean({ description: planDescription }),
    },
    resolve: async (_root, { input: { idempotencyKey, plan, failover, ...input } }, context) =>
      await acceptOrPlan(
        context,
        createCluster,
        { ...input, failover: toFailover(failover) },
        { idempotencyKey, plan },
      ),
  }),
);
