import { execFile } from 'node:child_process';
import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { instanceVariable } from '#agent/protocol.ts';

/** A running process, as far as one may look at it. */
export type ProcessEntry = {
  pid: number;
  parentPid: number;
  uid: number;
  /** True: a person's terminal controls it. */
  hasTerminal: boolean;
  /** The instance that its environment names. Null: none, or not readable. */
  instanceId: string | null;
  /** Its working directory. Null: not known. */
  cwd: string | null;
};

/** Every process that runs now; the dead that nobody has reaped are left out. */
export async function listProcesses(): Promise<ProcessEntry[]> {
  const pids = await readdir('/proc').then(
    (names) => names.filter((name) => /^\d+$/.test(name)),
    () => null,
  );
  if (pids === null || pids.length === 0) return listByPs();
  const entries = await Promise.all(pids.map((pid) => readProcess(Number(pid))));
  return entries.filter((entry) => entry !== null);
}

async function readProcess(pid: number): Promise<ProcessEntry | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => null);
  if (text === null) return null;
  // proc_pid_stat(5): the second field, in parentheses, may itself hold spaces and parentheses.
  const [state, parentPid, , , terminal] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  if (state === 'Z' || state === 'X') return null;
  const [environment, cwd, owner] = await Promise.all([
    readFile(`/proc/${pid}/environ`, 'latin1').catch(() => ''),
    readlink(`/proc/${pid}/cwd`).catch(() => null),
    stat(`/proc/${pid}`).catch(() => null),
  ]);
  if (owner === null) return null;
  const mark = environment.split('\0').find((entry) => entry.startsWith(`${instanceVariable}=`));
  return {
    pid,
    parentPid: Number(parentPid),
    uid: owner.uid,
    hasTerminal: terminal !== '0',
    instanceId: mark?.slice(instanceVariable.length + 1) ?? null,
    cwd,
  };
}

/** Where there is no /proc (macOS): the environment of one's own processes, and no working directories. */
async function listByPs(): Promise<ProcessEntry[]> {
  const columns = 'pid=,ppid=,uid=,stat=,tty=,command=';
  const { stdout } = await promisify(execFile)('ps', ['-A', '-E', '-ww', '-o', columns], {
    maxBuffer: 64 * 1024 * 1024,
  });
  return parsePs(stdout);
}

export function parsePs(output: string): ProcessEntry[] {
  const linePattern = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(\S+)\s+(.*)$/;
  const markPattern = new RegExp(`(?:^|\\s)${instanceVariable}=(\\S+)`);
  return output.split('\n').flatMap((line) => {
    const [, pid, parentPid, uid, state, terminal, command] = linePattern.exec(line) ?? [];
    if (pid === undefined || state?.startsWith('Z') !== false) return [];
    return {
      pid: Number(pid),
      parentPid: Number(parentPid),
      uid: Number(uid),
      hasTerminal: !/^[?-]+$/.test(terminal ?? ''),
      instanceId: markPattern.exec(command ?? '')?.[1] ?? null,
      cwd: null,
    };
  });
}
