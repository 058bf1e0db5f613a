import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const pollMs = 10;

/** Whether the process runs. A zombie, dead but not yet reaped by its parent, counts as gone. */
export function processIsRunning(pid: number): boolean {
  return answersSignals(pid) && processStat(pid)?.state !== 'Z';
}

/** What tells a process from a later one that was given the same pid. Null: it is gone, or the system does not say. */
export function processIdentity(pid: number): string | null {
  const stat = processStat(pid);
  return stat === null ? null : `${bootId()}/${stat.startTime}`;
}

/** Waits until the process is gone. False: it still ran when the time was up. */
export async function processEnds(pid: number, { timeoutMs }: { timeoutMs: number }): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (processIsRunning(pid)) {
    if (performance.now() >= deadline) return false;
    // Nothing announces the end of a process that is not our child.
    await delay(pollMs);
  }
  return true;
}

/** Sends a signal. False: the process is gone already. */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false;
    throw error;
  }
}

/** The process's program and arguments. Null: it is gone, or the system does not say. */
export function commandLine(pid: number): string[] | null {
  return readOrNull(`/proc/${pid}/cmdline`)?.split('\0').slice(0, -1) ?? null;
}

function answersSignals(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

function processStat(pid: number): { state: string; startTime: string } | null {
  const text = readOrNull(`/proc/${pid}/stat`);
  if (text === null) return null;
  // proc_pid_stat(5): the second field, in parentheses, may itself hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, startTime] = [fields[0], fields[19]];
  return state === undefined || startTime === undefined ? null : { state, startTime };
}

/** Start times count from the boot of the host: without its id, those of two boots could be equal. */
function bootId(): string {
  return readOrNull('/proc/sys/kernel/random/boot_id')?.trim() ?? '';
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
