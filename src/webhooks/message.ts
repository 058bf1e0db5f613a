import { createHash } from 'node:crypto';
import { type Epoch, encodeCursor } from '#events/cursor.ts';
import type { LoggedEvent } from '#events/event.ts';
import type { EventLog } from '#events/eventLog.ts';
import type { Webhook } from '#generated/prisma/client.ts';
import type { JsonObject } from '#lib/values/json.ts';
import type { Database } from '#store/database.ts';
import type { DeliveryOptions } from './deliveryOptions.ts';
import { type WebhookFilter, webhookCondition } from './filter.ts';

/** The shape of an event outside: with opaque ids, as the API has it. */
export type DescribeEvent = (event: LoggedEvent, cursor: string) => JsonObject;

/** What one request carries. The same for each attempt. */
export type Message = { messageId: string; body: string; events: number; skipped: boolean };

/** What comes behind a webhook's cursor. Without a message, there is nothing to send up to `endSeq`. */
export type Batch = { endSeq: bigint; message: Message | null };

export type MessageDeps = { db: Database; log: EventLog; describe: DescribeEvent; options: DeliveryOptions };

/** Reads the next message of a webhook, or the one that was begun. */
export async function nextBatch({ db, log, describe, options }: MessageDeps, webhook: Webhook): Promise<Batch> {
  const { projectId, cursorSeq } = webhook;
  // The end of the log first: every event up to it is committed, so none can appear behind it later.
  const { epoch, seqs } = await log.heads([projectId]);
  const limit = webhook.batchEndSeq ?? seqs.get(projectId) ?? cursorSeq;
  const rows = await db.event.findMany({
    where: {
      ...webhookCondition(webhook.filter as WebhookFilter),
      projectId,
      seq: { gt: cursorSeq, lte: limit },
    },
    orderBy: { seq: 'asc' },
    take: options.eventsPerMessage,
  });
  // Asked after the events were read: what the retention takes in between is told as missing, never passed over in silence.
  const oldestSeq = await log.beforeOldest(projectId);
  const described = rows.map((row) => {
    const event = row as unknown as LoggedEvent;
    return { seq: event.seq, at: event.at, json: JSON.stringify(describe(event, encodeCursor(epoch, event.seq))) };
  });
  const sent = described.slice(0, countWithin(described, options.bytesPerMessage));
  const whole = sent.length === rows.length && rows.length < options.eventsPerMessage;
  const endSeq = whole ? limit : (sent.at(-1)?.seq ?? limit);
  const gap = oldestSeq > cursorSeq ? oldestSeq : null;
  if (sent.length === 0 && gap === null) return { endSeq, message: null };
  return { endSeq, message: compose(webhook, { epoch, endSeq, gap, sent }) };
}

type Described = { seq: bigint; at: Date; json: string };

function countWithin(described: readonly Described[], bytes: number): number {
  let total = 0;
  const tooMany = described.findIndex(({ json }, index) => {
    total += json.length;
    return index > 0 && total > bytes;
  });
  return tooMany < 0 ? described.length : tooMany;
}

type Contents = { epoch: Epoch; endSeq: bigint; gap: bigint | null; sent: readonly Described[] };

function compose(webhook: Webhook, { epoch, endSeq, gap, sent }: Contents): Message {
  const skipped = gap === null ? null : { reason: 'OUT_OF_RETENTION', oldestCursor: encodeCursor(epoch, gap) };
  const head = JSON.stringify({
    cursor: encodeCursor(epoch, endSeq),
    ...(skipped && { skipped }),
  });
  const timestamp = (sent.at(-1)?.at ?? new Date()).toISOString();
  const events = sent.map(({ json }) => json).join(',');
  const identity = [webhook.id, webhook.generation, epoch.toString('hex'), webhook.cursorSeq, endSeq, gap].join(':');
  return {
    messageId: `msg_${createHash('sha256').update(identity).digest('base64url').slice(0, 24)}`,
    body: `{"type":"grove.events","timestamp":"${timestamp}","data":${head.slice(0, -1)},"events":[${events}]}}`,
    events: sent.length,
    skipped: gap !== null,
  };
}
