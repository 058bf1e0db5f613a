import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Actor } from '#domain/actor.ts';
import type { Bus } from '#events/bus.ts';
import type { Feed } from '#events/feed.ts';
import type { FeedMessage } from '#events/subscription.ts';
import { transact } from '#events/transact.ts';
import { systemClock } from '#lib/time/clock.ts';
import type { Database } from '#store/database.ts';

/** A project and a hand that writes to its log as the product does. */
export async function createProjectLog(db: Database, bus: Bus, name = 'demo') {
  const { id: projectId } = await db.project.create({ data: { name } });
  const actor: Actor = { kind: 'SYSTEM', projectId, name: 'test' };
  return {
    projectId,
    actor,
    /** Commits one transaction with an event a label. */
    write: (...labels: string[]) =>
      transact({ db, bus, clock: systemClock }, actor, async ({ record }) => {
        for (const label of labels) record({ type: 'CLUSTER_UPDATED', toStatus: label });
      }),
    /** What is in the table, in order. */
    async labels(): Promise<(string | null)[]> {
      const rows = await db.event.findMany({ where: { projectId }, orderBy: { seq: 'asc' } });
      return rows.map(({ toStatus }) => toStatus);
    },
  };
}

/** A subscription that is read by hand. */
export class Reading {
  readonly #messages: AsyncIterator<FeedMessage>;
  cursor: string | null = null;

  constructor(feed: Feed, subscription: Parameters<Feed['subscribe']>[0]) {
    this.#messages = feed.subscribe(subscription)[Symbol.asyncIterator]();
  }

  /** The next message; fails if there is none within the time. Null: the stream has ended. */
  async next(withinMs = 5_000): Promise<FeedMessage | null> {
    const late = delay(withinMs, 'late' as const, { ref: false });
    const result = await Promise.race([this.#messages.next(), late]);
    if (result === 'late') return expect.fail(`no message within ${withinMs} ms`);
    if (result.done) return null;
    this.cursor = result.value.kind === 'gap' ? this.cursor : result.value.cursor;
    return result.value;
  }

  /** The labels of the next events, as many as asked for, however they are batched. */
  async labels(count: number): Promise<(string | null)[]> {
    const labels: (string | null)[] = [];
    while (labels.length < count) {
      const message = await this.next();
      if (message?.kind === 'heartbeat') continue;
      if (message?.kind !== 'batch') return expect.fail(`${message?.kind ?? 'the end'} after ${labels.length} events`);
      labels.push(...message.events.map(({ toStatus }) => toStatus));
    }
    return labels;
  }

  async end(): Promise<void> {
    await this.#messages.return?.();
  }
}
