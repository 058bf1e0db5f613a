import type { LoggedEvent } from './event.ts';
import type { WeighedEvent } from './projectReader.ts';
import type { FeedOptions } from './subscription.ts';

export type WaitingLimits = Pick<FeedOptions, 'maxWaitingEvents' | 'maxWaitingBytes'>;

/** What waits for one consumer. Once it was too much nothing waits any more. */
export class WaitingEvents {
  /** The last event that was looked at, whether it was wanted or not. */
  upTo = 0n;
  readonly #limits: WaitingLimits;
  #events: LoggedEvent[] = [];
  #bytes = 0;
  #overflowed = false;

  constructor(limits: WaitingLimits) {
    this.#limits = limits;
  }

  get overflowed(): boolean {
    return this.#overflowed;
  }

  get count(): number {
    return this.#events.length;
  }

  beginAfter(position: bigint): void {
    this.upTo = position;
    this.take();
  }

  add({ event, bytes }: WeighedEvent): void {
    if (this.#overflowed) return;
    this.#events.push(event);
    this.#bytes += bytes;
    const { maxWaitingEvents, maxWaitingBytes } = this.#limits;
    if (this.#events.length <= maxWaitingEvents && this.#bytes <= maxWaitingBytes) return;
    this.#overflowed = true;
    this.take();
  }

  /** All of them, which then wait no more. */
  take(): LoggedEvent[] {
    const events = this.#events;
    this.#events = [];
    this.#bytes = 0;
    return events;
  }
}
