/** What a tar archive says of one entry of it. */
export type TarEntry = { name: string; type: 'file' | 'directory' | 'other'; mode: number; bytes: number };

/** What is told of an archive, in its order. */
export type TarSink = {
  begin(entry: TarEntry): void;
  /** Content of the entry that was begun last. The memory is the caller's: it may change after the call. */
  content(chunk: Buffer): void;
  end(): void;
};

const blockBytes = 512;
const checksumField = { from: 148, to: 156 } as const;

/**
 * Reads a tar archive (POSIX ustar, as PostgreSQL writes it) piece by piece, each at once: an archive of many gigabytes goes through
 * one process that has little time for it.
 */
export class TarReader {
  readonly #sink: TarSink;
  readonly #header = Buffer.alloc(blockBytes);
  #headerBytes = 0;
  /** Bytes of the present entry that have not come yet; null: between two entries. */
  #missing: number | null = null;
  #padding = 0;
  #ended = false;

  constructor(sink: TarSink) {
    this.#sink = sink;
  }

  /** True if the archive could end here. */
  get isComplete(): boolean {
    return this.#missing === null && this.#padding === 0 && this.#headerBytes === 0;
  }

  /** Takes the next piece. Throws where it is no archive. */
  take(piece: Buffer): void {
    for (let at = 0; at < piece.length && !this.#ended; ) {
      if (this.#missing !== null) at += this.#takeContent(piece.subarray(at, at + this.#missing));
      else if (this.#padding > 0) at += this.#skip(piece.length - at);
      else at += this.#takeHeader(piece.subarray(at, at + blockBytes - this.#headerBytes));
    }
  }

  #takeContent(chunk: Buffer): number {
    this.#sink.content(chunk);
    this.#missing = (this.#missing ?? 0) - chunk.length;
    if (this.#missing === 0) this.#endEntry();
    return chunk.length;
  }

  #endEntry(): void {
    this.#missing = null;
    this.#sink.end();
  }

  #skip(available: number): number {
    const skipped = Math.min(available, this.#padding);
    this.#padding -= skipped;
    return skipped;
  }

  #takeHeader(part: Buffer): number {
    part.copy(this.#header, this.#headerBytes);
    this.#headerBytes += part.length;
    if (this.#headerBytes === blockBytes) {
      this.#headerBytes = 0;
      this.#beginEntry();
    }
    return part.length;
  }

  #beginEntry(): void {
    // Blocks of zeros end an archive.
    if (this.#header[0] === 0) {
      this.#ended = true;
      return;
    }
    const entry = readHeader(this.#header);
    this.#sink.begin(entry);
    this.#missing = entry.bytes;
    this.#padding = (blockBytes - (entry.bytes % blockBytes)) % blockBytes;
    if (entry.bytes === 0) this.#endEntry();
  }
}

/** The places of the fields: POSIX.1-2017, pax, "ustar Interchange Format". */
function readHeader(header: Buffer): TarEntry {
  if (readNumber(header, checksumField.from, checksumField.to) !== checksumOf(header)) {
    throw new Error('The archive is damaged: an entry has another checksum than it says.');
  }
  const isUstar = header.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isUstar ? readText(header, 345, 500) : '';
  const name = readText(header, 0, 100);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    type: typeOf(header[156]),
    mode: readNumber(header, 100, 108) & 0o7777,
    bytes: header[156] === directoryFlag ? 0 : readNumber(header, 124, 136),
  };
}

const directoryFlag = 0x35;

function typeOf(flag: number | undefined): TarEntry['type'] {
  if (flag === 0x30 || flag === 0) return 'file';
  return flag === directoryFlag ? 'directory' : 'other';
}

function readText(header: Buffer, from: number, to: number): string {
  const end = header.indexOf(0, from);
  return header.toString('utf8', from, end === -1 || end > to ? to : end);
}

/** Octal digits; or, where the first bit is set, the number itself: so are sizes from 8 GiB on written. */
function readNumber(header: Buffer, from: number, to: number): number {
  if (((header[from] ?? 0) & 0x80) !== 0) return header.readUIntBE(to - 6, 6);
  const digits = header.toString('latin1', from, to).replaceAll(/[\0 ]/g, '');
  const number = Number.parseInt(digits === '' ? '0' : digits, 8);
  if (Number.isNaN(number)) throw new Error('The archive is damaged: an entry has a number that is none.');
  return number;
}

/** The sum of all bytes, with spaces in the place of the checksum. */
function checksumOf(header: Buffer): number {
  let sum = 0;
  for (let at = 0; at < header.length; at += 1) {
    sum += at >= checksumField.from && at < checksumField.to ? 0x20 : (header[at] ?? 0);
  }
  return sum;
}
