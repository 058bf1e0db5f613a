import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createFile, ensureDirectory, listNames, readText } from './files.ts';

const unfinishedSuffix = '.new';

/** Names that one owner each may hold: a file by the name, made in one step, that says whose it is. */
export type Claims = {
  /** The owner's name: the one that it holds already, else the first of the candidates that is free. Null: none is. */
  claim(owner: string, candidates: Iterable<string> | AsyncIterable<string>): Promise<string | null>;
  /** Every name of the owner is free again. */
  release(owner: string): Promise<void>;
};

export function createClaims(directory: string): Claims {
  const pathOf = (name: string) => join(directory, name);
  const unfinishedOf = (owner: string) => pathOf(`${owner}${unfinishedSuffix}`);

  async function names(): Promise<string[]> {
    return (await listNames(directory)).filter((name) => !name.endsWith(unfinishedSuffix));
  }

  async function namesOf(owner: string): Promise<string[]> {
    const entries = await Promise.all(
      (await names()).map(async (name) => ({ name, holder: await readText(pathOf(name)) })),
    );
    return entries.filter(({ holder }) => holder === owner).map(({ name }) => name);
  }

  return {
    async claim(owner, candidates) {
      const [held] = await namesOf(owner);
      if (held !== undefined) {
        // Whoever died right after it had the name could not clear away.
        await rm(unfinishedOf(owner), { force: true });
        return held;
      }
      await ensureDirectory(directory, 0o700);
      const taken = new Set(await names());
      for await (const candidate of candidates) {
        if (taken.has(candidate)) continue;
        if (await createFile(pathOf(candidate), owner, unfinishedOf(owner))) return candidate;
      }
      return null;
    },
    async release(owner) {
      const held = (await namesOf(owner)).map(pathOf);
      for (const path of [...held, unfinishedOf(owner)]) await rm(path, { force: true });
    },
  };
}
