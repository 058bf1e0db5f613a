import { readFile } from 'node:fs/promises';
import { replaceFile } from '#lib/files/replaceFile.ts';
import type { AccessPolicy, ServerAddress } from '../commands.ts';

/** What an instance is to be, as the last commands left it. */
export type InstanceState = {
  /** `none`: never initialised. */
  wanted: 'none' | 'running' | 'stopped';
  /** The server that it follows. Null: none. */
  upstream: (ServerAddress & { slotName: string }) | null;
  access: AccessPolicy;
  /** On a primary: names of the replicas of which one must have each commit before it is acknowledged. Absent: none. */
  synchronousStandbys?: readonly string[];
  /**
   * A token for each promotion that its data have gone through, the oldest first. A timeline's number and where it began do not tell
   * two promotions apart: after an orderly stop two replicas begin the same timeline at the same place. Absent: none.
   */
  promotions?: readonly string[];
  /** Since when it has been stopping, or is stopped, to hand its role over (ISO 8601). Absent or null: it is not. */
  stoppingSince?: string | null;
  /** True while its first server replays the WAL that came with a part of a backup: nobody may sign in yet. */
  recovering: boolean;
};

const nothing: InstanceState = {
  wanted: 'none',
  upstream: null,
  access: { clients: [], peers: [] },
  recovering: false,
};

/** Reads `state.json`. An instance without one was never initialised. */
export async function readInstanceState(path: string): Promise<InstanceState> {
  const text = await readIfPresent(path);
  return text === null ? nothing : { ...nothing, ...(JSON.parse(text) as Partial<InstanceState>) };
}

/** On return the state survives a crash of the host: a former primary must not come up as one because its state was lost. */
export async function writeInstanceState(path: string, state: InstanceState): Promise<void> {
  await replaceFile(path, `${JSON.stringify(state, null, 2)}\n`, { durable: true });
}

/** Reads `secrets.json`: the cluster's secrets by name, as the last command brought them. */
export async function readSecrets(path: string): Promise<Record<string, string>> {
  const text = await readIfPresent(path);
  return text === null ? {} : (JSON.parse(text) as Record<string, string>);
}

async function readIfPresent(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
