import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { realpath } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename } from 'node:path';
import { instanceVariable } from '#agent/protocol.ts';
import { systemFault } from '#lib/faults/systemFault.ts';
import { replaceFile } from '#lib/files/replaceFile.ts';
import { commandLine, processIdentity, processIsRunning } from '#lib/host/processes.ts';
import { openLogFile } from '#lib/log/openLogFile.ts';
import { type InstanceRef, ProviderError } from '#providers/provider.ts';
import { readJson, readText } from './files.ts';
import { topmost } from './instanceProcesses.ts';
import type { Layout } from './layout.ts';
import type { ProcessEntry } from './processTable.ts';

/** A program and its arguments. `env` is added to the few variables that agents get. */
export type AgentProgram = { program: string; args: string[]; env?: Record<string, string> };

/** An agent's log is put aside when it starts and the log is larger than this. */
const maxLogBytes = 5 * 1024 * 1024;

/** `identity` tells the process from a later one with the same pid. Null where the system does not say. */
type PidRecord = { pid: number; identity: string | null };

export type AgentProcessesOptions = {
  layout: Layout;
  agentCommand(instanceDirectory: string): AgentProgram;
  processesOf(instance: InstanceRef): Promise<ProcessEntry[]>;
};

export type AgentProcesses = {
  /** The pid of the instance's running agent. Null: none runs. */
  find(instance: InstanceRef): Promise<number | null>;
  /** Runs the agent, detached, unless it runs. */
  ensure(instance: InstanceRef): Promise<void>;
};

export function createAgentProcesses(options: AgentProcessesOptions): AgentProcesses {
  const { layout } = options;
  return {
    find: (instance) => findAgent(options, instance),
    async ensure(instance) {
      const pid = (await findAgent(options, instance)) ?? (await startAgent(options, instance));
      const record = JSON.stringify({ pid, identity: processIdentity(pid) } satisfies PidRecord);
      const { pidFile } = layout.instance(instance);
      if ((await readText(pidFile)) !== record) await replaceFile(pidFile, record, { mode: 0o644 });
    },
  };
}

async function findAgent(
  { layout, agentCommand, processesOf }: AgentProcessesOptions,
  instance: InstanceRef,
): Promise<number | null> {
  const { pidFile, directory } = layout.instance(instance);
  const record = await readJson<PidRecord>(pidFile);
  if (record !== null && isSameProcess(record)) return record.pid;
  // Not recorded, or not for sure: its starter died before it could write the record, or the system has no identities.
  const candidates = topmost(await processesOf(instance));
  const command = agentCommand(directory);
  for (const { pid } of candidates) if (await runsCommand(pid, command)) return pid;
  return candidates.find(({ pid }) => record?.identity === null && pid === record.pid)?.pid ?? null;
}

async function startAgent({ layout, agentCommand }: AgentProcessesOptions, instance: InstanceRef): Promise<number> {
  const { directory, logFile } = layout.instance(instance);
  const { program, args, env } = agentCommand(directory);
  const log = await openLogFile(logFile, { maxBytes: maxLogBytes });
  try {
    const child = spawn(program, args, {
      cwd: '/',
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      env: { ...baseEnvironment(), ...env, [instanceVariable]: instance.instanceId },
    });
    await once(child, 'spawn');
    child.unref();
    return child.pid ?? Number.NaN;
  } catch (error) {
    const fault = systemFault(error);
    if (fault === null) throw error;
    const message = `The agent program ${basename(program)} cannot be started: ${fault.message}.`;
    throw new ProviderError(message, { retryable: true, cause: error });
  } finally {
    await log.close();
  }
}

function isSameProcess({ pid, identity }: PidRecord): boolean {
  return identity !== null && processIsRunning(pid) && processIdentity(pid) === identity;
}

/** By its executable, or by its arguments where the program is a script that an interpreter runs. */
async function runsCommand(pid: number, { program, args }: AgentProgram): Promise<boolean> {
  const [executable, wanted] = await Promise.all([
    realpath(`/proc/${pid}/exe`).catch(() => null),
    realpath(program).catch(() => program),
  ]);
  if (executable === wanted) return true;
  const running = commandLine(pid);
  return args.length > 0 && running !== null && running.slice(-args.length).join('\0') === args.join('\0');
}

function baseEnvironment(): Record<string, string> {
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: homedir(),
    LANG: 'C.UTF-8',
  };
}
