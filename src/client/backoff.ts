export type BackoffOptions = {
  /** The first attempt comes within this time. Left out: 1,000. */
  firstMs?: number;
  /** No attempt waits for longer. Left out: 15,000. */
  longestMs?: number;
  /** A number from 0 to below 1. Left out: `Math.random`. */
  random?: () => number;
};

/**
 * How long to wait before the next attempt, in milliseconds: any time up to a bound that doubles, so that the clients of a server
 * that stops do not all come back at once.
 * @param attempt how many attempts have failed since the last message.
 */
export function backoffMs(attempt: number, { firstMs = 1_000, longestMs = 15_000, random }: BackoffOptions): number {
  const bound = Math.min(longestMs, firstMs * 2 ** Math.min(attempt, 30));
  return Math.round((random ?? Math.random)() * bound);
}
