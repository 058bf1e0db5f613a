import pg from 'pg';
import { slotName } from '#engines/postgresql/slotName.ts';
import type { ApiClient, Shape } from '../support/apiClient.ts';
import { readCluster, revealedCredentials, uuidOf } from '../support/clusterCalls.ts';
import { differences } from './scenario.ts';

/** What an instance of a cluster that is there looks like from outside. */
export type LiveInstance = { uuid: string; name: string; address: string; port: number; role: string };
export type LiveCluster = { id: string; uuid: string; name: string; instances: LiveInstance[] };

/** Every cluster that the API lists, with its instances. */
export async function liveClusters(client: ApiClient): Promise<LiveCluster[]> {
  const { clusters } = await client.data(
    '{ clusters(first: 100) { nodes { id name instances(first: 100) { nodes { id name address port role } } } } }',
  );
  return clusters.nodes.map((cluster: Shape) => ({
    ...cluster,
    uuid: uuidOf(cluster.id),
    instances: cluster.instances.nodes.map((instance: Shape) => ({ ...instance, uuid: uuidOf(instance.id) })),
  }));
}

/** How a cluster that must be whole is not: its health, its data path, its replication slots. */
export async function wholenessFaults(client: ApiClient, { id, instances }: LiveCluster): Promise<string[]> {
  const { status, statusReason, health, instances: listed } = await readCluster(client, id);
  const seen = listed.nodes.map((instance: Shape) => `${instance.status} ${instance.role}`).toSorted();
  const wanted = instances.map((_, index) => (index === 0 ? 'ACTIVE PRIMARY' : 'ACTIVE REPLICA'));
  const faults = [
    ...differences(`status (${statusReason})`, [status, health.level], ['ACTIVE', 'HEALTHY']),
    ...differences('instances', seen, wanted),
  ];
  return faults.length > 0 ? faults : await serverFaults(client, id, instances);
}

/** Instances whose agents have not reported since, or are lost again. Their servers may serve all the same. */
export async function absentAgents(store: pg.Client, { uuid }: LiveCluster, since: Date): Promise<string[]> {
  const { rows } = await store.query<{ name: string }>(
    `SELECT name FROM instance WHERE cluster_id = $1 AND removed_at IS NULL
       AND (agent_lost_at IS NOT NULL OR observed_at IS NULL OR observed_at < $2)`,
    [uuid, since],
  );
  return rows.map(({ name }) => `no agent: ${name}`);
}

/** Failovers that nobody asked for. There is no reason for one while every server runs. */
export async function failoversByItself(store: pg.Client): Promise<string[]> {
  const { rows } = await store.query<{ id: string }>(
    "SELECT id FROM operation WHERE kind = 'PROMOTE_INSTANCE' AND requested_by ->> 'kind' = 'SYSTEM'",
  );
  return rows.map(({ id }) => `failover by itself: ${id}`);
}

async function serverFaults(client: ApiClient, id: string, instances: LiveInstance[]): Promise<string[]> {
  const { username, password, database } = await revealedCredentials(client, id);
  const login = { user: username, password, database };
  const query = async ({ address, port }: LiveInstance, text: string, values: unknown[] = []) => {
    const session = new pg.Client({ ...login, host: address, port, connectionTimeoutMillis: 5000 });
    await session.connect();
    try {
      return (await session.query<{ value: string }>(text, values)).rows.map(({ value }) => value);
    } finally {
      await session.end();
    }
  };
  const replicas = instances.filter(({ role }) => role === 'REPLICA');
  const primary = instances.find(({ role }) => role === 'PRIMARY');
  if (!primary) return ['no primary'];
  const slots = await query(primary, "SELECT slot_name || ' ' || active AS value FROM pg_replication_slots ORDER BY 1");
  const wantedSlots = replicas.map(({ uuid }) => `${slotName(uuid)} true`).toSorted();
  const faults = differences('replication slots of the primary', slots, wantedSlots);
  const mark = crypto.randomUUID();
  await query(primary, 'CREATE TABLE IF NOT EXISTS chaos_mark (value text PRIMARY KEY)');
  const [position] = await query(primary, 'INSERT INTO chaos_mark VALUES ($1) RETURNING value', [mark]);
  for (const replica of replicas) {
    faults.push(
      ...differences(
        `slots of ${replica.name}`,
        await query(replica, 'SELECT slot_name AS value FROM pg_replication_slots'),
        [],
      ),
    );
    const deadline = Date.now() + 10_000;
    let found: string[] = [];
    // A replica announces to nobody that it has replayed something.
    while (found.length === 0 && Date.now() < deadline) {
      found = await query(replica, 'SELECT value FROM chaos_mark WHERE value = $1', [position]).catch(() => []);
    }
    faults.push(...differences(`what ${replica.name} reads of the primary`, found, [mark]));
  }
  return faults;
}
