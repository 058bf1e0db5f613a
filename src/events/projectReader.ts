import { inTurn } from '#lib/flow/inTurn.ts';
import type { Clock } from '#lib/time/clock.ts';
import { type DecodedCursor, decodeCursor, type Epoch, encodeCursor } from './cursor.ts';
import type { LoggedEvent } from './event.ts';
import type { EventLog } from './eventLog.ts';
import type { FeedMessage, GapReason } from './subscription.ts';

/** An event and about how many bytes it takes as JSON. */
export type WeighedEvent = { event: LoggedEvent; bytes: number };

/** Who is at the reader's position and is handed what comes after it. */
export type LiveListener = {
  /** Every event since the last offer, in order. True: it is to be woken. */
  offer(events: WeighedEvent[]): boolean;
  /** Has it tell its consumer what is due. */
  wake(): void;
  /** The history that the reader followed is no more: what follows belongs to another. */
  lost(reason: GapReason): void;
};

const PAGE = 500;
const PRELOADED = 1_000;
const ENVELOPE_BYTES = 300;

type Batch = Extract<FeedMessage, { kind: 'batch' }>;
type Heartbeat = Extract<FeedMessage, { kind: 'heartbeat' }>;

/** What a live subscriber is sent: the events after `after` up to `upTo` that its filter wants. */
export type LiveBatch = { filterKey: string; after: bigint; upTo: bigint; events: LoggedEvent[] };

type Source = { projectId: string; epoch: Epoch; log: EventLog; clock: Clock; ringSize: number };

/** Follows the log of one project for all its subscribers on this node, and keeps the newest events. */
export class ProjectReader {
  readonly projectId: string;
  readonly #epoch: Epoch;
  readonly #log: EventLog;
  readonly #clock: Clock;
  readonly #ringSize: number;
  readonly #listeners = new Set<LiveListener>();
  /** Contiguous, the last one at `position`. */
  #ring: WeighedEvent[];
  #position: bigint;
  /** Nothing was committed after `position` by then. */
  #sawEndAt: Date;
  #looking: Promise<void> | null = null;
  #lookAgain = false;
  #lost: GapReason | null = null;
  /** Those of this moment: what is read next makes others. */
  readonly #batches = new Map<string, Batch>();
  #beat: Heartbeat | null = null;

  constructor(source: Source & { newest: LoggedEvent[]; position: bigint; sawEndAt: Date }) {
    this.projectId = source.projectId;
    this.#epoch = source.epoch;
    this.#log = source.log;
    this.#clock = source.clock;
    this.#ringSize = source.ringSize;
    this.#ring = source.newest.map(weigh);
    this.#position = source.position;
    this.#sawEndAt = source.sawEndAt;
  }

  /** Keeps some of the newest events from the start, so that a crowd that comes back is replayed from memory. */
  static async start(source: Source): Promise<ProjectReader> {
    const { log, projectId, ringSize, clock } = source;
    const sawEndAt = clock.now();
    const newest = await log.newest(projectId, Math.min(ringSize, PRELOADED));
    const position = newest.at(-1)?.seq ?? (await log.beforeOldest(projectId));
    return new ProjectReader({ ...source, newest, position, sawEndAt });
  }

  /** The sequence number of the last event that was read. */
  get position(): bigint {
    return this.#position;
  }

  /** Why it follows its history no more. Null while it does. */
  get lost(): GapReason | null {
    return this.#lost;
  }

  isOf(epoch: Epoch): boolean {
    return this.#epoch.equals(epoch);
  }

