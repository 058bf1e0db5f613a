import { readFile } from 'node:fs/promises';
import { replaceFile } from '#lib/files/replaceFile.ts';
import type { CommandOutcome } from './protocol.ts';

const kept = 200;

/** How the last commands ended, on disk: a command that is delivered again is answered from here and not run again. */
export class CommandRecord {
  readonly #path: string;
  readonly #outcomes: Map<string, CommandOutcome>;
  #written: Promise<void> = Promise.resolve();

  private constructor(path: string, outcomes: Map<string, CommandOutcome>) {
    this.#path = path;
    this.#outcomes = outcomes;
  }

  static async open(path: string): Promise<CommandRecord> {
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '[]';
      throw error;
    });
    return new CommandRecord(path, new Map(JSON.parse(text) as [string, CommandOutcome][]));
  }

  outcome(commandId: string): CommandOutcome | null {
    return this.#outcomes.get(commandId) ?? null;
  }

  /** On return the outcome survives a crash. */
  async add(commandId: string, outcome: CommandOutcome): Promise<void> {
    this.#outcomes.set(commandId, outcome);
    for (const oldest of this.#outcomes.keys()) {
      if (this.#outcomes.size <= kept) break;
      this.#outcomes.delete(oldest);
    }
    // One after another: commands may end at once, and the file has one writer at a time.
    this.#written = this.#written
      .catch(() => {})
      .then(() => replaceFile(this.#path, JSON.stringify([...this.#outcomes])));
    await this.#written;
  }
}
