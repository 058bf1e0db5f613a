import type { Actor } from '#domain/actor.ts';
import { Prisma } from '#generated/prisma/client.ts';
import type { Clock } from '#lib/time/clock.ts';
import type { Database, Transaction } from '#store/database.ts';
import type { Bus } from './bus.ts';
import type { NewEvent } from './event.ts';

export type Change = {
  tx: Transaction;
  /** Adds an event to the transaction. Written last, so that sequence order is commit order. */
  record(event: NewEvent): void;
  /** Runs after the commit, never if it fails. For wake-ups only: it may be lost with the process. */
  afterCommit(action: () => void): void;
};

type TransactDeps = { db: Database; bus: Bus; clock: Clock };

/** Prisma's code for a transaction that the database ended in favour of another (deadlock, serialisation). */
const lostToAnother = 'P2034';
const attempts = 3;

/**
 * The one way to change what people can see: the change and its events in one transaction, then a wake-up.
 * The events' sequence numbers come from updating the project's counter as the transaction's last statement; that row's lock is
 * held until the commit, so commit order is sequence order and a hole cannot exist. `change` may be run again where the database
 * had to choose between two transactions: it may do nothing but read and write through `tx`.
 */
export async function transact<T>(
  deps: TransactDeps,
  actor: Actor,
  change: (context: Change) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await transactOnce(deps, actor, change);
    } catch (error) {
      if (attempt === attempts || !isLostToAnother(error)) throw error;
    }
  }
}

/** Carries what was found out of a transaction that must not be committed. */
class Rehearsed<T> extends Error {
  readonly value: T;
  constructor(value: T) {
    super('Taken back, as it was to be');
    this.value = value;
  }
}

/** As `transact`, as far as to the commit: then everything is taken back, and nobody hears of it. */
export async function rehearse<T>(
  deps: TransactDeps,
  actor: Actor,
  change: (context: Change) => Promise<T>,
): Promise<T> {
  try {
    return await transact<never>(deps, actor, async (context) => {
      throw new Rehearsed(await change(context));
    });
  } catch (error) {
    if (error instanceof Rehearsed) return error.value as T;
    throw error;
  }
}

/** Statements of our own fail under one code for all, with PostgreSQL's beside it. */
function isLostToAnother(error: unknown): boolean {
  if (!(error instanceof Prisma.PrismaClientKnownRequestError)) return false;
  return (
    error.code === lostToAnother || /\b40(?:P01|001)\b/.test(`${error.message} ${JSON.stringify(error.meta ?? {})}`)
  );
}

async function transactOnce<T>(
  { db, bus, clock }: TransactDeps,
  actor: Actor,
  change: (context: Change) => Promise<T>,
): Promise<T> {
  const after: (() => void)[] = [];
  const result = await db.$transaction(
    async (tx) => {
      const events: NewEvent[] = [];
      const value = await change({
        tx,
        record: (event) => void events.push(event),
        afterCommit: (action) => void after.push(action),
      });
      if (events.length > 0) {
        await append(tx, actor, events, clock.now());
        after.push(() => bus.publish(`events:${actor.projectId}`));
      }
      return value;
    },
    { maxWait: 15_000, timeout: 30_000 },
  );
  for (const action of after) action();
  return result;
}

async function append(tx: Transaction, actor: Actor, events: NewEvent[], at: Date): Promise<void> {
  const rows = events.map((event, index) => ({
    offset: index + 1,
    type: event.type,
    cluster_id: event.clusterId ?? null,
    instance_id: event.instanceId ?? null,
    operation_id: event.operationId ?? null,
    from_status: event.fromStatus ?? null,
    to_status: event.toStatus ?? null,
    payload: event.payload ?? {},
  }));
  const written = await tx.$executeRaw(Prisma.sql`
    WITH counter AS (
      UPDATE project SET event_seq = event_seq + ${rows.length} WHERE id = ${actor.projectId}::uuid
      RETURNING id, event_seq - ${rows.length} AS base
    )
    INSERT INTO event (project_id, seq, type, cluster_id, instance_id, operation_id, from_status, to_status, payload, actor, at)
    SELECT counter.id, counter.base + e."offset", e.type::"EventType", e.cluster_id, e.instance_id, e.operation_id,
           e.from_status, e.to_status, e.payload, ${JSON.stringify(actor)}::jsonb, ${at}
    FROM counter, jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) AS e(
      "offset" int, type text, cluster_id uuid, instance_id uuid, operation_id uuid, from_status text, to_status text, payload jsonb)`);
  if (written !== rows.length) throw new Error(`Project ${actor.projectId} has no row to count its events.`);
}
