import { createHash } from 'node:crypto';
import type { Actor } from '#domain/actor.ts';
import type { Event } from '#generated/prisma/client.ts';
import { Prisma } from '#generated/prisma/client.ts';
import type { JsonObject } from '#lib/values/json.ts';
import type { Database } from '#store/database.ts';
import { EPOCH_BYTES, type Epoch } from './cursor.ts';
import type { LoggedEvent } from './event.ts';

/** What the feed needs of the store: it only reads. */
export type EventLogDatabase = Pick<Database, 'event' | 'project' | '$queryRaw'>;

/** The last sequence number of each project asked for, and which history of the store they belong to. */
export type Heads = { epoch: Epoch; seqs: Map<string, bigint> };

/** Reads the projects' logs from Postgres. */
export interface EventLog {
  /** The events after `seq`, oldest first, at most `limit`. */
  after(projectId: string, seq: bigint, limit: number): Promise<LoggedEvent[]>;
  /** As `after`, and yields to it: a crowd that catches up never takes all of the store's connections. */
  replayAfter(projectId: string, seq: bigint, limit: number): Promise<LoggedEvent[]>;
  /** The newest events, oldest first, at most `limit`. */
  newest(projectId: string, limit: number): Promise<LoggedEvent[]>;
  /** The sequence number before the oldest event that is kept. */
  beforeOldest(projectId: string): Promise<bigint>;
  heads(projectIds: string[]): Promise<Heads>;
}

const REPLAYS_AT_ONCE = 2;

export async function createEventLog(db: EventLogDatabase): Promise<EventLog> {
  const identity = await readableIdentity(db);
  const replaySlot = createSlots(REPLAYS_AT_ONCE);
  const after: EventLog['after'] = async (projectId, seq, take) =>
    (await db.event.findMany({ where: { projectId, seq: { gt: seq } }, orderBy: { seq: 'asc' }, take })).map(toLogged);
  return {
    after,
    replayAfter: (projectId, seq, limit) => replaySlot(() => after(projectId, seq, limit)),
    newest: async (projectId, take) =>
      (await db.event.findMany({ where: { projectId }, orderBy: { seq: 'desc' }, take })).map(toLogged).reverse(),
    async beforeOldest(projectId) {
      // One statement: between two, the log's first event could come.
      const [row] = await db.$queryRaw<{ seq: bigint | null }[]>(Prisma.sql`
        SELECT coalesce((SELECT min(seq) - 1 FROM event WHERE project_id = p.id), p.event_seq) AS seq
        FROM project p WHERE p.id = ${projectId}::uuid`);
      return row?.seq ?? 0n;
    },
    async heads(projectIds) {
      // One statement, so that the numbers belong to the epoch.
      const [row] = await db.$queryRaw<{ identity: string; seqs: Record<string, string> | null }[]>(Prisma.sql`
        SELECT ${identity} AS identity,
          (SELECT json_object_agg(id, event_seq::text) FROM project WHERE id = ANY(${projectIds}::uuid[])) AS seqs`);
      const seqs = Object.entries(row?.seqs ?? {}).map(([id, seq]) => [id, BigInt(seq)] as const);
      return { epoch: epochOf(row?.identity ?? ''), seqs: new Map(seqs) };
    },
  };
}

function epochOf(identity: string): Epoch {
  return createHash('sha256').update(identity).digest().subarray(0, EPOCH_BYTES);
}

/**
 * What tells one history of the store from another. The timeline changes when the store is restored to a point in time and also
 * when a standby is promoted: the standby may have missed the last commits, so that numbers were given twice. A gap is said in both.
 * PG_VERSION is written when the server's directory is made, and its change time is not among what a copy of files takes along:
 * a directory that was put back from one has another. It also differs where files were moved to another disk, which costs a gap.
 */
const identityParts = {
  store: Prisma.sql`(SELECT id::text FROM store_identity)`,
  database: Prisma.sql`(SELECT oid::text FROM pg_database WHERE datname = current_database())`,
  logTable: Prisma.sql`to_regclass('event')::oid::text`,
  server: Prisma.sql`(SELECT system_identifier::text FROM pg_control_system())`,
  files: Prisma.sql`(SELECT extract(epoch FROM change)::text FROM pg_stat_file('PG_VERSION'))`,
  timeline: Prisma.sql`CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END`,
};

/** The parts that this role on this server may read, as one expression. Some hosted servers forbid the last ones. */
async function readableIdentity(db: EventLogDatabase): Promise<Prisma.Sql> {
  const { store, database, logTable, ...optional } = identityParts;
  const parts = [store, database, logTable];
  for (const part of Object.values(optional)) {
    if (await mayBeRead(db, part)) parts.push(part);
  }
  return Prisma.sql`concat_ws(':', ${Prisma.join(parts)})`;
}

/** insufficient_privilege, undefined_function, feature_not_supported */
const unreadable = new Set(['42501', '42883', '0A000']);

async function mayBeRead(db: EventLogDatabase, part: Prisma.Sql): Promise<boolean> {
  try {
    await db.$queryRaw(Prisma.sql`SELECT ${part}`);
    return true;
  } catch (error) {
    if (unreadable.has(sqlState(error) ?? '')) return false;
    throw error;
  }
}

function sqlState(error: unknown): string | null {
  if (!(error instanceof Prisma.PrismaClientKnownRequestError)) return null;
  const { driverAdapterError } = error.meta as { driverAdapterError?: { cause?: { originalCode?: string } } };
  return driverAdapterError?.cause?.originalCode ?? null;
}

function toLogged(row: Event): LoggedEvent {
  return { ...row, payload: row.payload as JsonObject, actor: row.actor as Actor };
}

/** Lets a fixed number of jobs run at once; the others wait their turn in order. */
function createSlots(count: number): <T>(job: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let free = count;
  return async (job) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((taken) => waiting.push(taken));
    try {
      return await job();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    }
  };
}
