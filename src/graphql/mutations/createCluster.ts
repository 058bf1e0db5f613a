import {
  EngineUnavailableError,
  ForbiddenError,
  IdempotencyConflictError,
  InvalidInputError,
  NameTakenError,
  TopologyError,
} from '#domain/errors.ts';
import { limits } from '#domain/limits.ts';
import { accept } from '#operations/accept.ts';
import { createCluster } from '#operations/createCluster.ts';
import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';
import { AccessRuleInput } from '../types/Cluster.ts';
import { BackupPolicyInput } from '../types/clusterBackups.ts';
import { InstanceSizeInput } from '../types/InstanceSize.ts';
import { acceptedPayload } from './acceptedPayload.ts';
import { idempotencyKeyDescription } from './fieldDescriptions.ts';

const CreateClusterPayload = acceptedPayload(
  'CreateClusterPayload',
  'The request was accepted: the cluster is being built.',
);

const names = `1 to ${limits.nameMaxLength} characters: a-z, 0-9 and inner hyphens, beginning with a letter`;

const InstanceInput = builder.inputType('InstanceInput', {
  description: 'One instance of a new cluster.',
  fields: (t) => ({
    name: t.string({ description: `Its name, unique in the cluster. ${names}. Left out: made from the cluster's.` }),
    size: t.field({
      type: InstanceSizeInput,
      description: "Its size; all of a cluster's are equal. Left out: the cluster's.",
    }),
  }),
});

builder.mutationField('createCluster', (t) =>
  t.fieldWithInput({
    type: CreateClusterPayload,
    description: 'Makes a cluster: its network, its instances with their servers, one body of data on them all.',
    errors: {
      types: [
        InvalidInputError,
        NameTakenError,
        EngineUnavailableError,
        TopologyError,
        IdempotencyConflictError,
        ForbiddenError,
      ],
    },
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
      deletionProtection: t.input.boolean({ description: 'True: the cluster cannot be deleted. Left out: false.' }),
      backupPolicy: t.input.field({
        type: BackupPolicyInput,
        description: 'When its backups are taken by themselves. Left out: on request only.',
      }),
      idempotencyKey: t.input.string({ description: idempotencyKeyDescription }),
    },
    resolve: (_root, { input: { idempotencyKey = null, ...input } }, context) =>
      accept(context.operations, requireActor(context), createCluster, input, {
        idempotencyKey,
        expectedVersion: null,
      }),
  }),
);
