import type { Change } from '#events/transact.ts';
import type { Webhook } from '#generated/prisma/client.ts';
import type { WebhookStatus } from '#generated/prisma/enums.ts';
import { inEvents } from './inputs.ts';

/** So many attempts in a row may fail before a webhook counts as FAILING. */
export const failuresBeforeFailing = 3;

export const isPaused = ({ status }: Pick<Webhook, 'status'>): boolean => status === 'PAUSED';

/** The columns of a status, and its event if it is another one than before. */
export function statusChange(
  webhook: Webhook,
  { status, reason, at }: { status: WebhookStatus; reason: string | null; at: Date },
  record: Change['record'],
) {
  if (webhook.status === status) return { statusReason: reason };
  record({
    type: 'WEBHOOK_STATUS_CHANGED',
    fromStatus: webhook.status,
    toStatus: status,
    payload: { ...inEvents(webhook), reason },
  });
  return { status, statusReason: reason, statusChangedAt: at };
}

/** The columns of a webhook whose attempts begin anew. */
export const freshAttempts = { batchEndSeq: null, failedAttempts: 0, failingSince: null, nextAttemptAt: null } as const;
