import type { Bus, Topic } from './bus.ts';

type Look = {
  /** Wake-ups after which another look is worth it. */
  topics: readonly Topic[];
  /** The longest pause between two looks in milliseconds: a wake-up may be lost. */
  everyMs?: number;
  signal: AbortSignal;
};

/** Looks again and again, at each wake-up and at least every second, until there is something to see. Throws the signal's reason. */
export async function lookUntil<T>(
  bus: Bus,
  { topics, everyMs = 1000, signal }: Look,
  look: () => Promise<T | null>,
): Promise<T> {
  let wake: () => void = () => {};
  let woken = false;
  const onWake = () => {
    woken = true;
    wake();
  };
  const unsubscribe = topics.map((topic) => bus.subscribe(topic, onWake));
  signal.addEventListener('abort', onWake);
  try {
    for (;;) {
      signal.throwIfAborted();
      woken = false;
      const seen = await look();
      if (seen !== null) return seen;
      await pause();
    }
  } finally {
    signal.removeEventListener('abort', onWake);
    for (const end of unsubscribe) end();
  }

  async function pause(): Promise<void> {
    if (woken || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, everyMs);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
