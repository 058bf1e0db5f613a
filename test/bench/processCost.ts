import { readFileSync } from 'node:fs';

/** USER_HZ, which is 100 on every Linux that runs Node. */
const tickMs = 10;

/** The processor time that a process has used, in milliseconds. */
export function processorMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // proc_pid_stat(5): utime and stime are the 14th and 15th field, counted behind the name.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * tickMs;
}
