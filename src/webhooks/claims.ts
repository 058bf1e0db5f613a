import { randomUUID } from 'node:crypto';
import type { Webhook } from '#generated/prisma/client.ts';
import type { Database } from '#store/database.ts';
import { isPaused } from './webhookStatus.ts';

/** A webhook that this process alone delivers to, as long as its lease holds. */
export type Claim = { webhookId: string; leaseId: string };

/** Takes webhooks that have something to look at: at most `limit`, those that waited longest first. */
export async function claimDue(
  db: Database,
  { limit, leaseMs, now }: { limit: number; leaseMs: number; now: Date },
): Promise<Claim[]> {
  const leaseId = randomUUID();
  const rows = await db.$queryRaw<{ id: string }[]>`
    UPDATE webhook SET lease_id = ${leaseId}::uuid, lease_expires_at = now() + ${leaseMs} * interval '1 millisecond'
    WHERE id IN (
      SELECT webhook.id FROM webhook JOIN project ON project.id = webhook.project_id
      WHERE status <> 'PAUSED' AND project.event_seq > cursor_seq
        AND (next_attempt_at IS NULL OR next_attempt_at <= ${now})
        AND (lease_expires_at IS NULL OR lease_expires_at < now())
      ORDER BY lease_released_at NULLS FIRST
      LIMIT ${limit}
      FOR UPDATE OF webhook SKIP LOCKED)
    RETURNING id`;
  return rows.map(({ id }) => ({ webhookId: id, leaseId }));
}

/** The webhook, if the claim on it holds and it is not paused. */
export async function claimed(db: Database, { webhookId, leaseId }: Claim): Promise<Webhook | null> {
  const webhook = await db.webhook.findFirst({ where: { id: webhookId, leaseId } });
  return webhook === null || isPaused(webhook) ? null : webhook;
}

/**
 * Before each request: notes how far the message goes, so that whoever sends it again sends the same, and renews the lease for
 * the time that the request may take. False: the webhook was taken by another, changed, paused or deleted. Nothing may be sent.
 */
export async function beginAttempt(
  db: Database,
  { webhookId, leaseId }: Claim,
  { endSeq, generation, leaseMs }: { endSeq: bigint; generation: number; leaseMs: number },
): Promise<boolean> {
  const updated = await db.$executeRaw`
    UPDATE webhook SET batch_end_seq = ${endSeq}, lease_expires_at = now() + ${leaseMs} * interval '1 millisecond'
    WHERE id = ${webhookId}::uuid AND lease_id = ${leaseId}::uuid AND generation = ${generation} AND status <> 'PAUSED'`;
  return updated > 0;
}

/** Moves the cursor over events that are not to be sent. */
export async function passOver(
  db: Database,
  { webhookId, leaseId }: Claim,
  { endSeq, generation }: { endSeq: bigint; generation: number },
): Promise<void> {
  await db.$executeRaw`
    UPDATE webhook SET cursor_seq = ${endSeq}, batch_end_seq = NULL
    WHERE id = ${webhookId}::uuid AND lease_id = ${leaseId}::uuid AND generation = ${generation}`;
}

export async function releaseClaim(db: Database, { webhookId, leaseId }: Claim): Promise<void> {
  await db.$executeRaw`
    UPDATE webhook SET lease_id = NULL, lease_expires_at = NULL, lease_released_at = now()
    WHERE id = ${webhookId}::uuid AND lease_id = ${leaseId}::uuid`;
}

/** Frees what dead processes held. Only for the one process of a store. */
export async function reclaimWebhooks(db: Database): Promise<void> {
  await db.$executeRaw`UPDATE webhook SET lease_id = NULL, lease_expires_at = NULL WHERE lease_id IS NOT NULL`;
}
