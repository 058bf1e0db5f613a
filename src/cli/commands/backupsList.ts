import { defineCommand } from '../command.ts';
import { exitCodes } from '../exitCodes.ts';
import { findCluster } from '../findCluster.ts';
import { listBackups } from '../listBackups.ts';
import { table } from '../table.ts';

type Backup = {
  id: string;
  name: string;
  clusterName: string;
  status: string;
  fault: string | null;
  instanceCount: number;
  bytes: string | null;
  createdAt: string;
  lastVerifiedAt: string | null;
};

const hasNoFiles = ({ status }: Backup): boolean => status === 'FAILED' || status === 'DELETED';

const fields =
  'id name clusterName cluster { id } status statusReason fault scheduled instanceCount bytes createdAt finishedAt lastVerifiedAt';

export const backupsList = defineCommand({
  words: 'backups list',
  summary: 'Lists the backups of the project, the newest first, also of clusters that are deleted.',
  options: {
    cluster: { type: 'string', value: 'CLUSTER', meaning: 'only those of this cluster: its name or id' },
    deleted: { type: 'boolean', meaning: 'the records of deleted ones too' },
  },
  async run({ values, api, say, tell }) {
    const calls = await api();
    const cluster =
      values.cluster === undefined ? null : await findCluster<{ id: string }>(calls, values.cluster, 'id');
    const filter = { clusterId: cluster?.id ?? null, includeDeleted: values.deleted ?? false };
    const backups = await listBackups<Backup>(calls, filter, fields);
    tell(backups);
    const rows = backups.map((backup) => [
      backup.name,
      backup.clusterName,
      backup.fault ?? backup.status,
      hasNoFiles(backup) ? null : backup.instanceCount,
      backup.bytes,
      backup.createdAt,
      backup.fault === null ? backup.lastVerifiedAt : null,
      backup.id,
    ]);
    const headings = ['NAME', 'CLUSTER', 'STATUS', 'PARTS', 'BYTES', 'ASKED FOR', 'VERIFIED', 'ID'];
    if (rows.length === 0) say('There are no backups. Take one with grove backups create CLUSTER.');
    else for (const line of table(headings, rows)) say(line);
    return exitCodes.done;
  },
});
