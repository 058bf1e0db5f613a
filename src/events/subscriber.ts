import type { Clock } from '#lib/time/clock.ts';
import type { LoggedEvent } from './event.ts';
import { continues, type LiveListener, type ProjectReader, type WeighedEvent } from './projectReader.ts';
import type { ProjectReaders, TakenReader } from './projectReaders.ts';
import type { FeedMessage, FeedOptions, GapReason, Subscription } from './subscription.ts';
import { WaitingEvents, type WaitingLimits } from './waitingEvents.ts';

type SubscriberDeps = {
  readers: ProjectReaders;
  clock: Clock;
  options: Pick<FeedOptions, 'heartbeatMs'> & WaitingLimits;
  /** Everybody who is being served; it enters and leaves by itself. */
  subscribers: Set<Subscriber>;
  closing: () => boolean;
};

type Told = IteratorResult<FeedMessage, void>;

/**
 * One subscription to a project's log. Behind its reader it asks for pages, at the consumer's own pace; once it has caught up it
 * is handed the events, and the number that may wait for the consumer is bounded.
 */
export class Subscriber implements AsyncIterableIterator<FeedMessage, void>, LiveListener {
  readonly #deps: SubscriberDeps;
  readonly #subscription: Subscription;
  /** What comes before it is live, and each time that it has to begin anew. Null: not begun, or through. */
  #replay: AsyncGenerator<FeedMessage, void> | null = null;
  /** The cursor with which the next replay begins. Null: from now on. */
  #after: string | null;
  /** How many wait for a replay. */
  #pulls = 0;
  /** The reader that hands it what comes. Null: it is not live. */
  #live: ProjectReader | null = null;
  /** Takes the next live message to the consumer. Null: the consumer does not wait for one. */
  #tell: ((told: Told | Promise<Told>) => void) | null = null;
  /** Everything up to here was sent, filtered out, or said to be lost. */
  #sent = 0n;
  readonly #waiting: WaitingEvents;
  #lost: GapReason | null = null;
  #failure: unknown = null;
  /** No message follows but one that is due. */
  #stopped = false;
  /** It leaves as soon as nobody waits for a replay. */
  #leaving = false;
  /** Has a page that could not be read asked for again. Null: there is none. */
  #retry: (() => void) | null = null;
  /** The reader that it has, live or not. */
  #taken: TakenReader | null = null;
  #lastMessageAt: number;
  #state: 'new' | 'served' | 'ended' = 'new';
  #end: PromiseWithResolvers<void> | null = null;

