import { z } from 'zod';
import type { Actor } from '#domain/actor.ts';
import { InvalidInputError } from '#domain/errors.ts';
import { parseInput } from '#domain/parseInput.ts';
import { requirePermission } from '#domain/requirePermission.ts';
import { type Change, transact } from '#events/transact.ts';
import type { Webhook } from '#generated/prisma/client.ts';
import { webhookFilterSchema } from './filter.ts';
import {
  inEvents,
  lockWebhook,
  requireClusters,
  webhookDescriptionSchema,
  webhookIdSchema,
  webhookUrlSchema,
} from './inputs.ts';
import type { WebhookDeps } from './webhookDeps.ts';
import { freshAttempts, isPaused, statusChange } from './webhookStatus.ts';

const inputSchema = (allowedNetworks: readonly string[]) =>
  z.strictObject({
    webhookId: webhookIdSchema,
    url: webhookUrlSchema(allowedNetworks).nullish(),
    filter: webhookFilterSchema.nullish(),
    description: webhookDescriptionSchema.nullish(),
    paused: z.boolean().nullish(),
  });
type Input = z.infer<ReturnType<typeof inputSchema>>;

/** Changes where and what a webhook sends, pauses or resumes it. What waits to be sent goes by the new settings. */
export async function updateWebhook(
  deps: WebhookDeps,
  actor: Actor,
  rawInput: unknown,
): Promise<{ webhookId: string }> {
  requirePermission(actor, 'updateWebhook', 'webhooks:manage');
  const { webhookId, ...changes } = parseInput(inputSchema(deps.webhookNetworks), rawInput);
  const given = Object.entries(changes).filter(([, value]) => value != null);
  if (given.length === 0) {
    throw new InvalidInputError([{ path: 'input', message: 'Give at least one of url, filter, description, paused.' }]);
  }
  await transact(deps, actor, async ({ tx, record }) => {
    const webhook = await lockWebhook(tx, actor.projectId, webhookId);
    const { url = null, filter = null, description = null } = changes;
    if (filter !== null) await requireClusters(tx, actor.projectId, filter);
    const at = deps.clock.now();
    const settings = {
      ...(url === null ? {} : { url }),
      ...(filter === null ? {} : { filter }),
      ...(description === null ? {} : { description }),
    };
    const named = { ...webhook, ...settings };
    record({ type: 'WEBHOOK_UPDATED', payload: { ...inEvents(named), changed: given.map(([name]) => name) } });
    await tx.webhook.update({
      where: { id: webhookId },
      data: { ...settings, ...restart(webhook, changes), ...standing(named, changes, at, record), updatedAt: at },
      select: { id: true },
    });
  });
  return { webhookId };
}

/** Another URL or filter makes another message of what waits, and is tried at once; so does a webhook that is resumed. */
function restart(webhook: Webhook, { url, filter, paused }: Omit<Input, 'webhookId'>) {
  if (url == null && filter == null && !(paused === false && isPaused(webhook))) return {};
  return { generation: { increment: 1 }, ...freshAttempts };
}

function standing(
  webhook: Webhook,
  { url, filter, paused }: Omit<Input, 'webhookId'>,
  at: Date,
  record: Change['record'],
) {
  if (paused ?? isPaused(webhook)) {
    const reason = isPaused(webhook) ? webhook.statusReason : 'Paused with updateWebhook.';
    return statusChange(webhook, { status: 'PAUSED', reason, at }, record);
  }
  const begunAnew = url != null || filter != null || isPaused(webhook);
  return begunAnew ? statusChange(webhook, { status: 'ACTIVE', reason: null, at }, record) : {};
}
