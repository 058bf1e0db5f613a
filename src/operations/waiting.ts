import type { Operation } from '#generated/prisma/client.ts';
import type { OperationDeps } from './deps.ts';

/** The record is written at most this often, in milliseconds. */
const writeEveryMs = 200;

/** What the steps of a run wait for, in words. Not an event: it changes often and means nothing once a step has ended. */
export type Waiting = {
  /** Null: the step waits for nothing any more. */
  note(stepKey: string, what: string | null): void;
  /** Null: no step waits. */
  inWords(): string | null;
};

/** Keeps the operation's record up to date while it runs: what passes between two writes is never written. */
export function createWaiting(
  { db, logger }: Pick<OperationDeps, 'db' | 'logger'>,
  { id, attempt, waitingFor }: Operation,
): Waiting {
  const steps = new Map<string, string>();
  let written = waitingFor;
  let scheduled = false;
  const inWords = () => [...new Set(steps.values())].join('; ') || null;

  async function write(): Promise<void> {
    const words = inWords();
    if (words !== written) {
      await db.operation.updateMany({ where: { id, attempt, finishedAt: null }, data: { waitingFor: words } });
    }
    written = words;
    scheduled = false;
    if (inWords() !== written) schedule();
  }

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    setTimeout(() => {
      write().catch((error: unknown) => {
        scheduled = false;
        logger.debug({ err: error }, 'what an operation waits for could not be noted');
      });
    }, writeEveryMs).unref();
  }

  return {
    note(stepKey, what) {
      if (what === null) steps.delete(stepKey);
      else steps.set(stepKey, what);
      schedule();
    },
    inWords,
  };
}
