import { z } from 'zod';
import type { Actor } from '#domain/actor.ts';
import { parseInput } from '#domain/parseInput.ts';
import { requirePermission } from '#domain/requirePermission.ts';
import { transact } from '#events/transact.ts';
import { inEvents, lockWebhook, webhookIdSchema } from './inputs.ts';
import type { WebhookDeps } from './webhookDeps.ts';

const inputSchema = z.strictObject({ webhookId: webhookIdSchema });

/** Removes a webhook with its secret and its delivery log. A request that is under way may still arrive; none follows it. */
export async function deleteWebhook(
  deps: WebhookDeps,
  actor: Actor,
  rawInput: unknown,
): Promise<{ webhookId: string }> {
  requirePermission(actor, 'deleteWebhook', 'webhooks:manage');
  const { webhookId } = parseInput(inputSchema, rawInput);
  await transact(deps, actor, async ({ tx, record }) => {
    const webhook = await lockWebhook(tx, actor.projectId, webhookId);
    await tx.webhook.delete({ where: { id: webhookId }, select: { id: true } });
    record({ type: 'WEBHOOK_DELETED', payload: inEvents(webhook) });
  });
  return { webhookId };
}
