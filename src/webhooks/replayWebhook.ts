import { z } from 'zod';
import type { Actor } from '#domain/actor.ts';
import { InvalidInputError } from '#domain/errors.ts';
import { parseInput } from '#domain/parseInput.ts';
import { requirePermission } from '#domain/requirePermission.ts';
import type { DecodedCursor } from '#events/cursor.ts';
import { transact } from '#events/transact.ts';
import type { Transaction } from '#store/database.ts';
import { inEvents, lockWebhook, webhookIdSchema } from './inputs.ts';
import type { WebhookDeps } from './webhookDeps.ts';
import { freshAttempts } from './webhookStatus.ts';

const inputSchema = z.strictObject({
  webhookId: webhookIdSchema,
  after: z
    .string()
    .nullish()
    .transform((cursor) => cursor ?? null),
});

type ReplayDeps = WebhookDeps & {
  /** Throws InvalidInputError if it is not a cursor. */
  decodeCursor: (cursor: string) => DecodedCursor;
};

/** Sets a webhook back (or on) to a cursor: what is behind that is sent, again where it was sent before. */
export async function replayWebhook(deps: ReplayDeps, actor: Actor, rawInput: unknown): Promise<{ webhookId: string }> {
  requirePermission(actor, 'replayWebhook', 'webhooks:manage');
  const { webhookId, after } = parseInput(inputSchema, rawInput);
  await transact(deps, actor, async ({ tx, record }) => {
    const webhook = await lockWebhook(tx, actor.projectId, webhookId);
    const cursorSeq = await targetSeq(tx, deps, { projectId: actor.projectId, after });
    await tx.webhook.update({
      where: { id: webhookId },
      data: { cursorSeq, generation: { increment: 1 }, ...freshAttempts, updatedAt: deps.clock.now() },
      select: { id: true },
    });
    record({ type: 'WEBHOOK_REPLAYED', payload: { ...inEvents(webhook), after } });
  });
  return { webhookId };
}

async function targetSeq(
  tx: Transaction,
  { decodeCursor }: ReplayDeps,
  { projectId, after }: { projectId: string; after: string | null },
): Promise<bigint> {
  const [oldest, project] = await Promise.all([
    tx.event.findFirst({ where: { projectId }, orderBy: { seq: 'asc' }, select: { seq: true } }),
    tx.project.findUniqueOrThrow({ where: { id: projectId }, select: { eventSeq: true } }),
  ]);
  if (after === null) return oldest === null ? project.eventSeq : oldest.seq - 1n;
  const decoded = decodeCursor(after);
  if (!decoded.ok) refuse('is of another history of this store. Take a cursor that was given since, or leave it out.');
  if (decoded.seq > project.eventSeq) refuse("lies beyond the end of the project's log.");
  return decoded.seq;
}

function refuse(message: string): never {
  throw new InvalidInputError([{ path: 'after', message }]);
}
