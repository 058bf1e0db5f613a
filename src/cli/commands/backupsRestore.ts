import { backupArgument, ofCluster } from '../backupArgument.ts';
import { CliError } from '../cliError.ts';
import { defineCommand } from '../command.ts';
import { findBackup } from '../findBackup.ts';
import { requestOperation, requestOptions } from '../requestOperation.ts';

export const backupsRestore = defineCommand({
  words: 'backups restore',
  argument: backupArgument,
  summary: 'Makes a new cluster with the data of a backup.',
  options: {
    as: { type: 'string', value: 'NAME', meaning: 'the name of the new cluster; needed' },
    ...ofCluster,
    ...requestOptions,
  },
  async run(invocation) {
    const { argument, values, api } = invocation;
    if (!values.as) {
      throw new CliError('usage', 'USAGE', 'Name the new cluster with --as NAME. See grove backups restore --help.');
    }
    const { id: backupId } = await findBackup(await api(), argument, values.cluster);
    return await requestOperation(invocation, { mutation: 'restoreCluster', input: { backupId, name: values.as } });
  },
});
