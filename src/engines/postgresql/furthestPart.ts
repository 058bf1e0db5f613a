import { assertPresent } from '#lib/values/assertPresent.ts';
import type { PartPosition } from '../engine.ts';
import { lsnToBytes } from './lsn.ts';

/** The part whose data reach furthest: by its timeline, then by its position in the write-ahead log. */
export function furthestPart<Part extends PartPosition>(parts: readonly Part[]): Part {
  const [furthest] = parts.toSorted(
    (one, other) =>
      (other.timeline ?? 0) - (one.timeline ?? 0) ||
      compare(lsnToBytes(other.endPosition), lsnToBytes(one.endPosition)),
  );
  return assertPresent(furthest, 'a part');
}

const compare = (one: bigint, other: bigint): number => (one < other ? -1 : one > other ? 1 : 0);
