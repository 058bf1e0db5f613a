import type { Bus } from '#events/bus.ts';
import type { Logger } from '#lib/log/logger.ts';
import type { Database } from '#store/database.ts';

/** Wake-ups may be lost: the store is looked at this often, in milliseconds. */
const lookIntervalMs = 1_000;

export type CommandWatch = {
  /** Calls the listener when the instance may have commands. Returns the function that ends it. */
  watch(instanceId: string, listener: () => void): () => void;
  close(): Promise<void>;
};

type CommandWatchDeps = { db: Database; bus: Bus; logger: Logger };

/** Wakes the command streams: at the bus's word, and by one look a second for all connected instances together. */
export function createCommandWatch({ db, bus, logger }: CommandWatchDeps): CommandWatch {
  const listeners = new Map<string, Set<() => void>>();
  let looking: Promise<void> | null = null;

  async function look(): Promise<void> {
    const pending = await db.agentCommand.findMany({
      where: { instanceId: { in: [...listeners.keys()] }, status: 'PENDING' },
      distinct: ['instanceId'],
      select: { instanceId: true },
    });
    for (const { instanceId } of pending) for (const listener of listeners.get(instanceId) ?? []) listener();
  }

  const timer = setInterval(() => {
    if (listeners.size === 0 || looking !== null) return;
    looking = look()
      .catch((error: unknown) => logger.warn({ err: error }, 'could not look for agent commands'))
      .finally(() => {
        looking = null;
      });
  }, lookIntervalMs);

  return {
    watch(instanceId, listener) {
      const own = listeners.get(instanceId) ?? new Set();
      listeners.set(instanceId, own.add(listener));
      const unsubscribe = bus.subscribe(`commands:${instanceId}`, listener);
      return () => {
        unsubscribe();
        own.delete(listener);
        if (own.size === 0 && listeners.get(instanceId) === own) listeners.delete(instanceId);
      };
    },
    async close() {
      clearInterval(timer);
      await looking;
    },
  };
}
