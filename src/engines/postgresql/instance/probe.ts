import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'pg';
import { type CommandCall, CommandFailure } from '../../instanceSide.ts';
import type { PostgresqlCommands } from '../commands.ts';
import type { PostgresqlInstance } from './postgresqlInstance.ts';

type WriteProbe = PostgresqlCommands['writeProbe'];
type ReadProbe = PostgresqlCommands['readProbe'];

const readWithinMs = 30_000;
const pollMs = 20;

/** The table that probes go through. In Grove's own database and schema: customers see none of it. */
export async function ensureProbeTable(client: Client): Promise<void> {
  await client.query(`
    CREATE SCHEMA IF NOT EXISTS grove;
    CREATE TABLE IF NOT EXISTS grove.probe (token text PRIMARY KEY, written_at timestamptz NOT NULL DEFAULT now())`);
}

/** Writes a row with the token through the server, as a client's write would go. */
export async function writeProbe(
  instance: PostgresqlInstance,
  { token }: WriteProbe['input'],
  call: CommandCall,
): Promise<WriteProbe['result']> {
  await instance.assertInitialized();
  await instance.ensureServing(call);
  return instance.withAdmin(async (client) => {
    // Whether it reaches the replicas is what is tried; without one that is there, a commit of a synchronous cluster would wait for ever.
    await client.query('SET synchronous_commit = local');
    await ensureProbeTable(client);
    await client.query("DELETE FROM grove.probe WHERE written_at < now() - interval '1 day'");
    await client.query(
      'INSERT INTO grove.probe (token) VALUES ($1) ON CONFLICT (token) DO UPDATE SET written_at = now()',
      [token],
    );
    const { rows } = await client.query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn');
    return { lsn: rows[0]?.lsn ?? '' };
  });
}

/** Waits until the row with the token can be read from this server. */
export async function readProbe(
  instance: PostgresqlInstance,
  { token }: ReadProbe['input'],
  call: CommandCall,
): Promise<ReadProbe['result']> {
  await instance.assertInitialized();
  await instance.ensureServing(call);
  call.progress('waiting until the test row arrives');
  return instance.withAdmin(async (client) => {
    const deadline = performance.now() + readWithinMs;
    while (!(await canRead(client, token))) {
      call.signal.throwIfAborted();
      if (performance.now() > deadline) {
        throw new CommandFailure(
          'PROBE_TIMEOUT',
          `A row written on the primary did not arrive on ${instance.host.name} within ${readWithinMs / 1000} s.`,
          { retryable: true },
        );
      }
      // A standby announces nothing when it has applied a change.
      await delay(pollMs, undefined, { signal: call.signal });
    }
    return readRole(client);
  });
}

async function canRead(client: Client, token: string): Promise<boolean> {
  const { rows } = await client.query<{ there: boolean }>("SELECT to_regclass('grove.probe') IS NOT NULL AS there");
  if (!rows[0]?.there) return false;
  const { rowCount } = await client.query('SELECT FROM grove.probe WHERE token = $1', [token]);
  return rowCount === 1;
}

async function readRole(client: Client): Promise<ReadProbe['result']> {
  const { rows } = await client.query<{ standby: boolean; status: string | null }>(
    'SELECT pg_is_in_recovery() AS standby, (SELECT status FROM pg_stat_wal_receiver) AS status',
  );
  const [row] = rows;
  return { role: row?.standby ? 'REPLICA' : 'PRIMARY', replicationState: row?.status ?? null };
}
