import { backupArgument, ofCluster } from '../backupArgument.ts';
import { defineCommand } from '../command.ts';
import { findBackup } from '../findBackup.ts';
import { requestOperation, requestOptions } from '../requestOperation.ts';

export const backupsVerify = defineCommand({
  words: 'backups verify',
  argument: backupArgument,
  summary: 'Shows that a backup can be restored: restores it, looks, and removes that again.',
  options: { ...ofCluster, ...requestOptions },
  async run(invocation) {
    const { argument, values, api } = invocation;
    const { id, name, clusterName } = await findBackup(await api(), argument, values.cluster);
    return await requestOperation(invocation, {
      mutation: 'verifyBackup',
      input: { backupId: id },
      headline: () => `Backup ${name} of ${clusterName} is being verified.`,
    });
  },
});
