import { z } from 'zod';
import { NotFoundError } from '#domain/errors.ts';
import { plainText } from '#domain/plainText.ts';
import { faultOfWebhookUrl } from '#domain/webhookTarget.ts';
import type { Webhook } from '#generated/prisma/client.ts';
import type { Transaction } from '#store/database.ts';
import type { WebhookFilter } from './filter.ts';

/** Pieces that several changes to webhooks share. */

const urlMaxLength = 2000;
const descriptionMaxLength = 200;

/** The URL as it is sent to: normalised, so that `https://2130706433/` is seen to be 127.0.0.1. */
export const webhookUrlSchema = (allowedNetworks: readonly string[]) =>
  z
    .string()
    .max(urlMaxLength, `must have at most ${urlMaxLength} characters`)
    .transform((text, context) => {
      const fault = faultOfWebhookUrl(text, allowedNetworks);
      if (fault === null) return new URL(text).href;
      context.addIssue(fault);
      return z.NEVER;
    });

export const webhookDescriptionSchema = plainText(descriptionMaxLength);

export const webhookIdSchema = z.uuid();

/** The project's webhook, locked to the transaction's end. */
export async function lockWebhook(tx: Transaction, projectId: string, webhookId: string): Promise<Webhook> {
  await tx.$queryRaw`SELECT id FROM webhook WHERE id = ${webhookId}::uuid AND project_id = ${projectId}::uuid FOR UPDATE`;
  const webhook = await tx.webhook.findUnique({ where: { id: webhookId, projectId } });
  if (webhook === null) throw new NotFoundError('The webhook');
  return webhook;
}

/** Throws NotFoundError if the filter names a cluster that the project has never had. */
export async function requireClusters(
  tx: Transaction,
  projectId: string,
  { clusterIds }: WebhookFilter,
): Promise<void> {
  if (clusterIds === null) return;
  const wanted = [...new Set(clusterIds)];
  const found = await tx.cluster.count({ where: { id: { in: wanted }, projectId } });
  if (found < wanted.length) throw new NotFoundError('The cluster');
}

/** The webhook as events name it. The rest of the URL may hold a token. */
export function inEvents({ id, url, description }: Pick<Webhook, 'id' | 'url' | 'description'>) {
  return { webhookId: id, receiver: new URL(url).origin, description };
}
