import { basename } from 'node:path';
import { getSystemErrorMessage } from 'node:util';

/** What the operating system refused. */
export type SystemFault = {
  /** The system's own word, e.g. "ENOSPC". */
  code: string;
  /** What was refused, on what and why, without the place of a file. */
  message: string;
};

/** Reads an error of a system call. Null: it is something else, such as a bug. */
export function systemFault(error: unknown): SystemFault | null {
  if (!(error instanceof Error)) return null;
  const { code, errno, syscall, path } = error as NodeJS.ErrnoException;
  if (typeof code !== 'string' || typeof errno !== 'number') return null;
  const action = [syscall?.split(' ')[0], path === undefined ? undefined : basename(path)].filter(Boolean).join(' ');
  return { code, message: `${action}${action === '' ? '' : ': '}${getSystemErrorMessage(errno)} (${code})` };
}
