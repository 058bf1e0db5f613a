import { z } from 'zod';
import type { Actor } from '#domain/actor.ts';
import { InvalidInputError } from '#domain/errors.ts';
import { parseInput } from '#domain/parseInput.ts';
import { requirePermission } from '#domain/requirePermission.ts';
import { transact } from '#events/transact.ts';
import type { Transaction } from '#store/database.ts';
import { everything, webhookFilterSchema } from './filter.ts';
import { inEvents, requireClusters, webhookDescriptionSchema, webhookUrlSchema } from './inputs.ts';
import { generateSigningSecret } from './signature.ts';
import type { WebhookDeps } from './webhookDeps.ts';

const webhooksPerProject = 20;

const inputSchema = (allowedNetworks: readonly string[]) =>
  z.strictObject({
    url: webhookUrlSchema(allowedNetworks),
    filter: webhookFilterSchema.nullish().transform((filter) => filter ?? everything),
    description: webhookDescriptionSchema.nullish().transform((text) => text ?? ''),
  });

/** Sends the project's events to a URL from now on. The signing secret is shown this once: it is stored encrypted. */
export async function createWebhook(
  deps: WebhookDeps,
  actor: Actor,
  rawInput: unknown,
): Promise<{ webhookId: string; signingSecret: string }> {
  requirePermission(actor, 'createWebhook', 'webhooks:manage');
  const input = parseInput(inputSchema(deps.webhookNetworks), rawInput);
  const signingSecret = generateSigningSecret();
  const { projectId } = actor;
  const now = deps.clock.now();
  const webhookId = await transact(deps, actor, async ({ tx, record }) => {
    const cursorSeq = await lockProject(tx, projectId);
    await requireClusters(tx, projectId, input.filter);
    const webhook = await tx.webhook.create({
      data: {
        ...input,
        projectId,
        cursorSeq,
        secretKeyId: deps.secrets.keyId,
        secretCiphertext: deps.secrets.seal(signingSecret),
        statusChangedAt: now,
        createdAt: now,
        updatedAt: now,
      },
      select: { id: true, url: true, description: true },
    });
    record({ type: 'WEBHOOK_CREATED', payload: inEvents(webhook) });
    return webhook.id;
  });
  return { webhookId, signingSecret };
}

/** Counts under a lock, so that two who are in time together cannot both be the last. Returns the end of the project's log. */
async function lockProject(tx: Transaction, projectId: string): Promise<bigint> {
  await tx.$queryRaw`SELECT id FROM project WHERE id = ${projectId}::uuid FOR NO KEY UPDATE`;
  const project = await tx.project.findUniqueOrThrow({
    where: { id: projectId },
    select: { eventSeq: true, _count: { select: { webhooks: true } } },
  });
  if (project._count.webhooks < webhooksPerProject) return project.eventSeq;
  throw new InvalidInputError([
    { path: 'input', message: `The project has ${webhooksPerProject} webhooks, as many as it may. Delete one first.` },
  ]);
}
