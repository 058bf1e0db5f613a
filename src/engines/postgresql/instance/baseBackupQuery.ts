import type { Connection, Submittable } from 'pg';

/** What a base backup is made of, in the order in which the server sends it. */
export type BaseBackupSink = {
  /** Before the first byte. `bytes`: about how much will come; `tablespaces`: places besides the data directory. */
  begins(facts: { bytes: number; tablespaces: number }): void;
  /** Content of the archive (tar). False: no more for now; `resume` when there may be more. */
  archive(chunk: Buffer): boolean;
  /** Content of the backup manifest, after the archive. */
  manifest(chunk: Buffer): void;
};

/** A place in the write-ahead log. */
export type WalPosition = { lsn: string; timeline: number };

/** Memory is taken in pieces so large that they go back to the system as soon as nobody needs them. */
const slabBytes = 256 * 1024;

type Row = { fields: (string | null)[] };

/** Kinds of CopyData in the answer to BASE_BACKUP: PostgreSQL's documentation, "Streaming Replication Protocol". */
const kinds = { newArchive: 0x6e, content: 0x64, progress: 0x70, manifest: 0x6d } as const;

/**
 * The replication command BASE_BACKUP (PostgreSQL 15 and newer) as a query of node-postgres. `done` settles when the server has
 * sent everything.
 */
export class BaseBackupQuery implements Submittable {
  readonly done: Promise<void>;
  /** Where the backup begins and, once it is done, where its data are consistent. Null: not told yet. */
  readonly positions: { start: WalPosition | null; end: WalPosition | null } = { start: null, end: null };
  readonly #text: string;
  readonly #sink: BaseBackupSink;
  readonly #lends: boolean;
  readonly #settle: { resolve: () => void; reject: (error: Error) => void };
  #connection: Connection | null = null;
  #results = 0;
  #bytes = 0;
  #tablespaces = 0;
  #inManifest = false;
  #slab = Buffer.alloc(0);
  #slabUsed = 0;

  /** @param lends the archive's chunks are node-postgres' own memory, which it uses again: for a sink that is done with each at once */
  constructor(text: string, sink: BaseBackupSink, { lends = false }: { lends?: boolean } = {}) {
    this.#text = text;
    this.#sink = sink;
    this.#lends = lends;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.done = promise;
    this.#settle = { resolve, reject };
  }

  submit(connection: Connection): void {
    this.#connection = connection;
    connection.query(this.#text);
  }

  resume(): void {
    this.#connection?.stream.resume();
  }

  /** Three results: where the backup starts, the tablespaces, where it ends. */
  handleRowDescription(): void {
    this.#results += 1;
  }

  handleDataRow({ fields }: Row): void {
    if (this.#results === 1) this.positions.start = positionOf(fields);
    if (this.#results === 3) this.positions.end = positionOf(fields);
    if (this.#results !== 2) return;
    const [oid, , kibibytes] = fields;
    if (oid !== null && oid !== undefined) this.#tablespaces += 1;
    this.#bytes += Number(kibibytes ?? 0) * 1024;
  }

  handleCommandComplete(): void {
    if (this.#results === 2) this.#sink.begins({ bytes: this.#bytes, tablespaces: this.#tablespaces });
  }

  handleCopyData({ chunk }: { chunk: Buffer }): void {
    switch (chunk[0]) {
      case kinds.content:
        this.#content(chunk.subarray(1));
        break;
      case kinds.manifest:
        this.#inManifest = true;
        break;
      case kinds.newArchive:
      case kinds.progress:
        break;
      default:
        this.#connection?.stream.destroy(new Error(`Unknown kind of base backup data: ${chunk[0]}`));
    }
  }

  handleReadyForQuery(): void {
    this.#settle.resolve();
  }

  handleError(error: Error): void {
    this.#settle.reject(error);
  }

  handlePortalSuspended(): void {}
  handleEmptyQuery(): void {}

  #content(bytes: Buffer): void {
    if (this.#inManifest) this.#sink.manifest(this.#copied(bytes));
    else if (!this.#sink.archive(this.#lends ? bytes : this.#copied(bytes))) this.#connection?.stream.pause();
  }

  /** node-postgres uses the memory of a message again for later ones. */
  #copied(bytes: Buffer): Buffer {
    if (this.#slabUsed + bytes.length > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, bytes.length));
      this.#slabUsed = 0;
    }
    const copy = this.#slab.subarray(this.#slabUsed, this.#slabUsed + bytes.length);
    this.#slabUsed += bytes.length;
    bytes.copy(copy);
    return copy;
  }
}

function positionOf([lsn, timeline]: Row['fields']): WalPosition | null {
  return lsn == null || timeline == null ? null : { lsn, timeline: Number(timeline) };
}
