import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { processIsRunning } from '#lib/host/processes.ts';

export type RunningProcess = { pid: number; parent: number; command: string[]; environment: string };

/** The processes of this host that can be looked into. Linux only. */
export function runningProcesses(): RunningProcess[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        if (state === 'Z') return [];
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0').slice(0, -1);
        return [
          {
            pid: Number(name),
            parent: Number(parent),
            command,
            environment: readFileSync(`/proc/${name}/environ`, 'utf8'),
          },
        ];
      } catch {
        return [];
      }
    });
}

/** A process and all that it started, directly or not. */
export function processTree(pid: number): RunningProcess[] {
  const all = runningProcesses();
  const below = (parent: number): RunningProcess[] =>
    all.filter((process) => process.parent === parent).flatMap((child) => [child, ...below(child.pid)]);
  return [...all.filter((process) => process.pid === pid), ...below(pid)];
}

/** The processes that have to do with a directory: named on their command line or in their environment. */
export function processesOf(directory: string): RunningProcess[] {
  return runningProcesses().filter(
    ({ pid, command, environment }) =>
      pid !== process.pid && (command.some((word) => word.includes(directory)) || environment.includes(directory)),
  );
}

/** Kills with SIGKILL and returns when all are gone. */
export async function killAll(processes: readonly { pid: number }[]): Promise<void> {
  for (const { pid } of processes) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has gone by itself.
    }
  }
  while (processes.some(({ pid }) => processIsRunning(pid))) await pause(20);
}
