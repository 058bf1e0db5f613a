import { defineCommand } from '../command.ts';
import { exitCodes } from '../exitCodes.ts';
import { findCluster } from '../findCluster.ts';
import { table } from '../table.ts';

type Operation = {
  id: string;
  kind: string;
  status: string;
  progress: number;
  cluster: { name: string };
  createdAt: string;
};

const document = /* GraphQL */ `query ($clusterId: ID) {
  operations(first: 50, filter: { clusterId: $clusterId }) {
    nodes { id kind status progress cluster { name } createdAt finishedAt error { code message step retryable } }
  }
}`;

export const operationsList = defineCommand({
  words: 'operations list',
  summary: 'Lists the newest 50 operations.',
  options: { cluster: { type: 'string', value: 'CLUSTER', meaning: 'only those on this cluster: its name or id' } },
  async run({ values, api, say, tell }) {
    const calls = await api();
    const cluster =
      values.cluster === undefined ? null : await findCluster<{ id: string }>(calls, values.cluster, 'id');
    const { operations } = await calls.query<{ operations: { nodes: Operation[] } }>(document, {
      clusterId: cluster?.id ?? null,
    });
    tell(operations.nodes);
    const rows = operations.nodes.map(({ kind, cluster: { name }, status, progress, createdAt, id }) => [
      kind,
      name,
      status,
      `${Math.round(progress * 100)} %`,
      createdAt,
      id,
    ]);
    if (rows.length === 0) say('There are no operations.');
    else for (const line of table(['KIND', 'CLUSTER', 'STATUS', 'DONE', 'ACCEPTED', 'ID'], rows)) say(line);
    return exitCodes.done;
  },
});
