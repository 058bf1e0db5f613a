import type { Result, StreamMessage } from './messages.ts';

const KEPT = 4_096;

/** Knows the newest events by their cursors, so that none is handed on twice. */
export class RecentCursors {
  readonly #cursors = new Set<string>();
  #lastBatch: string | null = null;

  /** The result without events that were seen before; null if nothing is left of it. */
  withoutRepeated<R extends Result>(result: R, responseKey: string, message: StreamMessage): R | null {
    const { events, cursor } = message;
    if (!Array.isArray(events)) return result;
    if (typeof cursor === 'string' && cursor === this.#lastBatch) return null;
    this.#lastBatch = typeof cursor === 'string' ? cursor : null;
    const fresh = events.filter((event) => this.#isNew(event));
    if (fresh.length === events.length) return result;
    if (fresh.length === 0) return null;
    return { ...result, data: { ...result.data, [responseKey]: { ...message, events: fresh } } };
  }

  #isNew(event: unknown): boolean {
    const cursor = (event as { cursor?: unknown } | null)?.cursor;
    if (typeof cursor !== 'string') return true;
    if (this.#cursors.has(cursor)) return false;
    this.#cursors.add(cursor);
    const [oldest] = this.#cursors;
    if (this.#cursors.size > KEPT && oldest !== undefined) this.#cursors.delete(oldest);
    return true;
  }
}
