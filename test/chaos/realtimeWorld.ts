import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pino } from 'pino';
import type { Actor } from '#domain/actor.ts';
import { createRedisBus } from '#events/redisBus.ts';
import { transact } from '#events/transact.ts';
import { type Closers, createClosers } from '#lib/flow/closers.ts';
import { freePort } from '#lib/host/freePort.ts';
import { processIsRunning } from '#lib/host/processes.ts';
import { systemClock } from '#lib/time/clock.ts';
import { createDatabase, type Database } from '#store/database.ts';
import { startTemporaryPostgres } from '../../tools/temporaryPostgres.ts';
import { createApiClient } from '../support/apiClient.ts';
import { cursorNow } from '../support/clusterCalls.ts';
import { createGroveHome, type GroveHome, type GroveProcess } from '../support/groveProcess.ts';
import { killAll } from '../support/processTree.ts';
import { RedisServer } from '../support/redisServer.ts';
import { RealtimeSubscriber, type Told } from './realtimeSubscriber.ts';

export type RealtimeWorld = {
  home: GroveHome;
  redis: RedisServer;
  subscribers: readonly RealtimeSubscriber[];
  /** What the nodes printed that ended though nobody had killed them. */
  ended(): string[];
  /** Ends one of the two api processes with SIGKILL and starts it again. */
  killNode(index: 0 | 1): Promise<void>;
  /** Ends Redis as a power cut does and starts it again after a while. */
  restartRedis(awayMs: number): Promise<void>;
  /** Ends PostgreSQL with SIGKILL; whoever watches over it starts it again. */
  restartPostgres(): Promise<void>;
  /** One transaction of the load. False: it failed, or its fate is unknown. */
  write(...labels: string[]): Promise<boolean>;
  /** The log since the subscribers' first cursor. */
  logged(): Promise<Pick<Told, 'cursor' | 'label'>[]>;
  close(): Promise<void>;
};

/** Two api processes over a real PostgreSQL and a real Redis, subscribers at both, and a hand that writes as a worker does. */
export async function createRealtimeWorld({ subscribers: count }: { subscribers: number }): Promise<RealtimeWorld> {
  const closers = createClosers((name, error) => console.error(name, error));
  try {
    return await build(count, closers);
  } catch (error) {
    await closers.closeAll();
    throw error;
  }
}

async function build(count: number, closers: Closers): Promise<RealtimeWorld> {
  const [postgres, redis, home] = await Promise.all([
    startTemporaryPostgres({ synchronous_commit: 'on' }),
    RedisServer.start(),
    createGroveHome(),
  ]);
  closers.add('PostgreSQL', () => postgres.stop());
  closers.add('Redis', () => redis.close());
  closers.add('the data directory', () => home.destroy());
  const environment = {
    DATABASE_URL: postgres.url,
    REDIS_URL: redis.url,
    GROVE_SECRET_KEY: randomBytes(32).toString('base64'),
    GROVE_LOG_LEVEL: 'warn',
  };
  const ports = [await freePort(), await freePort()] as const;
  const startNode = (index: 0 | 1) => home.start({ command: 'api', port: ports[index], environment });
  const nodes: [GroveProcess, GroveProcess] = await Promise.all([startNode(0), startNode(1)]);
  const urls = nodes.map(({ url }) => url);
  const key = (await readFile(join(home.directory, 'admin.key'), 'utf8')).trim();
  const client = createApiClient(nodes[0].url, key);
  const start = await cursorNow(client);

  const ended: string[] = [];
  const db = createDatabase(postgres.url, { poolSize: 4 });
  closers.add('the database', () => db.$disconnect());
  const bus = await createRedisBus({ url: redis.url, logger: pino({ level: 'silent' }) });
  closers.add('the bus', () => bus.close());
  const { id: projectId, eventSeq } = await db.project.findFirstOrThrow();
  const actor: Actor = { kind: 'SYSTEM', projectId, name: 'load' };
  const subscribers = Array.from({ length: count }, () => new RealtimeSubscriber({ urls, key, cursor: start }));
  closers.add('the subscribers', () => {
    for (const subscriber of subscribers) subscriber.stop();
  });
  return {
    home,
    redis,
    subscribers,
    ended: () => [...ended, ...nodes.filter((node) => !processIsRunning(node.pid)).map((node) => node.output())],
    async killNode(index) {
      if (!processIsRunning(nodes[index].pid)) ended.push(nodes[index].output());
      await nodes[index].kill();
      nodes[index] = await startAgain(() => startNode(index));
    },
    async restartRedis(awayMs) {
      await redis.kill();
      await pause(awayMs);
      await redis.start();
    },
    restartPostgres: () => restartPostgres(db),
    async write(...labels) {
      try {
        await transact({ db, bus, clock: systemClock }, actor, async ({ record }) => {
          for (const toStatus of labels) record({ type: 'CLUSTER_UPDATED', toStatus });
        });
        return true;
      } catch {
        return false;
      }
    },
    logged: () => loggedAfter(db, { projectId, seq: eventSeq, cursor: start }),
    close: () => closers.closeAll(),
  };
}

/** As a service manager does: a node that finds no PostgreSQL or no Redis at its start says so and ends. */
async function startAgain(start: () => Promise<GroveProcess>): Promise<GroveProcess> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start();
    } catch (error) {
      if (attempt === 20) throw error;
    }
  }
}

async function restartPostgres(db: Database): Promise<void> {
  const pidOf = async () => {
    const [row] = await db.$queryRaw<
      { pid: string }[]
    >`SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1) AS pid`;
    return Number(row?.pid);
  };
  const pid = await pidOf();
  await killAll([{ pid }]);
  // It is back when it answers under another number: nothing announces it.
  while ((await pidOf().catch(() => pid)) === pid) await pause(50);
}

async function loggedAfter(
  db: Database,
  { projectId, seq, cursor }: { projectId: string; seq: bigint; cursor: string },
): Promise<Pick<Told, 'cursor' | 'label'>[]> {
  const rows = await db.event.findMany({ where: { projectId, seq: { gt: seq } }, orderBy: { seq: 'asc' } });
  const bytes = Buffer.from(cursor, 'base64url');
  return rows.map((row) => {
    bytes.writeBigUInt64BE(row.seq, bytes.length - 8);
    return { cursor: bytes.toString('base64url'), label: row.toStatus };
  });
}
