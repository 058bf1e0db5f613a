import { processEnds, processIdentity, signalProcess } from '#lib/host/processes.ts';
import { ProviderError } from '#providers/provider.ts';
import { topmost } from './instanceProcesses.ts';
import type { ProcessEntry } from './processTable.ts';

/** How long an agent gets to end by itself, in milliseconds. */
const agentGraceMs = 2_000;
/** How long a server gets to clear away after itself once it was told to quit at once. */
const serverGraceMs = 2_000;
/** What has not died this long after SIGKILL hangs in the kernel. */
const killGraceMs = 1_000;
const maxKills = 8;

/** Ends the agent: in order with `grace`, else at once. Without it nobody restarts the server. */
export async function stopAgent(pid: number, { grace }: { grace: boolean }): Promise<void> {
  if (grace && signalProcess(pid, 'SIGTERM') && (await processEnds(pid, { timeoutMs: agentGraceMs }))) return;
  signalProcess(pid, 'SIGKILL');
  await processEnds(pid, { timeoutMs: killGraceMs });
}

/**
 * Ends every process that `list` answers, and again until it answers none. First SIGQUIT to the topmost: servers take it for
 * "at once, but leave no shared memory behind"; then SIGKILL to all.
 */
export async function stopProcesses(list: () => Promise<ProcessEntry[]>, what: string): Promise<void> {
  const first = await identified(list);
  for (const { pid } of topmost(first)) signalProcess(pid, 'SIGQUIT');
  await allEnd(first, serverGraceMs);
  for (let round = 0; round < maxKills; round++) {
    const left = await identified(list);
    if (left.length === 0) return;
    for (const { pid, identity } of left) if (processIdentity(pid) === identity) signalProcess(pid, 'SIGKILL');
    await allEnd(left, killGraceMs);
  }
  const pids = (await list()).map(({ pid }) => pid);
  if (pids.length === 0) return;
  throw new ProviderError(`Processes of ${what} do not end: ${pids.join(', ')}. They may wait for a disk that hangs.`, {
    retryable: true,
  });
}

type Identified = ProcessEntry & { identity: string | null };

async function identified(list: () => Promise<ProcessEntry[]>): Promise<Identified[]> {
  return (await list()).map((entry) => ({ ...entry, identity: processIdentity(entry.pid) }));
}

async function allEnd(processes: readonly ProcessEntry[], timeoutMs: number): Promise<void> {
  await Promise.all(processes.map(({ pid }) => processEnds(pid, { timeoutMs })));
}
