import type { Clock } from '#lib/clock.ts';
import type { DecodedCursor } from './cursor.ts';
import type { LoggedEvent } from './event.ts';
import { continues, type LiveListener, type ProjectReader, type WeighedEvent } from './projectReader.ts';
import type { ProjectReaders } from './projectReaders.ts';
import type { FeedMessage, FeedOptions, GapReason, Subscription } from './subscription.ts';

type SubscriberDeps = {
  subscription: Subscription;
  /** Where it begins. Null: from now on. */
  start: DecodedCursor | null;
  readers: ProjectReaders;
  clock: Clock;
  options: Pick<FeedOptions, 'heartbeatMs' | 'maxWaitingEvents' | 'maxWaitingBytes'>;
  /** Everybody who is being served; it enters and leaves by itself. */
  subscribers: Set<Subscriber>;
  closing: () => boolean;
};

/**
 * One subscription to a project's log. Behind its reader it asks for pages, at the consumer's own pace; once it has caught up it
 * is handed the events, and the number that may wait for the consumer is bounded.
 */
export class Subscriber implements AsyncIterableIterator<FeedMessage>, LiveListener {
  readonly #deps: SubscriberDeps;
  /** What comes before it is live, and each time that it has to begin anew. Yields null where it has gone live. */
  readonly #phases: AsyncGenerator<FeedMessage | null, void>;
  /** The reader that hands it what comes. Null: it is not live. */
  #live: ProjectReader | null = null;
  /** Everything up to here was sent, filtered out, or said to be lost. */
  #sent = 0n;
  /** The last event that was offered. */
  #offered = 0n;
  #waiting: LoggedEvent[] = [];
  #waitingBytes = 0;
  #overflowed = false;
  #lost: GapReason | null = null;
  #failure: unknown = null;
  #stopped = false;
  /** True while a page could not be read and is to be asked for again. */
  #retrying = false;
  #leave = () => {};
  #lastMessageAt: number;
  #waiter: PromiseWithResolvers<void> | null = null;
  readonly #end = Promise.withResolvers<void>();
  readonly ended: Promise<void> = this.#end.promise;

  constructor(deps: SubscriberDeps) {
    this.#deps = deps;
    this.#lastMessageAt = deps.clock.now().getTime();
    this.#phases = this.#run();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<FeedMessage, void>> {
    for (;;) {
      // Without the generator, which would cost more than all the rest of a live message.
      const message = this.#live === null ? null : await this.#nextLive(this.#live);
      if (message !== null) return this.#told(message);
      this.#live = null;
      const { done, value } = await this.#phases.next();
      if (done) return { done, value: undefined };
      if (value !== null) return this.#told(value);
    }
  }

  async return(): Promise<IteratorResult<FeedMessage, void>> {
    this.end();
    await this.#phases.return();
    return { done: true, value: undefined };
  }

