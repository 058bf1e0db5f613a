import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';

/** Where in a step Grove is killed. */
export const stepMoments = ['START', 'MIDDLE', 'COMMAND', 'END'] as const;
/** Where in the end of an operation that ends badly. */
export const endingMoments = ['ENDING', 'TAKING_BACK', 'ENDED'] as const;
export const moments = [...stepMoments, ...endingMoments] as const;
/**
 * START: as it starts, before its beginning is recorded. MIDDLE: half-way through its machine work. COMMAND: as an agent tells the
 * end of a command of it, before that is recorded. END: its machine work is done, and not yet recorded.
 * ENDING: as it is recorded how the operation ends. TAKING_BACK: something of what it made is gone, and that is not yet recorded.
 * ENDED: everything is taken back, and the end not yet recorded.
 */
export type Moment = (typeof moments)[number];
export type EndingMoment = (typeof endingMoments)[number];

export const isEndingMoment = (moment: Moment): moment is EndingMoment =>
  (endingMoments as readonly Moment[]).includes(moment);

export type KillPoint = {
  /** Kind of the operation. */
  kind: string;
  /** Name of the step. Of no meaning for the moments of an end. */
  step: string;
  moment: Moment;
  /** MIDDLE: how long after the record of its beginning, in milliseconds. */
  afterMs: number | null;
  /** COMMAND: the kind of the command. */
  command: string | null;
};

/** A place where the store holds Grove up, or tells that it came by. */
export type Armed = {
  /** Returns when Grove is there. False: the operation ended without coming there. */
  reached(operationId: string): Promise<boolean>;
  /** Whoever was held up is dead: the transaction is lost with it. */
  disarm(): Promise<void>;
  /** Takes the trap away: who is held up goes on. */
  release(): Promise<void>;
};

const lockKey = 3_141_592_653;
const channel = 'chaos';
const pollMs = 3;

/** SQL for the name of a step without the random name that a verification gives its cluster. */
export const steadyName = (column: string): string =>
  `regexp_replace(${column}, 'verify-[0-9a-f]{16}', 'verify-<random>')`;

/**
 * Triggers in Grove's own store, so that the product needs no door for its test: each waits for a lock that the test holds, inside
 * the transaction that would have recorded what happened.
 */
const triggers = `
  CREATE SCHEMA IF NOT EXISTS chaos;
  CREATE TABLE IF NOT EXISTS chaos.target (kind text, step text, moment text, command text);

  CREATE OR REPLACE FUNCTION chaos.wanted(operation uuid, step text) RETURNS chaos.target LANGUAGE sql AS $$
    SELECT t FROM chaos.target t JOIN public.operation o ON o.kind::text = t.kind
    WHERE o.id = $1 AND t.step = ${steadyName('$2')}
  $$;

  CREATE OR REPLACE FUNCTION chaos.on_step() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE wanted chaos.target := chaos.wanted(NEW.operation_id, NEW.name);
  BEGIN
    IF NEW.status = 'RUNNING' AND NEW.attempt > OLD.attempt AND wanted.moment = 'MIDDLE' THEN
      PERFORM pg_notify('${channel}', NEW.name);
    ELSIF (NEW.status = 'RUNNING' AND NEW.attempt > OLD.attempt AND wanted.moment = 'START')
       OR (NEW.status = 'SUCCEEDED' AND OLD.status = 'RUNNING' AND wanted.moment = 'END') THEN
      PERFORM pg_advisory_xact_lock_shared(${lockKey});
    END IF;
    RETURN NEW;
  END $$;
  CREATE OR REPLACE TRIGGER chaos BEFORE UPDATE ON public.operation_step FOR EACH ROW EXECUTE FUNCTION chaos.on_step();

  CREATE OR REPLACE FUNCTION chaos.on_command() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE
    step text := (SELECT name FROM public.operation_step
                  WHERE operation_id = NEW.operation_id AND key = split_part(NEW.step_key, '#', 1));
    wanted chaos.target := chaos.wanted(NEW.operation_id, step);
  BEGIN
    IF OLD.status = 'PENDING' AND NEW.status <> 'PENDING' AND wanted.moment = 'COMMAND' AND wanted.command = NEW.kind THEN
      PERFORM pg_advisory_xact_lock_shared(${lockKey});
    END IF;
    RETURN NEW;
  END $$;
  CREATE OR REPLACE TRIGGER chaos BEFORE UPDATE ON public.agent_command FOR EACH ROW EXECUTE FUNCTION chaos.on_command();

  CREATE OR REPLACE FUNCTION chaos.hold(kind text, moment text) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    IF EXISTS (SELECT FROM chaos.target t WHERE t.kind = $1 AND t.moment = $2) THEN
      PERFORM pg_advisory_xact_lock_shared(${lockKey});
    END IF;
  END $$;

  CREATE OR REPLACE FUNCTION chaos.on_operation() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF OLD.ending IS NULL AND NEW.ending IS NOT NULL THEN PERFORM chaos.hold(NEW.kind::text, 'ENDING'); END IF;
    IF OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL THEN PERFORM chaos.hold(NEW.kind::text, 'ENDED'); END IF;
    RETURN NEW;
  END $$;
  CREATE OR REPLACE TRIGGER chaos BEFORE UPDATE ON public.operation FOR EACH ROW EXECUTE FUNCTION chaos.on_operation();

  CREATE OR REPLACE FUNCTION chaos.on_taken_back() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM chaos.hold(o.kind::text, 'TAKING_BACK') FROM public.operation o
      WHERE o.ending IS NOT NULL AND o.finished_at IS NULL;
    RETURN NEW;
  END $$;
  CREATE OR REPLACE TRIGGER chaos BEFORE UPDATE ON public.instance FOR EACH ROW
    WHEN (NEW.activity = 'REMOVED' AND OLD.activity <> 'REMOVED') EXECUTE FUNCTION chaos.on_taken_back();
  CREATE OR REPLACE TRIGGER chaos BEFORE UPDATE ON public.instance_backup FOR EACH ROW
    WHEN (NEW.status = 'FAILED' AND OLD.status <> 'FAILED') EXECUTE FUNCTION chaos.on_taken_back();
`;

