import type { Logger } from '#lib/log/logger.ts';
import type { Clock } from '#lib/time/clock.ts';
import type { Bus } from './bus.ts';
import type { Epoch } from './cursor.ts';
import type { EventLog } from './eventLog.ts';
import { ProjectReader } from './projectReader.ts';

type Entry = { reader: Promise<ProjectReader>; users: number; leaveBus: () => void };

type Source = { log: EventLog; bus: Bus; clock: Clock; logger: Logger; options: { ringSize: number }; epoch: Epoch };

/** A project's reader and the function that gives it back. */
export type TakenReader = { reader: ProjectReader; giveBack(): void };

/** The node's readers: one a project while somebody subscribes to it. */
export class ProjectReaders {
  readonly #log: EventLog;
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #ringSize: number;
  readonly #entries = new Map<string, Entry>();
  #epoch: Epoch;
  #lookingAround = false;
  #storeIsAway = false;

  constructor({ log, bus, clock, logger, options, epoch }: Source) {
    this.#log = log;
    this.#bus = bus;
    this.#clock = clock;
    this.#logger = logger;
    this.#ringSize = options.ringSize;
    this.#epoch = epoch;
  }

  /** The history that the store has now, as far as it was seen. */
  get epoch(): Epoch {
    return this.#epoch;
  }

  async take(projectId: string): Promise<TakenReader> {
    const entry = this.#entries.get(projectId) ?? this.#open(projectId);
    entry.users += 1;
    const giveBack = () => {
      entry.users -= 1;
      if (entry.users === 0) this.#drop(projectId, entry);
    };
    try {
      const reader = await entry.reader;
      if (reader.lost === null) return { reader, giveBack };
    } catch (error) {
      this.#drop(projectId, entry);
      throw error;
    }
    this.#drop(projectId, entry);
    return this.take(projectId);
  }

  /**
   * Looks at the logs without a wake-up: wake-ups may be lost. Also notices that the store has become another one, and does so while
   * there is no reader, too: cursors are read and written without one.
   */
  lookAround(): void {
    if (this.#lookingAround) return;
    this.#lookingAround = true;
    this.#compareHeads()
      .then(
        () => this.#storeAnswers(),
        (error) => this.storeFails(error),
      )
      .finally(() => {
        this.#lookingAround = false;
      });
  }

  close(): void {
    for (const [projectId, entry] of this.#entries) this.#drop(projectId, entry);
  }

  #open(projectId: string): Entry {
    const reader = ProjectReader.start({
      projectId,
      epoch: this.#epoch,
      log: this.#log,
      clock: this.#clock,
      ringSize: this.#ringSize,
    });
    // On the bus before the first read: what is committed after it sends a wake-up.
    const leaveBus = this.#bus.subscribe(`events:${projectId}`, () => {
      reader.then((started) => started.look()).catch((error) => this.storeFails(error));
    });
    const entry = { reader, users: 0, leaveBus };
    this.#entries.set(projectId, entry);
    return entry;
  }

  #drop(projectId: string, entry: Entry): void {
    entry.leaveBus();
    if (this.#entries.get(projectId) === entry) this.#entries.delete(projectId);
  }

  async #compareHeads(): Promise<void> {
    const readers = await Promise.all([...this.#entries.values()].map((entry) => entry.reader));
    // Positions from before the question: a reader may overtake the answer.
    const known = readers.map((reader) => ({ reader, position: reader.position }));
    const askedAt = this.#clock.now();
    const { epoch, seqs } = await this.#log.heads(known.map(({ reader }) => reader.projectId));
    this.#epoch = epoch;
    const behind = known.filter(({ reader, position }) => {
      // Each by its own epoch: one that was opened while the store was asked for its epoch is of the one before.
      if (!reader.isOf(epoch)) reader.lose('FOREIGN_EPOCH');
      const head = seqs.get(reader.projectId) ?? position;
      if (head < position) reader.lose('BEYOND_END');
      if (head === position) reader.sawEnd(askedAt);
      return head > position;
    });
    await Promise.all(behind.map(({ reader }) => reader.look()));
  }

  #storeAnswers(): void {
    if (this.#storeIsAway) this.#logger.info('The event log can be read again');
    this.#storeIsAway = false;
  }

  /** Says so once an outage. */
  storeFails(error: unknown): void {
    if (!this.#storeIsAway)
      this.#logger.warn({ err: error }, 'The event log cannot be read; trying again until it can');
    this.#storeIsAway = true;
  }
}
