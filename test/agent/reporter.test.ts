import { pino } from 'pino';
import { expect, test, vi } from 'vitest';
import { Reporter } from '#agent/reporter.ts';
import type { Observation } from '#domain/observation.ts';

test('an observation that fails does not keep the next one from being reported', async () => {
  const reported: Observation[] = [];
  const seen = { serving: true } as Observation;
  const observe = vi.fn().mockRejectedValueOnce(new Error('a bug')).mockResolvedValue(seen);
  const reporter = new Reporter({
    side: { observe },
    link: { report: async (observation) => void reported.push(observation) },
    logger: pino({ level: 'silent' }),
  });
  reporter.reportNow();
  await vi.waitFor(() => expect(observe).toHaveBeenCalledTimes(1));
  await new Promise((resolve) => setImmediate(resolve));
  reporter.reportNow();
  await vi.waitFor(() => expect(reported).toEqual([seen]));
});
