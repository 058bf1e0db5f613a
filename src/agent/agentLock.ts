import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { processIdentity, processIsRunning } from '#lib/host/processes.ts';

/** Names the one agent of an instance directory. */
const agentLockFile = 'agent.lock';

export type AgentLock = { release(): Promise<void> };

type Holder = { pid: number; identity: string | null };

/** Takes the lock of an instance directory for this process. Null: another agent that runs has it. */
export async function takeAgentLock(directory: string): Promise<AgentLock | null> {
  const path = join(directory, agentLockFile);
  const mine = `${path}.${process.pid}`;
  await writeFile(mine, JSON.stringify({ pid: process.pid, identity: processIdentity(process.pid) } satisfies Holder));
  try {
    // A link appears whole or not at all, and fails if the name is taken: of two agents that start together one wins.
    while (!(await links(mine, path))) {
      if (await isHeld(path)) return null;
      await setAside(path);
    }
  } finally {
    await rm(mine, { force: true });
  }
  return { release: () => rm(path, { force: true }) };
}

async function isHeld(path: string): Promise<boolean> {
  const text = await readFile(path, 'utf8').catch(() => null);
  if (text === null) return false;
  const { pid, identity } = JSON.parse(text) as Holder;
  return pid !== process.pid && processIsRunning(pid) && processIdentity(pid) === identity;
}

/** Removes the lock of an agent that is gone, unless a new one has taken its place in the meantime. */
async function setAside(path: string): Promise<void> {
  const aside = `${path}.${process.pid}.old`;
  await rename(path, aside).catch(ignoreAbsent);
  if (await isHeld(aside)) await links(aside, path);
  await rm(aside, { force: true });
}

function ignoreAbsent(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

async function links(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
