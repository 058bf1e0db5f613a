import { defineCommand } from '../command.ts';
import { exitCodes } from '../exitCodes.ts';
import { findCluster } from '../findCluster.ts';
import { printable } from '../printable.ts';
import { table } from '../table.ts';

type Instance = {
  name: string;
  role: string | null;
  status: string;
  address: string | null;
  port: number | null;
  replication: { state: string | null; lagBytes: string | null } | null;
  observedAt: string | null;
};
type Cluster = {
  id: string;
  name: string;
  status: string;
  statusReason: string | null;
  version: number;
  health: { level: string; reasons: { message: string }[] };
  engine: { name: string };
  engineVersion: string;
  deletionProtection: boolean;
  currentOperation: { id: string; kind: string; progress: number; waitingFor: string | null } | null;
  endpoints: { kind: string; uri: string }[];
  instances: { nodes: Instance[] };
};

const fields = /* GraphQL */ `
  id name status statusReason statusChangedAt version createdAt deletionProtection
  health { level reasons { code message } }
  engine { name } engineVersion instanceCount
  primary { name }
  currentOperation { id kind status progress waitingFor }
  network { cidr accessRules { cidr description } accessRulesInForce }
  endpoints { kind host port uri }
  instances(first: 100) { nodes { id name role status statusReason address port observedAt replication { state lagBytes lagSeconds } } }
`;

export const clustersGet = defineCommand({
  words: 'clusters get',
  argument: { name: 'CLUSTER', meaning: 'the name or the id of a cluster' },
  summary: 'Tells all of one cluster: its instances, where to connect, what holds it.',
  async run({ argument, api, say, tell }) {
    const cluster = await findCluster<Cluster>(await api(), argument, fields);
    tell(cluster);
    for (const line of [...headOf(cluster), '', ...instancesOf(cluster)]) say(line);
    return exitCodes.done;
  },
});

function headOf(cluster: Cluster): string[] {
  const { health, currentOperation: operation } = cluster;
  const rows: [string, string | null][] = [
    ['name', cluster.name],
    ['id', cluster.id],
    ['status', [cluster.status, cluster.statusReason].filter(Boolean).join(': ')],
    ['health', [health.level, ...health.reasons.map(({ message }) => message)].join('; ')],
    ['engine', `${cluster.engine.name} ${cluster.engineVersion}`],
    ['version', `${cluster.version}${cluster.deletionProtection ? ', protected from deletion' : ''}`],
    ['operation', operation && `${operation.kind} ${Math.round(operation.progress * 100)} % ${operation.id}`],
    ['waits for', operation?.waitingFor ?? null],
    ...cluster.endpoints.map(({ kind, uri }): [string, string] => [kind === 'READ_WRITE' ? 'writes' : 'reads', uri]),
  ];
  return rows
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name.padEnd(9)}  ${printable(value ?? '')}`);
}

function instancesOf({ instances: { nodes } }: Cluster): string[] {
  const rows = nodes.map(({ name, role, status, address, port, replication, observedAt }) => [
    name,
    role,
    status,
    address === null ? null : `${address}:${port}`,
    replication?.state ?? null,
    replication?.lagBytes == null ? null : `${replication.lagBytes} B`,
    observedAt,
  ]);
  return table(['INSTANCE', 'ROLE', 'STATUS', 'ADDRESS', 'REPLICATION', 'LAG', 'OBSERVED'], rows);
}
