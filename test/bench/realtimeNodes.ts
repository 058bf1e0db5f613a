import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '#lib/host/freePort.ts';
import { createDatabase, type Database } from '#store/database.ts';
import { startTemporaryPostgres } from '../../tools/temporaryPostgres.ts';
import { type ApiClient, createApiClient } from '../support/apiClient.ts';
import { createGroveHome, type GroveProcess } from '../support/groveProcess.ts';
import { RedisServer } from '../support/redisServer.ts';
import type { Bench } from './benchmark.ts';
import type { SubscribersReport, Subscribing } from './realtimeSubscribers.ts';

export const eventFields =
  'cursor type at actor { kind name role } clusterId instanceId operationId fromStatus toStatus payload';
export const eventsQuery = /* GraphQL */ `subscription { events { __typename
  ... on EventBatch { cursor events { ${eventFields} } }
  ... on Heartbeat { cursor at } } }`;

export type RealtimeNodes = {
  nodes: readonly [GroveProcess, GroveProcess];
  clients: readonly [ApiClient, ApiClient];
  key: string;
  db: Database;
  projectId: string;
};

/** Two api processes over one PostgreSQL, which notes when each transaction was committed, and one Redis. */
export async function startRealtimeNodes({ closers }: Bench): Promise<RealtimeNodes> {
  const store = await startTemporaryPostgres({ track_commit_timestamp: 'on' });
  closers.add('the store of the realtime benchmark', () => store.stop());
  const redis = await RedisServer.start();
  closers.add('Redis', () => redis.close());
  const home = await createGroveHome();
  closers.add('the nodes of the realtime benchmark', () => home.destroy());
  const environment = {
    DATABASE_URL: store.url,
    REDIS_URL: redis.url,
    GROVE_SECRET_KEY: randomBytes(32).toString('base64'),
    // A debugger that was asked for by a signal takes a free port: how the memory benchmark has the garbage collected.
    NODE_OPTIONS: '--inspect-port=0',
  };
  const first = await home.start({ command: 'api', port: await freePort(), environment });
  const nodes = [first, await home.start({ command: 'api', port: await freePort(), environment })] as const;
  const key = (await readFile(join(home.directory, 'admin.key'), 'utf8')).trim();
  const db = createDatabase(store.url, { poolSize: 2 });
  closers.add('the connection to the store', () => db.$disconnect());
  const { id: projectId } = await db.project.findFirstOrThrow();
  const clients = [createApiClient(nodes[0].url, key), createApiClient(nodes[1].url, key)] as const;
  return { nodes, clients, key, db, projectId };
}

export type Subscribers = {
  /** When each heard of each label, in milliseconds since 1970. */
  report(): Promise<SubscribersReport>;
  close(): Promise<void>;
};

/** Connections in a process of their own; returns when all have subscribed. */
export async function startSubscribers(
  { closers }: Bench,
  subscribing: Omit<Subscribing, 'query' | 'variables'>,
): Promise<Subscribers> {
  const child = fork(join(import.meta.dirname, 'realtimeSubscribers.ts'), [
    JSON.stringify({ query: eventsQuery, variables: {}, ...subscribing }),
  ]);
  closers.add('the subscribers', () => void child.kill('SIGKILL'));
  const exit = once(child, 'exit');
  const message = async () => {
    const answer = await Promise.race([once(child, 'message'), exit.then(() => null)]);
    if (answer === null) throw new Error('the subscribers have ended');
    return answer[0] as unknown;
  };
  await message();
  return {
    async report() {
      child.send('report');
      return (await message()) as SubscribersReport;
    },
    async close() {
      child.disconnect();
      await exit;
    },
  };
}

/** When the events with these labels were committed, by the clock of this host, in milliseconds since 1970. */
export async function commitTimes({ db, projectId }: RealtimeNodes): Promise<Map<string, number>> {
  const rows = await db.$queryRaw<{ label: string; ms: number }[]>`
    SELECT payload ->> 'name' AS label, (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000)::float8 AS ms
    FROM event WHERE project_id = ${projectId}::uuid AND payload ->> 'name' LIKE 'bench-%'`;
  return new Map(rows.map(({ label, ms }) => [label, ms]));
}