  #told(value: FeedMessage): IteratorYieldResult<FeedMessage> {
    this.#lastMessageAt = this.#deps.clock.now().getTime();
    return { done: false, value };
  }

  /** A generator that awaits does not hear `return` before it is woken; one that nobody pulls hears nothing else. */
  end(): void {
    this.#stopped = true;
    this.wake();
    void this.#phases.return();
  }

  wake(): void {
    this.#waiter?.resolve();
    this.#waiter = null;
  }

  /** The clock's call, a few times a heartbeat. */
  tick(): void {
    if (this.#retrying || this.#isSilent()) this.wake();
  }

  offer(events: WeighedEvent[]): void {
    if (this.#overflowed || this.#failure !== null) return;
    try {
      for (const { event, bytes } of events) if (this.#wants(event)) this.#keep(event, bytes);
    } catch (error) {
      this.#failure = error;
    }
    if (!this.#overflowed && this.#failure === null) {
      this.#offered = events.at(-1)?.event.seq ?? this.#offered;
      if (this.#waiting.length === 0) this.#sent = this.#offered;
    }
    if (this.#waiting.length > 0 || this.#overflowed || this.#failure !== null) this.wake();
  }

  lost(reason: GapReason): void {
    this.#lost = reason;
    this.wake();
  }

  #wants(event: LoggedEvent): boolean {
    return this.#deps.subscription.filter?.wants(event) ?? true;
  }

  #keep(event: LoggedEvent, bytes: number): void {
    if (this.#overflowed) return;
    this.#waiting.push(event);
    this.#waitingBytes += bytes;
    const { maxWaitingEvents, maxWaitingBytes } = this.#deps.options;
    if (this.#waiting.length <= maxWaitingEvents && this.#waitingBytes <= maxWaitingBytes) return;
    this.#overflowed = true;
    this.#waiting = [];
  }

  #isSilent(): boolean {
    return this.#deps.clock.now().getTime() - this.#lastMessageAt >= this.#deps.options.heartbeatMs;
  }

  async *#run(): AsyncGenerator<FeedMessage | null, void> {
    const { subscription, subscribers, start } = this.#deps;
    const stop = () => this.end();
    subscription.signal?.addEventListener('abort', stop);
    if (subscription.signal?.aborted) this.#stopped = true;
    subscribers.add(this);
    try {
      if (start !== null && !start.ok) this.#lost = start.reason;
      let after = start?.ok ? start.seq : null;
      while (!this.#stopped) {
        yield* this.#follow(after);
        if (this.#lost === null) return;
        after = null;
      }
    } finally {
      subscription.signal?.removeEventListener('abort', stop);
      subscribers.delete(this);
      this.#end.resolve();
    }
  }

  /** Follows one reader until the stream ends or the reader's history does: then `#lost` says why. */
  async *#follow(after: bigint | null): AsyncGenerator<FeedMessage | null, void> {
    const { reader, giveBack } = await this.#deps.readers.take(this.#deps.subscription.projectId);
    try {
      const gap = this.#lost ?? (await this.#beyondEnd(reader, after));
      this.#lost = null;
      if (gap === null) {
        this.#sent = after ?? reader.position;
        yield* this.#catchUp(reader);
      } else {
        this.#goLive(reader);
        yield { kind: 'gap', reason: gap, oldestCursor: await reader.oldestCursor() };
      }
      this.#live = reader;
      yield null;
      if (this.#failure !== null) throw this.#failure;
    } finally {
      this.#live = null;
      this.#leave();
      giveBack();
    }
  }

  async #beyondEnd(reader: ProjectReader, after: bigint | null): Promise<GapReason | null> {
    if (after === null || after <= reader.position) return null;
    // Another node may have sent what this one has not read yet.
    await reader.look();
    return after <= reader.position ? null : 'BEYOND_END';
  }

  async *#catchUp(reader: ProjectReader): AsyncGenerator<FeedMessage, void> {
    while (!this.#stopped && !this.#deps.closing()) {
      // No await between these two looks and going live: an event read in between would be missed.
      if (reader.lost !== null) return this.lost(reader.lost);
      if (this.#sent === reader.position) return this.#goLive(reader);
      const events = await this.#page(reader);
      if (events === null || reader.lost !== null) continue;
      if (!continues(this.#sent, events)) return this.lost('OUT_OF_RETENTION');
      this.#sent = events.at(-1)?.seq ?? this.#sent;
      const wanted = events.filter((event) => this.#wants(event));
      if (wanted.length > 0) yield { kind: 'batch', events: wanted, cursor: reader.cursor(this.#sent) };
      else if (this.#isSilent()) yield this.#heartbeat(reader);
    }
  }

  /** The next page, or null after a while if the store does not answer. */
  async #page(reader: ProjectReader): Promise<LoggedEvent[] | null> {
    try {
      return await reader.page(this.#sent);
    } catch (error) {
      this.#deps.readers.storeFails(error);
      this.#retrying = true;
      await this.#woken();
      this.#retrying = false;
      return null;
    }
  }

  #goLive(reader: ProjectReader): void {
    if (reader.lost !== null) {
      this.lost(reader.lost);
      return;
    }
    this.#sent = reader.position;
    this.#offered = reader.position;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#leave = reader.listen(this);
  }

  /** The next message. Null: it is live no more. */
  async #nextLive(reader: ProjectReader): Promise<FeedMessage | null> {
    while (!this.#stopped && this.#lost === null && this.#failure === null) {
      if (this.#overflowed) return this.#last({ kind: 'overflow', cursor: reader.cursor(this.#sent) });
      if (this.#waiting.length > 0) return this.#takeBatch(reader);
      if (this.#deps.closing()) return this.#last(this.#heartbeat(reader));
      if (this.#isSilent()) return this.#heartbeat(reader);
      await this.#woken();
    }
    return null;
  }

  #last(message: FeedMessage): FeedMessage {
    this.#live = null;
    return message;
  }

  #takeBatch(reader: ProjectReader): FeedMessage {
    const events = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    const after = this.#sent;
    this.#sent = this.#offered;
    const { filter } = this.#deps.subscription;
    return reader.batch({ filterKey: filter?.key ?? '', after, upTo: this.#sent, events });
  }

  #heartbeat(reader: ProjectReader): FeedMessage {
    return reader.heartbeat(this.#sent, this.#deps.clock.now());
  }

  #woken(): Promise<void> {
    this.#waiter ??= Promise.withResolvers();
    return this.#waiter.promise;
  }
}
