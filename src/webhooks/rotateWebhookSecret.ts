import { z } from 'zod';
import type { Actor } from '#domain/actor.ts';
import { parseInput } from '#domain/parseInput.ts';
import { requirePermission } from '#domain/requirePermission.ts';
import { transact } from '#events/transact.ts';
import { inEvents, lockWebhook, webhookIdSchema } from './inputs.ts';
import { generateSigningSecret } from './signature.ts';
import type { WebhookDeps } from './webhookDeps.ts';

const daySeconds = 86_400;
const longestOverlapSeconds = 7 * daySeconds;

const inputSchema = z.strictObject({
  webhookId: webhookIdSchema,
  overlapSeconds: z
    .int()
    .min(0, 'must be at least 0')
    .max(longestOverlapSeconds, `must be at most ${longestOverlapSeconds}`)
    .nullish()
    .transform((seconds) => seconds ?? daySeconds),
});

/** Makes a new signing secret, shown this once. Until the overlap ends, messages are signed with the old one too. */
export async function rotateWebhookSecret(
  deps: WebhookDeps,
  actor: Actor,
  rawInput: unknown,
): Promise<{ webhookId: string; signingSecret: string }> {
  requirePermission(actor, 'rotateWebhookSecret', 'webhooks:manage');
  const { webhookId, overlapSeconds } = parseInput(inputSchema, rawInput);
  const signingSecret = generateSigningSecret();
  await transact(deps, actor, async ({ tx, record }) => {
    const webhook = await lockWebhook(tx, actor.projectId, webhookId);
    const now = deps.clock.now();
    const previousUntil = overlapSeconds === 0 ? null : new Date(now.getTime() + overlapSeconds * 1000);
    await tx.webhook.update({
      where: { id: webhookId },
      data: {
        secretKeyId: deps.secrets.keyId,
        secretCiphertext: deps.secrets.seal(signingSecret),
        previousSecretKeyId: previousUntil && webhook.secretKeyId,
        previousSecretCiphertext: previousUntil && webhook.secretCiphertext,
        previousSecretExpiresAt: previousUntil,
        updatedAt: now,
      },
      select: { id: true },
    });
    const previousSecretExpiresAt = previousUntil?.toISOString() ?? null;
    record({ type: 'WEBHOOK_SECRET_ROTATED', payload: { ...inEvents(webhook), previousSecretExpiresAt } });
  });
  return { webhookId, signingSecret };
}