  decode(cursor: string): DecodedCursor {
    return decodeCursor(this.#epoch, cursor);
  }

  cursor(seq: bigint): string {
    return encodeCursor(this.#epoch, seq);
  }

  async oldestCursor(): Promise<string> {
    return this.cursor(await this.#log.beforeOldest(this.projectId));
  }

  /** From now on the listener is handed every event after `position`. */
  listen(listener: LiveListener): void {
    this.#listeners.add(listener);
  }

  leave(listener: LiveListener): void {
    this.#listeners.delete(listener);
  }

  /** The same object for whoever is sent the same. */
  batch({ filterKey, after, upTo, events }: LiveBatch): Batch {
    const key = `${after} ${upTo} ${filterKey}`;
    const batch = this.#batches.get(key) ?? { kind: 'batch', events, cursor: this.cursor(upTo) };
    this.#batches.set(key, batch);
    return batch;
  }

  /** The same object for whoever is at the same place until the log is looked at again. */
  heartbeat(seq: bigint): Heartbeat {
    const cursor = this.cursor(seq);
    const at = this.#sawEndAt;
    if (this.#beat?.cursor !== cursor || this.#beat.at !== at) this.#beat = { kind: 'heartbeat', cursor, at };
    return this.#beat;
  }

  /** At that time nothing was committed after `position`. */
  sawEnd(at: Date): void {
    if (at > this.#sawEndAt) this.#sawEndAt = at;
  }

  /**
   * The events after `seq` as far as one page goes; not contiguous with it if the log no longer holds them. Never goes beyond
   * `position`: what is committed after it is handed to the listeners.
   */
  async page(seq: bigint): Promise<LoggedEvent[]> {
    const oldest = this.#ring[0]?.event.seq;
    if (oldest !== undefined && oldest <= seq + 1n) {
      const start = Number(seq + 1n - oldest);
      return this.#ring.slice(start, start + PAGE).map(({ event }) => event);
    }
    const events = await this.#log.replayAfter(this.projectId, seq, PAGE);
    return events.filter((event) => event.seq <= this.#position);
  }

  /** False: `seq` lies beyond the end of the log. */
  async reaches(seq: bigint): Promise<boolean> {
    // Another node may have sent what this one has not read yet.
    if (seq > this.#position) await this.look();
    return seq <= this.#position;
  }

  /** Everything that was committed before the call has been read when it ends. */
  look(): Promise<void> {
    this.#lookAgain = true;
    this.#looking ??= this.#readToEnd();
    return this.#looking;
  }

  lose(reason: GapReason): void {
    if (this.#lost !== null) return;
    this.#lost = reason;
    for (const listener of this.#listeners) listener.lost(reason);
  }

  async #readToEnd(): Promise<void> {
    try {
      while (this.#lookAgain && this.#lost === null) {
        this.#lookAgain = false;
        const askedAt = this.#clock.now();
        const events = await this.#log.after(this.projectId, this.#position, PAGE);
        // Not the next page before: it would pile up before those whose turn has not come, as if they were slow.
        await inTurn(this.#take(events), (listener) => listener.wake());
        if (events.length === PAGE) this.#lookAgain = true;
        else this.sawEnd(askedAt);
      }
    } finally {
      this.#looking = null;
    }
  }

  /** One turn from reading to handing on: whoever joins sees either all of it or none. Returns who is to be woken. */
  #take(events: LoggedEvent[]): LiveListener[] {
    if (events.length === 0 || this.#lost !== null) return [];
    if (!continues(this.#position, events)) {
      this.lose('OUT_OF_RETENTION');
      return [];
    }
    const weighed = events.map(weigh);
    this.#batches.clear();
    this.#ring.push(...weighed);
    // Cut in large pieces: cutting moves the whole array.
    if (this.#ring.length > this.#ringSize * 2) this.#ring = this.#ring.slice(-this.#ringSize);
    this.#position += BigInt(events.length);
    return [...this.#listeners].filter((listener) => listener.offer(weighed));
  }
}

/** True if the events, in order and all after `seq`, begin right after it and leave none out. */
export function continues(seq: bigint, events: LoggedEvent[]): boolean {
  return events.at(-1)?.seq === seq + BigInt(events.length);
}

function weigh(event: LoggedEvent): WeighedEvent {
  return { event, bytes: ENVELOPE_BYTES + JSON.stringify(event.payload).length };
}
