import { createEventLog } from '#events/eventLog.ts';
import type { Logger } from '#lib/log/logger.ts';
import { isStoreUnavailable } from '#store/storeUnavailable.ts';
import { type Claim, claimDue, reclaimWebhooks, releaseClaim } from './claims.ts';
import { type DeliverDeps, deliver } from './deliver.ts';
import { type DeliveryOptions, deliveryDefaults } from './deliveryOptions.ts';

export type DeliveriesDeps = Omit<DeliverDeps, 'log' | 'options'> & { logger: Logger };

export type DeliveriesSettings = {
  /** No other process works on this store: what a dead one held is free. */
  soleProcess: boolean;
  options?: Partial<DeliveryOptions>;
};

const tidyMs = 60_000;

/** Delivers what webhooks are due, until `close`. Any number of processes may do so at once: a webhook is with one at a time. */
export async function startDeliveries(
  { logger, ...rest }: DeliveriesDeps,
  { soleProcess, options: given = {} }: DeliveriesSettings,
): Promise<{ close(): Promise<void> }> {
  const options = { ...deliveryDefaults, ...given };
  const deps: DeliverDeps = { ...rest, options, log: await createEventLog(rest.db) };
  if (soleProcess) await reclaimWebhooks(deps.db);
  const worker = new DeliveryWorker(deps, logger);
  return { close: () => worker.close() };
}

class DeliveryWorker {
  readonly #deps: DeliverDeps;
  readonly #logger: Logger;
  readonly #stopping = new AbortController();
  readonly #cutOff = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #listening = new Map<string, () => void>();
  readonly #loop: Promise<void>;
  #wake: () => void = () => {};
  #woken = false;
  #nextTidyAt = 0;

  constructor(deps: DeliverDeps, logger: Logger) {
    this.#deps = deps;
    this.#logger = logger;
    this.#loop = this.#work();
  }

  /** Requests that are under way get a moment to end. One that does not is sent again by whoever comes next. */
  async close(): Promise<void> {
    this.#stopping.abort();
    this.#onWake();
    const cut = setTimeout(() => this.#cutOff.abort(), this.#deps.options.closeGraceMs);
    await this.#loop;
    await Promise.all(this.#running);
    clearTimeout(cut);
    for (const leave of this.#listening.values()) leave();
  }

  async #work(): Promise<void> {
    let listenAt = 0;
    while (!this.#stopping.signal.aborted) {
      this.#woken = false;
      try {
        const now = performance.now();
        if (now >= listenAt) {
          listenAt = now + this.#deps.options.lookMs;
          await this.#listen();
          await this.#tidy();
        }
        await this.#takeDue();
      } catch (error) {
        this.#say(error, 'webhooks could not be looked at');
      }
      await this.#pause();
    }
  }

  /** Wake-ups only shorten the wait, so it does no harm that a new webhook's project is noticed a look later. */
  async #listen(): Promise<void> {
    const rows = await this.#deps.db.webhook.findMany({
      where: { status: { not: 'PAUSED' } },
      select: { projectId: true },
      distinct: ['projectId'],
    });
    const wanted = new Set(rows.map(({ projectId }) => projectId));
    for (const [projectId, leave] of this.#listening) {
      if (wanted.has(projectId)) continue;
      leave();
      this.#listening.delete(projectId);
    }
    for (const projectId of wanted) {
      if (this.#listening.has(projectId)) continue;
      this.#listening.set(projectId, this.#deps.bus.subscribe(`events:${projectId}`, this.#onWake));
    }
  }

  /** The delivery log forgets by age too. */
  async #tidy(): Promise<void> {
    if (performance.now() < this.#nextTidyAt) return;
    this.#nextTidyAt = performance.now() + tidyMs;
    const oldest = new Date(this.#deps.clock.now().getTime() - this.#deps.options.deliveriesKeptForMs);
    await this.#deps.db.webhookDelivery.deleteMany({ where: { createdAt: { lt: oldest } } });
  }

  async #takeDue(): Promise<void> {
    const { db, clock, options } = this.#deps;
    const limit = options.atOnce - this.#running.size;
    if (limit <= 0) return;
    for (const claim of await claimDue(db, { limit, leaseMs: options.leaseMs, now: clock.now() })) {
      const run = this.#run(claim).finally(() => {
        this.#running.delete(run);
        // What was committed while the claim was being given up is found now.
        this.#onWake();
      });
      this.#running.add(run);
    }
  }

  async #run(claim: Claim): Promise<void> {
    const signals = { stopping: this.#stopping.signal, cutOff: this.#cutOff.signal };
    try {
      await deliver(this.#deps, claim, signals);
      await releaseClaim(this.#deps.db, claim);
    } catch (error) {
      // The claim is left to its end, so that a fault is met again after a pause and not at once.
      this.#say(error, 'a webhook could not be worked on');
    }
  }

  readonly #onWake = (): void => {
    this.#woken = true;
    this.#wake();
  };

  async #pause(): Promise<void> {
    if (this.#woken || this.#stopping.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#deps.options.lookMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #say(error: unknown, what: string): void {
    this.#logger[isStoreUnavailable(error) ? 'debug' : 'error']({ err: error }, what);
  }
}
