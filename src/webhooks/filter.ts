import { z } from 'zod';
import type { Prisma } from '#generated/prisma/client.ts';
import { EventType } from '#generated/prisma/enums.ts';

/** Which events a webhook is sent. All that is given must hold; null: whatever. */
export type WebhookFilter = { clusterIds: string[] | null; types: EventType[] | null; statuses: string[] | null };

/** What deliveries bring about themselves: sent over webhooks, these events would go on for ever. */
const neverSent: readonly EventType[] = ['WEBHOOK_STATUS_CHANGED', 'WEBHOOK_EVENTS_SKIPPED'];

const listOf = <T extends z.ZodType>(entry: T) =>
  z
    .array(entry)
    .min(1, 'must have an entry. Leave it out to have all.')
    .max(100, 'must have at most 100 entries')
    .nullish()
    .transform((list) => list ?? null);

export const webhookFilterSchema = z.strictObject({
  clusterIds: listOf(z.uuid()),
  types: listOf(
    z.enum(EventType).refine((type) => !neverSent.includes(type), `cannot be sent: ${neverSent.join(', ')}`),
  ),
  statuses: listOf(z.string().regex(/^[A-Z_]{1,40}$/, 'must be a status, like ACTIVE')),
}) satisfies z.ZodType<WebhookFilter>;

export const everything: WebhookFilter = { clusterIds: null, types: null, statuses: null };

/** The filter as Prisma takes it. */
export function webhookCondition({ clusterIds, types, statuses }: WebhookFilter): Prisma.EventWhereInput {
  return {
    type: types === null ? { notIn: [...neverSent] } : { in: types },
    ...(clusterIds === null ? {} : { clusterId: { in: clusterIds } }),
    ...(statuses === null ? {} : { toStatus: { in: statuses } }),
  };
}
