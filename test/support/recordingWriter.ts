import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

/** A server that may be the primary, now or later. */
export type WriterTarget = { host: string; port: number };

export type WriterReport = {
  /** Numbers whose commit the server acknowledged, in order. */
  acknowledged: number[];
  /** The longest time between two acknowledged writes, in milliseconds. */
  longestGapMs: number;
};

export type RecordingWriter = {
  /** How many writes were acknowledged so far. */
  count(): number;
  /** Adds servers that the writer may go on with. */
  knows(targets: readonly WriterTarget[]): void;
  /** The longest gap so far begins anew. */
  resetGap(): void;
  /** The longest time between two acknowledged writes since then, in milliseconds. */
  longestGapMs(): number;
  stop(): Promise<WriterReport>;
};

export type RecordingWriterOptions = {
  user: string;
  password: string;
  database: string;
  targets: readonly WriterTarget[];
  /** Pause between two writes, in milliseconds. */
  everyMs?: number;
};

const attemptMs = 1000;
const table = 'recorded_write';

/**
 * A client as libpq with several hosts and `target_session_attrs=read-write` is one: it writes numbers, one a transaction, remembers
 * those that were acknowledged, and when its session is lost goes on at once with whichever server takes writes. A number
 * whose fate is unknown is never written again.
 */
export async function startRecordingWriter({
  everyMs = 5,
  ...options
}: RecordingWriterOptions): Promise<RecordingWriter> {
  const targets = [...options.targets];
  const acknowledged: number[] = [];
  let next = 1;
  let going = true;
  let lastAt = performance.now();
  let longestGapMs = 0;
  let session: pg.Client | null = await firstWritable(targets, options);
  if (session === null) throw new Error('No server takes writes.');
  await session.query(`CREATE TABLE IF NOT EXISTS ${table} (number bigint PRIMARY KEY)`);
  const { rows } = await session.query<{ next: string }>(`SELECT coalesce(max(number), 0) + 1 AS next FROM ${table}`);
  next = Number(rows[0]?.next);
  lastAt = performance.now();

  async function write(): Promise<void> {
    session ??= await firstWritable(targets, options);
    if (session === null) return;
    const number = next++;
    try {
      await session.query({ text: `INSERT INTO ${table} VALUES ($1)`, values: [number], name: 'write' });
    } catch {
      void session.end().catch(() => {});
      session = null;
      return;
    }
    acknowledged.push(number);
    const now = performance.now();
    longestGapMs = Math.max(longestGapMs, now - lastAt);
    lastAt = now;
  }

  const done = (async () => {
    while (going) {
      await write();
      await delay(session === null ? 1 : everyMs);
    }
  })();

  return {
    count: () => acknowledged.length,
    knows: (more) => {
      for (const target of more) {
        if (!targets.some(({ host, port }) => host === target.host && port === target.port)) targets.push(target);
      }
    },
    resetGap: () => {
      longestGapMs = 0;
      lastAt = performance.now();
    },
    longestGapMs: () => Math.max(longestGapMs, performance.now() - lastAt),
    async stop() {
      going = false;
      await done;
      void session?.end().catch(() => {});
      return { acknowledged, longestGapMs: Math.max(longestGapMs, performance.now() - lastAt) };
    },
  };
}

/** The numbers among these that the server does not have. */
export async function lostWrites(
  server: WriterTarget,
  login: Pick<RecordingWriterOptions, 'user' | 'password' | 'database'>,
  acknowledged: readonly number[],
): Promise<number[]> {
  const client = new pg.Client({ ...login, ...server });
  await client.connect();
  try {
    const { rows } = await client.query<{ number: string }>(`SELECT number FROM ${table}`);
    const there = new Set(rows.map(({ number }) => Number(number)));
    return acknowledged.filter((number) => !there.has(number));
  } finally {
    await client.end();
  }
}

/** A session with the first of the servers, asked all at once, that takes writes. Null: none does now. */
async function firstWritable(
  targets: readonly WriterTarget[],
  login: Pick<RecordingWriterOptions, 'user' | 'password' | 'database'>,
): Promise<pg.Client | null> {
  const { promise: found, resolve } = Promise.withResolvers<pg.Client | null>();
  const attempts = targets.map(async (target) => {
    const client = await openWritable(target, login);
    if (client !== null) resolve(client);
    return client;
  });
  void Promise.all(attempts).then(() => resolve(null));
  const chosen = await found;
  for (const attempt of attempts) {
    void attempt.then((client) => (client === chosen ? null : client?.end().catch(() => {})));
  }
  return chosen;
}

async function openWritable(
  target: WriterTarget,
  login: Pick<RecordingWriterOptions, 'user' | 'password' | 'database'>,
): Promise<pg.Client | null> {
  const client = new pg.Client({
    ...login,
    ...target,
    connectionTimeoutMillis: attemptMs,
    query_timeout: attemptMs,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query<{ writable: boolean }>(
      "SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off' AS writable",
    );
    if (rows[0]?.writable) return client;
  } catch {
    // It is not there, or not ready.
  }
  void client.end().catch(() => {});
  return null;
}
