import { open } from 'node:fs/promises';
import { join } from 'node:path';

/** What pg_control tells of a server that does not run. */
export type ControlFile = {
  /** True: the last thing in its WAL is the checkpoint of an orderly stop as a primary. */
  shutDown: boolean;
  /** Where the last checkpoint begins. */
  checkpointLsn: string;
  timeline: number;
};

/** DB_SHUTDOWNED in PostgreSQL's src/include/catalog/pg_control.h. */
const shutDownState = 1;

/**
 * Reads `global/pg_control`: not every package of PostgreSQL has pg_controldata. The first fields of ControlFileData have had these
 * places since PostgreSQL 11, in the byte order of the machine: state at 16, checkPoint at 32, checkPointCopy.ThisTimeLineID at 48.
 */
export async function readControlFile(dataDirectory: string): Promise<ControlFile> {
  const file = await open(join(dataDirectory, 'global/pg_control'));
  const bytes = Buffer.alloc(64);
  try {
    await file.read(bytes, 0, bytes.length, 0);
  } finally {
    await file.close();
  }
  const high = bytes.readUInt32LE(36).toString(16).toUpperCase();
  const low = bytes.readUInt32LE(32).toString(16).toUpperCase();
  return {
    shutDown: bytes.readInt32LE(16) === shutDownState,
    checkpointLsn: `${high}/${low}`,
    timeline: bytes.readUInt32LE(48),
  };
}
