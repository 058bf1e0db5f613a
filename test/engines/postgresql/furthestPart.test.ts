import { expect, test } from 'vitest';
import { furthestPart } from '#engines/postgresql/furthestPart.ts';

test.each([
  [['0/3000028', '0/3000060', '0/3000060'], [1, 1, 1], 1],
  [['0/FFFFFFFF', '1/0'], [1, 1], 1],
  [['10/0', '9/FFFFFFFF'], [1, 1], 0],
  [['0/9000000', '0/3000000'], [1, 2], 1],
])('of %j on timelines %j the part %i reaches furthest', (positions, timelines, furthest) => {
  const parts = positions.map((endPosition, index) => ({ endPosition, timeline: timelines[index] ?? null, index }));
  expect(furthestPart(parts).index).toBe(furthest);
});
