import { readFileSync } from 'node:fs';
import { setTimeout as idle } from 'node:timers/promises';
import { createdCluster } from '../support/clusterCalls.ts';
import { createGroveHome } from '../support/groveProcess.ts';
import { processesOf } from '../support/processTree.ts';
import { atMost, type Bench, type Figure, megabytes } from './benchmark.ts';

const idleMs = 15_000;
const limits = { server: 250e6, agent: 70e6 };

/** Physical memory of the server process and of its agents while nothing happens, a three-instance cluster having been made. */
export async function residentMemory({ closers, tell }: Bench): Promise<Figure[]> {
  const home = await createGroveHome();
  closers.add('the Grove of the memory benchmark', () => home.destroy());
  const grove = await home.start();
  await createdCluster(grove.client, { name: 'memory', instanceCount: 3 });
  tell(`a cluster of three is there; idle for ${idleMs / 1000} s`);
  await idle(idleMs);
  const server = residentBytes(grove.pid);
  const agents = processesOf(home.directory)
    .filter(({ command }) => command.includes('agent') && command.includes('--directory'))
    .map(({ pid }) => residentBytes(pid));
  if (agents.length !== 3) throw new Error(`There are ${agents.length} agents where there should be 3.`);
  tell(`server ${megabytes(server)}, agents ${agents.map(megabytes).join(', ')}`);
  return [
    atMost('resident memory of the server process, idle', server, limits.server, megabytes),
    atMost('resident memory of the largest agent', Math.max(...agents), limits.agent, megabytes),
  ];
}

function residentBytes(pid: number): number {
  // proc_pid_status(5): in KiB, whatever it says.
  const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  if (kibibytes === undefined) throw new Error(`Process ${pid} has no resident memory.`);
  return Number(kibibytes) * 1024;
}