/** Sets the trap. The store is a session with Grove's store that nobody else uses. */
export async function arm(store: pg.Client, point: KillPoint): Promise<Armed> {
  await store.query(triggers);
  await store.query('SELECT pg_advisory_lock($1)', [lockKey]);
  await store.query(`LISTEN ${channel}`);
  const begun = new Promise<void>((resolve) => store.once('notification', () => resolve()));
  const { kind, step, moment, command } = point;
  await store.query('INSERT INTO chaos.target VALUES ($1, $2, $3, $4)', [kind, step, moment, command]);
  return {
    reached: (operationId) =>
      moment === 'MIDDLE'
        ? middleReached(store, operationId, begun, point.afterMs ?? 0)
        : holdReached(store, operationId),
    async disarm() {
      await store.query('DELETE FROM chaos.target');
      for (const pid of await heldUp(store)) await store.query('SELECT pg_terminate_backend($1, 5000)', [pid]);
      await release(store);
    },
    release: () => release(store),
  };
}

async function release(store: pg.Client): Promise<void> {
  await clear(store);
  await store.query('SELECT pg_advisory_unlock_all()');
  await store.query('UNLISTEN *');
  store.removeAllListeners('notification');
}

/** Nobody is held up from now on. The lock itself ends with the session that holds it. */
export async function clear(store: pg.Client): Promise<void> {
  await store.query('DELETE FROM chaos.target');
}

async function middleReached(
  store: pg.Client,
  operationId: string,
  begun: Promise<void>,
  afterMs: number,
): Promise<boolean> {
  const ended = new AbortController();
  const missed = untilEnded(store, operationId, ended.signal);
  const met = begun.then(async () => {
    ended.abort();
    await pause(afterMs);
    return true;
  });
  return await Promise.race([met, missed]);
}

async function untilEnded(store: pg.Client, operationId: string, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted && !(await isEnded(store, operationId))) await pause(100);
  // Once it has begun the other side of the race decides.
  return signal.aborted ? await new Promise<boolean>(() => {}) : false;
}

async function holdReached(store: pg.Client, operationId: string): Promise<boolean> {
  for (;;) {
    if ((await heldUp(store)).length > 0) return true;
    if (await isEnded(store, operationId)) return false;
    // Nothing announces that a session waits for a lock.
    await pause(pollMs);
  }
}

/** The sessions that wait for the test's lock. */
async function heldUp(store: pg.Client): Promise<number[]> {
  const { rows } = await store.query<{ pid: number }>(
    `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND mode = 'ShareLock'
       AND ((classid::bigint << 32) | objid::bigint) = $1`,
    [lockKey],
  );
  return rows.map(({ pid }) => pid);
}

async function isEnded(store: pg.Client, operationId: string): Promise<boolean> {
  const { rowCount } = await store.query('SELECT FROM operation WHERE id = $1 AND finished_at IS NOT NULL', [
    operationId,
  ]);
  return rowCount !== 0;
}
