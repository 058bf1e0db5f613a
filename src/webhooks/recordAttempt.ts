import type { Actor } from '#domain/actor.ts';
import type { Bus } from '#events/bus.ts';
import { type Change, transact } from '#events/transact.ts';
import type { Webhook } from '#generated/prisma/client.ts';
import type { Clock } from '#lib/time/clock.ts';
import type { Database } from '#store/database.ts';
import { backOffMs } from './backOff.ts';
import type { Claim } from './claims.ts';
import type { DeliveryOptions } from './deliveryOptions.ts';
import { inEvents } from './inputs.ts';
import type { Message } from './message.ts';
import type { PostOutcome } from './post.ts';
import { failuresBeforeFailing, freshAttempts, isPaused, statusChange } from './webhookStatus.ts';

export type Attempt = {
  claim: Claim;
  /** The webhook as it was when the attempt began. */
  webhook: Webhook;
  message: Message;
  endSeq: bigint;
  startedAt: Date;
  durationMs: number;
  outcome: PostOutcome;
};

type RecordDeps = { db: Database; bus: Bus; clock: Clock; options: DeliveryOptions };

const gone = 410;

/**
 * Writes what came of an attempt: the delivery log, the cursor, the pause, the status. If the webhook was taken by another worker
 * meanwhile, nothing is written; if it was changed meanwhile, only the delivery log. True: the next message may follow at once.
 */
export async function recordAttempt(deps: RecordDeps, attempt: Attempt): Promise<boolean> {
  const { webhookId, leaseId } = attempt.claim;
  const actor: Actor = { kind: 'SYSTEM', projectId: attempt.webhook.projectId, name: 'webhooks' };
  return await transact(deps, actor, async ({ tx, record }) => {
    await tx.$queryRaw`SELECT id FROM webhook WHERE id = ${webhookId}::uuid FOR UPDATE`;
    const webhook = await tx.webhook.findFirst({ where: { id: webhookId, leaseId } });
    if (webhook === null) return false;
    const number = webhook.deliveryCount + 1;
    const unchanged = webhook.generation === attempt.webhook.generation;
    await tx.webhook.update({
      where: { id: webhookId },
      data: { deliveryCount: number, ...(unchanged ? progress(deps, webhook, attempt, record) : {}) },
      select: { id: true },
    });
    await tx.webhookDelivery.create({ data: logEntry(attempt, number), select: { id: true } });
    await tx.webhookDelivery.deleteMany({
      where: { webhookId, number: { lte: number - deps.options.keptDeliveries } },
    });
    return unchanged && attempt.outcome.kind === 'DELIVERED' && !isPaused(webhook);
  });
}

function progress(deps: RecordDeps, webhook: Webhook, attempt: Attempt, record: Change['record']) {
  switch (attempt.outcome.kind) {
    case 'DELIVERED':
      return delivered(deps, webhook, attempt, record);
    case 'FAILED':
      return failed(deps, webhook, { ...attempt, outcome: attempt.outcome }, record);
    case 'INTERRUPTED':
      return {};
  }
}

function delivered({ clock }: RecordDeps, webhook: Webhook, attempt: Attempt, record: Change['record']) {
  if (attempt.message.skipped) record({ type: 'WEBHOOK_EVENTS_SKIPPED', payload: inEvents(webhook) });
  const back = isPaused(webhook)
    ? {}
    : statusChange(webhook, { status: 'ACTIVE', reason: null, at: clock.now() }, record);
  return { cursorSeq: attempt.endSeq, ...freshAttempts, ...back };
}

type Failure = Attempt & { outcome: Extract<PostOutcome, { kind: 'FAILED' }> };

function failed({ clock, options }: RecordDeps, webhook: Webhook, attempt: Failure, record: Change['record']) {
  const at = clock.now();
  const failedAttempts = webhook.failedAttempts + 1;
  const failingSince = webhook.failingSince ?? attempt.startedAt;
  const columns = {
    failedAttempts,
    failingSince,
    nextAttemptAt: new Date(at.getTime() + backOffMs(failedAttempts, options)),
  };
  if (isPaused(webhook)) return columns;
  const { error, httpStatus } = attempt.outcome;
  if (httpStatus === gone) {
    const reason = 'The receiver answered 410 Gone. Resume with updateWebhook.';
    return { ...columns, ...statusChange(webhook, { status: 'PAUSED', reason, at }, record) };
  }
  if (at.getTime() - failingSince.getTime() >= options.giveUpAfterMs) {
    const reason = `Every attempt since ${failingSince.toISOString()} failed, the last one: ${error}. Resume with updateWebhook; nothing was skipped.`;
    return { ...columns, ...statusChange(webhook, { status: 'PAUSED', reason, at }, record) };
  }
  if (failedAttempts < failuresBeforeFailing) return columns;
  return { ...columns, ...statusChange(webhook, { status: 'FAILING', reason: error, at }, record) };
}

function logEntry({ webhook, message, endSeq, startedAt, durationMs, outcome }: Attempt, number: number) {
  const { httpStatus } = outcome;
  const refusal =
    outcome.kind === 'DELIVERED' ? { error: null, answer: null } : { error: outcome.error, answer: outcome.answer };
  return {
    webhookId: webhook.id,
    number,
    messageId: message.messageId,
    attempt: webhook.failedAttempts + 1,
    createdAt: startedAt,
    durationMs,
    events: message.events,
    lastSeq: endSeq,
    delivered: outcome.kind === 'DELIVERED',
    httpStatus,
    ...refusal,
  };
}
