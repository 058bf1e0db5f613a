import pg from 'pg';
import type { ApiClient, Shape } from '../support/apiClient.ts';
import { readCluster, revealedCredentials } from '../support/clusterCalls.ts';
import { differences } from './scenario.ts';

const arrivesWithinMs = 10_000;

/** Writes a row that must never be lost from here on, and waits until every instance has it. */
export async function keepRow(client: ApiClient, clusterId: string): Promise<string> {
  const value = crypto.randomUUID();
  const { primary, instances } = await readCluster(client, clusterId);
  const leader = instances.nodes.find(({ name }: Shape) => name === primary?.name);
  if (!leader) throw new Error('There is no primary to write on');
  await query(client, clusterId, leader, 'CREATE TABLE IF NOT EXISTS kept (value text PRIMARY KEY)');
  await query(client, clusterId, leader, 'INSERT INTO kept VALUES ($1)', [value]);
  const missing = await keptFaults(client, clusterId, value);
  if (missing.length > 0) throw new Error(missing.join('; '));
  return value;
}

/** Which instances of the cluster do not have the row. */
export async function keptFaults(client: ApiClient, clusterId: string, value: string): Promise<string[]> {
  const { instances } = await readCluster(client, clusterId);
  const faults = instances.nodes.map(async (instance: Shape) => {
    const deadline = Date.now() + arrivesWithinMs;
    let found: string[] = [];
    // A replica announces to nobody that it has replayed something.
    while (found.length === 0 && Date.now() < deadline) {
      const text = 'SELECT value FROM kept WHERE value = $1';
      found = await query(client, clusterId, instance, text, [value]).catch(() => []);
    }
    return differences(`the row that ${instance.name} must have`, found, [value]);
  });
  return (await Promise.all<string[]>(faults)).flat();
}

async function query(
  client: ApiClient,
  clusterId: string,
  { address, port }: Shape,
  text: string,
  values: unknown[] = [],
): Promise<string[]> {
  const { username: user, password, database } = await revealedCredentials(client, clusterId);
  const session = new pg.Client({ user, password, database, host: address, port, connectionTimeoutMillis: 5000 });
  await session.connect();
  try {
    return (await session.query<{ value: string }>(text, values)).rows.map(({ value }) => value);
  } finally {
    await session.end();
  }
}
