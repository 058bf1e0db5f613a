import type { Webhook } from '#generated/prisma/client.ts';
import type { ReadDatabase } from '#store/database.ts';
import { type WebhookFilter, webhookCondition } from './filter.ts';

/** What a webhook has yet to send. */
export type WebhookLag = {
  /** At most `countedEvents`. */
  events: number;
  /** When the oldest of them happened. Null: there is none. */
  since: Date | null;
};

export const countedEvents = 10_000;

export async function webhookLag(
  db: Pick<ReadDatabase, 'event'>,
  { projectId, cursorSeq, filter }: Pick<Webhook, 'projectId' | 'cursorSeq' | 'filter'>,
): Promise<WebhookLag> {
  const where = { ...webhookCondition(filter as WebhookFilter), projectId, seq: { gt: cursorSeq } };
  const [events, oldest] = await Promise.all([
    db.event.count({ where, take: countedEvents }),
    db.event.findFirst({ where, orderBy: { seq: 'asc' }, select: { at: true } }),
  ]);
  return { events, since: oldest?.at ?? null };
}
