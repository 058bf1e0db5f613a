import { assertPresent } from '#lib/assertPresent.ts';
import type { PartPosition } from '../engine.ts';

/** The part whose data reach furthest: by its timeline, then by its position in the write-ahead log. */
export function furthestPart<Part extends PartPosition>(parts: readonly Part[]): Part {
  const [furthest] = parts.toSorted(
    (one, other) =>
      (other.timeline ?? 0) - (one.timeline ?? 0) || compare(walBytes(other.endPosition), walBytes(one.endPosition)),
  );
  return assertPresent(furthest, 'a part');
}

const compare = (one: bigint, other: bigint): number => (one < other ? -1 : one > other ? 1 : 0);

/** A position like "1/8000028": the upper and the lower 32 bits in hexadecimal digits. */
function walBytes(lsn: string): bigint {
  const [upper = '', lower = ''] = lsn.split('/');
  return (BigInt(`0x${upper}`) << 32n) + BigInt(`0x${lower}`);
}
