import { setTimeout as pause } from 'node:timers/promises';

type RetryOptions = {
  attempts: number;
  /** The first pause in milliseconds; each further one is twice as long. */
  firstPauseMs: number;
  signal: AbortSignal;
  isRetryable(error: unknown): boolean;
  onRetry(error: unknown): Promise<void>;
};

/** Does the work until it succeeds, fails for good, or has been tried often enough. Throws the last failure. */
export async function retry<T>(work: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work(attempt);
    } catch (error) {
      if (attempt >= options.attempts || options.signal.aborted || !options.isRetryable(error)) throw error;
      await options.onRetry(error);
      await pause(options.firstPauseMs * 2 ** (attempt - 1), undefined, { signal: options.signal });
    }
  }
}
