import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { copyFile, type FileHandle, stat, truncate } from 'node:fs/promises';
import { withoutPaths } from '#lib/faults/withoutPaths.ts';
import type { ServerUser } from '#lib/host/serverUser.ts';
import { openLogFile } from '#lib/log/openLogFile.ts';

const rotateAtStartBytes = 4 * 1024 * 1024;
const largestBytes = 64 * 1024 * 1024;
const tailBytes = 8 * 1024;

/** Opens a server's log to append to. A long one is set aside first, in the place of the one before. */
export async function openServerLog(path: string, owner: ServerUser | null): Promise<FileHandle> {
  const log = await openLogFile(path, { maxBytes: rotateAtStartBytes });
  if (owner !== null) await log.chown(owner.uid, owner.gid);
  return log;
}

/** Keeps the log of a running server bounded. The server appends, so an emptied file goes on from its beginning. */
export async function boundServerLog(path: string): Promise<void> {
  const bytes = (await stat(path).catch(() => null))?.size ?? 0;
  if (bytes <= largestBytes) return;
  await copyFile(path, `${path}.1`);
  await truncate(path);
}

/** The last complaint in a server's log after byte `from`, without the places of files. Null: there is none. */
export function serverLogReason(path: string, from: number): string | null {
  const lines = tail(path, from).split('\n');
  const complaint = lines.findLast((line) => /\b(FATAL|PANIC|ERROR|error)\b/.test(line));
  return complaint === undefined ? null : withoutPaths(complaint.replace(/^.*?\b(FATAL|PANIC|ERROR):\s*/, ''));
}

function tail(path: string, from: number): string {
  let log: number;
  try {
    log = openSync(path, 'r');
  } catch {
    return '';
  }
  try {
    const { size } = fstatSync(log);
    const bytes = Buffer.alloc(Math.max(0, Math.min(size - from, tailBytes)));
    readSync(log, bytes, 0, bytes.length, size - bytes.length);
    return bytes.toString('utf8');
  } finally {
    closeSync(log);
  }
}
