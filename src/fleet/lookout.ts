/** How long the fleet goes without a wake-up before it looks by itself: wake-ups may be lost. */
export const lookIntervalMs = 1_000;

export type Lookout = {
  /** Resolves at a wake-up (also one since the last call), after the interval, or when the signal aborts. */
  next(): Promise<void>;
  end(): void;
};

type LookoutOptions = {
  /** Registers for wake-ups; returns the function that ends it. */
  subscribe(listener: () => void): () => void;
  signal: AbortSignal;
  /** Null: only wake-ups count. */
  intervalMs?: number | null;
};

/** Paces a loop that looks at the store: no wake-up between two looks is missed, and none is needed to go on. */
export function createLookout({ subscribe, signal, intervalMs = lookIntervalMs }: LookoutOptions): Lookout {
  let woken = false;
  let wake: (() => void) | null = null;
  const unsubscribe = subscribe(() => {
    woken = true;
    wake?.();
  });

  function wait(): Promise<void> {
    return new Promise((resolve) => {
      const timer = intervalMs === null ? undefined : setTimeout(done, intervalMs);
      function done() {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        wake = null;
        resolve();
      }
      wake = done;
      signal.addEventListener('abort', done, { once: true });
    });
  }

  return {
    async next() {
      if (!woken && !signal.aborted) await wait();
      woken = false;
    },
    end: unsubscribe,
  };
}
