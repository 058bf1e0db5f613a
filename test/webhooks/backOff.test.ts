import { expect, test } from 'vitest';
import { backOffMs } from '#webhooks/backOff.ts';

const options = { firstPauseMs: 1000, longestPauseMs: 300_000 };

test('pauses double up to a limit, and chance takes up to half of each', () => {
  const longest = [1, 2, 3, 8, 9, 10, 1000].map((failures) => backOffMs(failures, options, () => 1));
  expect(longest).toEqual([1000, 2000, 4000, 128_000, 256_000, 300_000, 300_000]);
  expect([1, 2, 1000].map((failures) => backOffMs(failures, options, () => 0))).toEqual([500, 1000, 150_000]);
});
