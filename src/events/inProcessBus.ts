import type { Bus, Topic } from './bus.ts';

/** A bus for one process. Listeners run after the publisher's own turn, so that none of them can delay or break it. */
export function createInProcessBus(): Bus {
  const listeners = new Map<Topic, Set<() => void>>();
  return {
    publish(topic) {
      const entries = listeners.get(topic);
      for (const entry of entries ?? []) queueMicrotask(() => entries?.has(entry) && entry());
    },
    subscribe(topic, listener) {
      // Wrapped, so that the same function subscribed twice is two subscriptions.
      const entry = () => listener();
      const entries = listeners.get(topic) ?? new Set();
      listeners.set(topic, entries.add(entry));
      return () => {
        entries.delete(entry);
        if (entries.size === 0 && listeners.get(topic) === entries) listeners.delete(topic);
      };
    },
    close: async () => listeners.clear(),
  };
}