  constructor(deps: SubscriberDeps, subscription: Subscription) {
    this.#deps = deps;
    this.#subscription = subscription;
    this.#waiting = new WaitingEvents(deps.options);
    this.#lastMessageAt = deps.clock.now().getTime();
    this.#after = subscription.after;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** No async function: it would cost more than all the rest of a live message, and an idle subscriber would hold it. */
  next(): Promise<Told> {
    if (this.#tell !== null) return this.#nextAfter(this.#tell);
    const message = this.#live === null ? null : this.#nextLive(this.#live);
    if (message !== null) return Promise.resolve(this.#told(message));
    if (this.#live === null || this.#isOver()) return this.#nextReplayed();
    return new Promise((resolve) => {
      this.#tell = resolve;
    });
  }

  /** For a consumer that asks again before it was told. */
  #nextAfter(earlier: (told: Told | Promise<Told>) => void): Promise<Told> {
    return new Promise((resolve) => {
      this.#tell = (told) => {
        earlier(told);
        resolve(this.next());
      };
    });
  }

  async return(): Promise<IteratorReturnResult<void>> {
    this.end();
    await this.ended;
    return { done: true, value: undefined };
  }

  /** When it has left. */
  get ended(): Promise<void> {
    if (this.#state === 'ended') return Promise.resolve();
    this.#end ??= Promise.withResolvers();
    return this.#end.promise;
  }

  #told(value: FeedMessage): IteratorYieldResult<FeedMessage> {
    this.#lastMessageAt = this.#deps.clock.now().getTime();
    return { done: false, value };
  }

  /** Also if nobody ever asks it for a message again. */
  end(): void {
    this.#stopped = true;
    this.#leaving = true;
    this.wake();
    if (this.#pulls === 0) this.#finish();
  }

  wake(): void {
    this.#retry?.();
    const tell = this.#tell;
    if (tell === null || this.#live === null) return;
    const message = this.#nextLive(this.#live);
    if (message === null && !this.#isOver()) return;
    this.#tell = null;
    tell(message === null ? this.#nextReplayed() : this.#told(message));
  }

  /** The clock's call, a few times a heartbeat. */
  tick(): void {
    if (this.#retry !== null || this.#isSilent()) this.wake();
  }

  offer(events: WeighedEvent[]): boolean {
    const waiting = this.#waiting;
    if (waiting.overflowed || this.#failure !== null) return false;
    try {
      for (const weighed of events) if (this.#wants(weighed.event)) waiting.add(weighed);
    } catch (error) {
      this.#failure = error;
    }
    if (!waiting.overflowed && this.#failure === null) {
      waiting.upTo = events.at(-1)?.event.seq ?? waiting.upTo;
      if (waiting.count === 0) this.#sent = waiting.upTo;
    }
    return waiting.count > 0 || waiting.overflowed || this.#failure !== null;
  }

  lost(reason: GapReason): void {
    this.#lost = reason;
    this.wake();
  }

  #wants(event: LoggedEvent): boolean {
    return this.#subscription.filter?.wants(event) ?? true;
  }

  #isSilent(): boolean {
    return this.#deps.clock.now().getTime() - this.#lastMessageAt >= this.#deps.options.heartbeatMs;
  }

  /** It has to go on as one that is not live, or not at all. */
  #isOver(): boolean {
    return this.#stopped || this.#lost !== null || this.#failure !== null;
  }

  async #nextReplayed(): Promise<Told> {
    this.#begin();
    this.#pulls += 1;
    try {
      while (!this.#stopped) {
        if (this.#failure !== null) throw this.#failure;
        if (this.#live !== null && !this.#isOver()) return this.next();
        this.#replay ??= this.#follow();
        const { done, value } = await this.#replay.next();
        if (!done) return this.#told(value);
        this.#replay = null;
      }
      this.#leaving = true;
      return { done: true, value: undefined };
    } catch (error) {
      this.end();
      throw error;
    } finally {
      this.#pulls -= 1;
      if (this.#leaving && this.#pulls === 0) this.#finish();
    }
  }

  #begin(): void {
    if (this.#state !== 'new') return;
    this.#state = 'served';
    const { signal } = this.#subscription;
    signal?.addEventListener('abort', this);
    if (signal?.aborted) this.#stopped = true;
    this.#deps.subscribers.add(this);
  }

  /** The signal's call. */
  handleEvent(): void {
    this.end();
  }

  #finish(): void {
    this.#state = 'ended';
    this.#replay = null;
    this.#release();
    this.#subscription.signal?.removeEventListener('abort', this);
    this.#deps.subscribers.delete(this);
    this.#end?.resolve();
  }

  #release(): void {
    this.#live = null;
    this.#taken?.reader.leave(this);
    this.#taken?.giveBack();
    this.#taken = null;
  }

  /** What comes before it is live, at one reader; at its end it is live, or `#lost` says why it has to begin anew. */
  async *#follow(): AsyncGenerator<FeedMessage, void> {
    this.#release();
    this.#taken = await this.#deps.readers.take(this.#subscription.projectId);
    const { reader } = this.#taken;
    const start = await this.#start(reader);
    const gap = this.#lost ?? start.gap;
    this.#lost = null;
    this.#after = null;
    if (gap === null) {
      this.#sent = start.after;
      yield* this.#catchUp(reader);
    } else {
      this.#goLive(reader);
      yield { kind: 'gap', reason: gap, oldestCursor: await reader.oldestCursor() };
    }
    if (this.#lost === null) this.#live = reader;
  }

  /** By the reader's history: the cursor may be of the one before. */
  async #start(reader: ProjectReader): Promise<{ after: bigint; gap: GapReason | null }> {
    if (this.#after === null) return { after: reader.position, gap: null };
    const start = reader.decode(this.#after);
    if (!start.ok) return { after: reader.position, gap: start.reason };
    return { after: start.seq, gap: (await reader.reaches(start.seq)) ? null : 'BEYOND_END' };
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
      await new Promise<void>((resolve) => {
        this.#retry = resolve;
      });
      this.#retry = null;
      return null;
    }
  }

  #goLive(reader: ProjectReader): void {
    if (reader.lost !== null) {
      this.lost(reader.lost);
      return;
    }
    this.#sent = reader.position;
    this.#waiting.beginAfter(reader.position);
    reader.listen(this);
  }

  /** The message that is due. Null: none is, or it is live no more. */
  #nextLive(reader: ProjectReader): FeedMessage | null {
    if (this.#isOver()) return null;
    if (this.#waiting.overflowed) return this.#last({ kind: 'overflow', cursor: reader.cursor(this.#sent) });
    if (this.#waiting.count > 0) return this.#takeBatch(reader);
    if (this.#deps.closing()) return this.#last(this.#heartbeat(reader));
    return this.#isSilent() ? this.#heartbeat(reader) : null;
  }

  /** It leaves when it is asked for more: then this one has arrived. */
  #last(message: FeedMessage): FeedMessage {
    this.#stopped = true;
    return message;
  }

  #takeBatch(reader: ProjectReader): FeedMessage {
    const events = this.#waiting.take();
    const after = this.#sent;
    this.#sent = this.#waiting.upTo;
    const { filter } = this.#subscription;
    return reader.batch({ filterKey: filter?.key ?? '', after, upTo: this.#sent, events });
  }

  #heartbeat(reader: ProjectReader): FeedMessage {
    return reader.heartbeat(this.#sent);
  }
}
