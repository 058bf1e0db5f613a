import type { Argument, Option } from './command.ts';

/** Commands on one backup name it so. */
export const backupArgument: Argument = { name: 'BACKUP', meaning: 'the name or the id of a backup' };

export const ofCluster = {
  cluster: {
    type: 'string',
    value: 'CLUSTER',
    meaning: 'whose backup it is, where several clusters have one of the name',
  },
} as const satisfies Record<string, Option>;
