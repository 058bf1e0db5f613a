import { InvalidInputError } from '#domain/errors.ts';

/** Identifies one history of one store: six bytes. Another history may have given the same numbers to other events. */
export type Epoch = Buffer;

export const EPOCH_BYTES = 6;
const FORMAT = 1;
const LENGTH = 1 + EPOCH_BYTES + 8;

export type DecodedCursor = { ok: true; seq: bigint } | { ok: false; reason: 'FOREIGN_EPOCH' };

/** A position in a project's log as clients carry it: after the event `seq`, in this epoch. Opaque to them. */
export function encodeCursor(epoch: Epoch, seq: bigint): string {
  const bytes = Buffer.alloc(LENGTH);
  bytes.writeUInt8(FORMAT, 0);
  epoch.copy(bytes, 1);
  bytes.writeBigUInt64BE(seq, 1 + EPOCH_BYTES);
  return bytes.toString('base64url');
}

/** Throws InvalidInputError if it was never a cursor. */
export function decodeCursor(epoch: Epoch, cursor: string): DecodedCursor {
  const bytes = Buffer.from(cursor, 'base64url');
  // Decoding skips what is not base64url: only the round trip proves that it was.
  if (bytes.length !== LENGTH || bytes[0] !== FORMAT || bytes.toString('base64url') !== cursor) {
    throw new InvalidInputError([{ path: 'after', message: 'is not a cursor. Pass one that this API gave you.' }]);
  }
  if (!bytes.subarray(1, 1 + EPOCH_BYTES).equals(epoch)) return { ok: false, reason: 'FOREIGN_EPOCH' };
  return { ok: true, seq: bytes.readBigUInt64BE(1 + EPOCH_BYTES) };
}
