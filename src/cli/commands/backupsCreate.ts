import { defineCommand } from '../command.ts';
import { findCluster } from '../findCluster.ts';
import { requestOperation, requestOptions } from '../requestOperation.ts';

type Taken = { backup: { id: string; name: string; status: string } };

export const backupsCreate = defineCommand({
  words: 'backups create',
  argument: { name: 'CLUSTER', meaning: 'the name or the id of a cluster' },
  summary: 'Backs a cluster up while it serves.',
  options: {
    name: { type: 'string', value: 'NAME', meaning: 'the name of the backup. Default: one with the time in it' },
    ...requestOptions,
  },
  async run(invocation) {
    const { argument, values, api } = invocation;
    const { id: clusterId } = await findCluster<{ id: string }>(await api(), argument, 'id');
    return await requestOperation<Taken>(invocation, {
      mutation: 'backupCluster',
      input: { clusterId, name: values.name ?? null },
      also: 'backup { id name status }',
      headline: ({ backup, cluster }) => `Backup ${backup.name} of ${cluster.name} is ${backup.status}.`,
    });
  },
});
