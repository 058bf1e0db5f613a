import { Readable } from 'node:stream';
import type { Extract } from 'tar-stream';

/** How much of the archive waits in memory for whoever reads the stream. */
const aheadBytes = 1024 * 1024;
/** The server sends 32 KiB at a time; each piece costs a turn of the compression's thread. */
const pieceBytes = 256 * 1024;

/**
 * A server's archive for two readers: the digest, and whoever has the stream. The server is read only while both are ready for more: the
 * slower one sets the pace, and memory stays small.
 */
export class PacedArchive {
  readonly stream: Readable;
  readonly #digest: Extract;
  readonly #ready = { digest: true, stream: true };
  readonly #pieces: Buffer[] = [];
  #gathered = 0;
  #resume = () => {};

  constructor(digest: Extract) {
    this.#digest = digest;
    this.stream = new Readable({ highWaterMark: aheadBytes, read: () => this.#goOn('stream') });
    digest.on('drain', () => this.#goOn('digest'));
  }

  /** What takes the archive as this query receives it. */
  takeFrom(query: { resume(): void }): (chunk: Buffer) => boolean {
    this.#resume = () => query.resume();
    return (chunk) => this.#take(chunk);
  }

  /** The stream comes to its end. */
  end(): void {
    this.stream.push(this.#gather());
    this.stream.push(null);
  }

  #take(chunk: Buffer): boolean {
    this.#ready.digest = this.#digest.write(chunk);
    this.#pieces.push(chunk);
    this.#gathered += chunk.length;
    if (this.#gathered >= pieceBytes) this.#ready.stream = this.stream.push(this.#gather());
    return this.#ready.digest && this.#ready.stream;
  }

  #goOn(who: 'digest' | 'stream'): void {
    this.#ready[who] = true;
    if (this.#ready.digest && this.#ready.stream) this.#resume();
  }

  #gather(): Buffer {
    this.#gathered = 0;
    return Buffer.concat(this.#pieces.splice(0));
  }
}
