import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { processEnds, processIdentity, signalProcess } from '#lib/host/processes.ts';
import type { InstanceLayout } from './instanceLayout.ts';
import type { PostgresqlInstance } from './postgresqlInstance.ts';

const endsWithinMs = 10_000;

export type ProgramRun = {
  name: 'initdb' | 'pg_rewind' | 'postgres';
  args: readonly string[];
  cwd: string;
  env?: Record<string, string>;
  /** What it reads. Left out: nothing. */
  input?: string;
  signal: AbortSignal;
};

/** A program of PostgreSQL ended badly. */
export class ProgramFailed extends Error {
  readonly stderr: string;
  constructor(name: string, how: string, stderr: string) {
    super(`${name} ended with ${how}`);
    this.stderr = stderr;
  }
}

/**
 * Runs a program of PostgreSQL on the instance's files, and waits for its end. It is written down meanwhile, for `endFormerProgram`.
 * Throws ProgramFailed.
 */
export async function runProgram(
  instance: Pick<PostgresqlInstance, 'program' | 'layout' | 'host'>,
  { name, args, cwd, env = {}, input = '', signal }: ProgramRun,
): Promise<void> {
  const { layout, host } = instance;
  signal.throwIfAborted();
  // A group of its own: what it starts itself ends with it.
  const child = spawn(instance.program(name), args, {
    ...{ cwd, env: { ...host.environment, LC_ALL: 'C', ...env } },
    ...{ detached: true, stdio: ['pipe', 'ignore', 'pipe'], ...host.serverUser },
  });
  const abort = () => endGroup(child.pid);
  try {
    if (child.pid !== undefined) writeFileSync(layout.programFile, JSON.stringify(identify(child.pid)));
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
    await endedWell(child, name, input);
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener('abort', abort);
    rmSync(layout.programFile, { force: true });
  }
}

type Identified = { pid: number; identity: string | null };

const identify = (pid: number): Identified => ({ pid, identity: processIdentity(pid) });

/**
 * Ends the program that an agent before this one began and that outlived it: two at once would destroy what they work on. The
 * superuser's password does not stay in the file that it was given in.
 */
export async function endFormerProgram({ layout }: Pick<PostgresqlInstance, 'layout'>): Promise<void> {
  await endIfRunning(layout);
  for (const path of [layout.initialPasswordFile, layout.rewindPasswordFile]) rmSync(path, { force: true });
}

async function endIfRunning(layout: InstanceLayout): Promise<void> {
  let former: Identified;
  try {
    former = JSON.parse(readFileSync(layout.programFile, 'utf8')) as Identified;
  } catch {
    return;
  }
  if (former.identity === null || processIdentity(former.pid) !== former.identity) return;
  endGroup(former.pid);
  await processEnds(former.pid, { timeoutMs: endsWithinMs });
}

function endGroup(pid: number | undefined): void {
  if (pid !== undefined) signalProcess(-pid, 'SIGKILL');
}

async function endedWell(child: ChildProcess, name: string, input: string): Promise<void> {
  // Where it ends before it has read this, its exit says so.
  child.stdin?.on('error', () => {});
  child.stdin?.end(input);
  const [stderr, [code, signal]] = await Promise.all([child.stderr ? text(child.stderr) : '', once(child, 'exit')]);
  if (code !== 0) throw new ProgramFailed(name, code === null ? `signal ${signal}` : `code ${code}`, stderr);
}
