export type Lookout = {
  /** Resolves at a wake-up, also one since the last call, or when the signal aborts. */
  next(): Promise<void>;
  end(): void;
};

type LookoutOptions = {
  /** Registers for wake-ups; returns the function that ends it. */
  subscribe(listener: () => void): () => void;
  signal: AbortSignal;
};

/** Paces a loop that looks at the store: no wake-up between two looks is missed. */
export function createLookout({ subscribe, signal }: LookoutOptions): Lookout {
  let woken = false;
  let wake: (() => void) | null = null;
  const onWake = () => {
    woken = true;
    wake?.();
  };
  const unsubscribe = subscribe(onWake);
  signal.addEventListener('abort', onWake);
  return {
    async next() {
      if (!woken && !signal.aborted) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      woken = false;
    },
    end() {
      unsubscribe();
      signal.removeEventListener('abort', onWake);
    },
  };
}
