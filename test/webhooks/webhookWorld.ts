import { pino } from 'pino';
import { onTestFinished, vi } from 'vitest';
import type { Actor } from '#domain/actor.ts';
import { createInProcessBus } from '#events/inProcessBus.ts';
import { transact } from '#events/transact.ts';
import type { Webhook } from '#generated/prisma/client.ts';
import { eventAsJson } from '#graphql/eventAsJson.ts';
import { createSecretBox } from '#lib/secrets/secretBox.ts';
import { systemClock } from '#lib/time/clock.ts';
import { createWebhook } from '#webhooks/createWebhook.ts';
import type { DeliveryOptions } from '#webhooks/deliveryOptions.ts';
import type { Resolve } from '#webhooks/guardedLookup.ts';
import { startDeliveries } from '#webhooks/startDeliveries.ts';
import type { WebhookDeps } from '#webhooks/webhookDeps.ts';
import { createTestDatabase } from '../support/postgres.ts';

/** Fast, so that a test need not wait for a minute; every rule is the product's. */
export const quick: Partial<DeliveryOptions> = {
  lookMs: 50,
  firstPauseMs: 20,
  longestPauseMs: 200,
  timeoutMs: 2000,
  leaseMs: 3000,
};

export type Delivering = {
  options?: Partial<DeliveryOptions>;
  networks?: readonly string[];
  resolve?: Resolve;
  soleProcess?: boolean;
};

/** A real store, and the hands that work on webhooks in it. Ends with the test. */
export async function createWebhookWorld() {
  const store = await createTestDatabase();
  onTestFinished(() => store.close());
  const { db } = store;
  const bus = createInProcessBus();
  const lines: string[] = [];
  const logger = pino({ level: 'trace' }, { write: (line) => void lines.push(line) });
  const deps: WebhookDeps = {
    db,
    bus,
    clock: systemClock,
    secrets: createSecretBox(new Uint8Array(32)),
    webhookNetworks: ['127.0.0.0/8'],
  };

  async function createProject() {
    const { id: projectId } = await db.project.create({ data: { name: crypto.randomUUID() } });
    const keyId = crypto.randomUUID();
    const actor: Actor = { kind: 'API_KEY', projectId, keyId, name: 'test', role: 'ADMIN' };
    return {
      projectId,
      actor,
      create: (input: Record<string, unknown>) => createWebhook(deps, actor, input),
      /** Commits one transaction with an event a label, of no cluster or of this one. */
      write: (labels: readonly string[], clusterId: string | null = null) =>
        transact(deps, actor, async ({ record }) => {
          for (const label of labels) record({ type: 'CLUSTER_UPDATED', toStatus: label, clusterId });
        }),
      /** The project's events of the type, as "from→to" and payload. */
      events: async (type: string) =>
        (await db.event.findMany({ where: { projectId, type: type as never }, orderBy: { seq: 'asc' } })).map(
          ({ fromStatus, toStatus, payload }) => ({ fromStatus, toStatus, payload }),
        ),
    };
  }

  return {
    ...store,
    deps,
    bus,
    lines,
    createProject,
    /** A process's worker. Ends with the test, or with `close`. */
    async deliver({ options = {}, networks = deps.webhookNetworks, resolve, soleProcess = false }: Delivering = {}) {
      const worker = await startDeliveries(
        { ...deps, logger, describe: eventAsJson, webhookNetworks: networks, resolve },
        { soleProcess, options: { ...quick, ...options } },
      );
      let open = true;
      const close = async () => {
        if (open) await worker.close();
        open = false;
      };
      onTestFinished(close);
      return { close };
    },
    row: (id: string): Promise<Webhook> => db.webhook.findUniqueOrThrow({ where: { id } }),
    deliveries: (webhookId: string) =>
      db.webhookDelivery.findMany({ where: { webhookId }, orderBy: { number: 'asc' } }),
    async until(webhookId: string, isSo: (webhook: Webhook) => boolean, withinMs = 10_000): Promise<Webhook> {
      return await vi.waitFor(
        async () => {
          const webhook = await db.webhook.findUniqueOrThrow({ where: { id: webhookId } });
          if (!isSo(webhook)) throw new Error(`${webhook.status} ${webhook.statusReason} ${webhook.cursorSeq}`);
          return webhook;
        },
        { timeout: withinMs, interval: 10 },
      );
    },
  };
}
export type WebhookWorld = Awaited<ReturnType<typeof createWebhookWorld>>;

export const numbered = (count: number, from = 1): string[] =>
  Array.from({ length: count }, (_, index) => `E_${from + index}`);
