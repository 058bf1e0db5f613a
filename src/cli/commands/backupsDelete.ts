import { backupArgument, ofCluster } from '../backupArgument.ts';
import { defineCommand } from '../command.ts';
import { confirmName } from '../confirmName.ts';
import { findBackup } from '../findBackup.ts';
import { requestOperation, requestOptions } from '../requestOperation.ts';

export const backupsDelete = defineCommand({
  words: 'backups delete',
  argument: backupArgument,
  summary: 'Removes the files of a backup. Asks for its name first, unless --yes says not to.',
  options: { ...ofCluster, yes: { type: 'boolean', meaning: 'do not ask' }, ...requestOptions },
  async run(invocation) {
    const { argument, values, host, api } = invocation;
    const { id, name, clusterName } = await findBackup(await api(), argument, values.cluster);
    if (!values.yes && !values.plan) await confirmName(host, { what: `backup "${name}" of "${clusterName}"`, name });
    return await requestOperation(invocation, {
      mutation: 'deleteBackup',
      input: { backupId: id },
      headline: () => `Backup ${name} of ${clusterName} is being deleted.`,
    });
  },
});
