import type { BackupFacts } from '#domain/backupFacts.ts';
import type { DomainError } from '#domain/errors.ts';
import { previewRestore } from '#operations/previewRestore.ts';
import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';
import { idOf } from '../globalId.ts';
import { backupIdDescription } from '../mutations/fieldDescriptions.ts';
import { asValue, ErrorInterface } from './Error.ts';
import { InstanceSize } from './InstanceSize.ts';

const RestorePreview = builder.objectRef<{ backup: BackupFacts; blockers: DomainError[] }>('RestorePreview').implement({
  description: 'What a restore of a backup needs, and whether it can be done now.',
  fields: (t) => ({
    restorable: t.boolean({
      description: 'True if nothing that is known stands in its way but, perhaps, the role of your key or your input.',
      resolve: ({ blockers }) => blockers.length === 0,
    }),
    blockers: t.field({
      type: [ErrorInterface],
      description: 'Every reason why it cannot be done now: the error that the mutation would answer with.',
      resolve: ({ blockers }) => blockers.map(asValue),
    }),
    instanceCount: t.int({
      description: 'How many instances are made; the mutation takes no other number.',
      resolve: ({ backup }) => backup.instanceCount,
    }),
    instanceSize: t.field({
      type: InstanceSize,
      description: 'The size of each instance where the mutation says no other.',
      resolve: ({ backup }) => backup.size,
    }),
    engineVersion: t.string({
      description: 'The version of the engine that is needed; no other can read the data.',
      resolve: ({ backup }) => backup.engineVersion,
    }),
    bytes: t.field({
      type: 'BigInt',
      description: 'Bytes that are read from the backup store.',
      resolve: ({ backup }) => backup.parts.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0),
    }),
    dataBytes: t.field({
      type: 'BigInt',
      description: 'Bytes that the instances take at first, all together.',
      resolve: ({ backup }) => backup.parts.reduce((sum, { dataBytes }) => sum + (dataBytes ?? 0), 0),
    }),
  }),
});

builder.queryField('restorePreview', (t) =>
  t.field({
    type: RestorePreview,
    nullable: true,
    description:
      'What a restore of the backup needs, and whether it can be done now, from the rules that guard `restoreCluster`. The store is ' +
      'not looked into. Null if there is no such backup in the project.',
    args: { backupId: t.arg.id({ required: true, description: backupIdDescription }) },
    resolve: async (_root, { backupId }, context) => {
      const id = idOf('Backup', backupId);
      if (id === null) return null;
      return await previewRestore(context.operations, { id, projectId: requireActor(context).projectId });
    },
  }),
);
