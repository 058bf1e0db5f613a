import type { ProcessEntry } from './processTable.ts';

export type ProcessOwner = {
  instanceId: string;
  /** The instance's directory, resolved. */
  directory: string;
  /** Users that the instance's programs run as. */
  uids: readonly number[];
};

/**
 * The processes of one instance. Those whose environment names it, and all that they started. Also those of its users that
 * work inside its directory without a terminal: a server's children may overwrite their environment (PostgreSQL's do) and
 * outlive their parent, while a person's shell in there is to be left alone. Never this process or those above it.
 */
export function instanceProcesses(
  processes: readonly ProcessEntry[],
  { instanceId, directory, uids }: ProcessOwner,
  ownPid: number,
): ProcessEntry[] {
  const untouchable = withAncestors(processes, ownPid);
  const worksInside = ({ cwd, hasTerminal, uid }: ProcessEntry) =>
    !hasTerminal && uids.includes(uid) && cwd !== null && isWithin(cwd, directory);
  const members = new Set<number>();
  let found = processes.filter((entry) => entry.instanceId === instanceId || worksInside(entry));
  while (found.length > 0) {
    for (const { pid } of found) members.add(pid);
    found = processes.filter(({ pid, parentPid }) => !members.has(pid) && members.has(parentPid));
  }
  return processes.filter(({ pid }) => members.has(pid) && !untouchable.has(pid));
}

/** Those whose parent is not one of them. */
export function topmost(processes: readonly ProcessEntry[]): ProcessEntry[] {
  const pids = new Set(processes.map(({ pid }) => pid));
  return processes.filter(({ parentPid }) => !pids.has(parentPid));
}

function withAncestors(processes: readonly ProcessEntry[], ownPid: number): Set<number> {
  const parents = new Map(processes.map(({ pid, parentPid }) => [pid, parentPid]));
  const line = new Set<number>();
  for (let pid: number | undefined = ownPid; pid !== undefined && !line.has(pid); pid = parents.get(pid)) line.add(pid);
  return line;
}

/** Linux adds " (deleted)" to the path of a directory that is gone. */
function isWithin(cwd: string, directory: string): boolean {
  return cwd === directory || cwd.startsWith(`${directory}/`) || cwd === `${directory} (deleted)`;
}
