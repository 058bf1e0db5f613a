import type { Bus } from '#events/bus.ts';
import type { SecretBox } from '#lib/secrets/secretBox.ts';
import type { Clock } from '#lib/time/clock.ts';
import type { Database } from '#store/database.ts';

/** What the changes to webhooks are built of. */
export type WebhookDeps = {
  db: Database;
  bus: Bus;
  clock: Clock;
  secrets: SecretBox;
  /** Networks (CIDR) that are not public and that webhooks may reach all the same. */
  webhookNetworks: readonly string[];
};
