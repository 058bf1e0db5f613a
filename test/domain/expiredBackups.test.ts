import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expiredBackups, type KeptBackup } from '#domain/expiredBackups.ts';
import { BackupStatus } from '#generated/prisma/enums.ts';

const now = new Date('2026-06-01T00:00:00Z');
const daysAgo = (days: number) => new Date(now.getTime() - days * 86_400_000);

const backup = fc.record({
  id: fc.uuid(),
  status: fc.constantFrom(...Object.values(BackupStatus)),
  scheduled: fc.boolean(),
  createdAt: fc.nat(100).map(daysAgo),
  inUse: fc.boolean(),
});
const backups = fc.uniqueArray(backup, { selector: ({ id }) => id, maxLength: 20 });
const limit = fc.option(fc.integer({ min: 1, max: 20 }), { nil: null });
const policy = fc.record({ keepCount: limit, keepDays: limit });

const completedOf = (all: readonly KeptBackup[]) => all.filter(({ status }) => status === 'COMPLETED');

describe('what a policy no longer keeps', () => {
  test('is scheduled, completed, not in use, and never all there is', () => {
    fc.assert(
      fc.property(backups, policy, (all, bounds) => {
        const expired = new Set(expiredBackups(all, bounds, now));
        for (const { id, status, scheduled, inUse } of all) {
          if (expired.has(id))
            expect({ status, scheduled, inUse }).toEqual({ status: 'COMPLETED', scheduled: true, inUse: false });
        }
        const completed = completedOf(all);
        const newest = Math.max(...completed.map(({ createdAt }) => createdAt.getTime()));
        const kept = completed.filter(({ id }) => !expired.has(id));
        if (completed.length > 0) expect(kept.some(({ createdAt }) => createdAt.getTime() === newest)).toBe(true);
      }),
    );
  });

  test('is nothing without bounds, and all that is beyond them otherwise', () => {
    fc.assert(
      fc.property(backups, policy, (all, bounds) => {
        expect(expiredBackups(all, { keepCount: null, keepDays: null }, now)).toEqual([]);
        const expired = new Set(expiredBackups(all, bounds, now));
        const free = completedOf(all).filter(({ scheduled, inUse }) => scheduled && !inUse);
        const kept = free.filter(({ id }) => !expired.has(id));
        const spared = all.filter(
          ({ status, scheduled, inUse }) => status === 'COMPLETED' && scheduled && inUse,
        ).length;
        // The newest of all is kept even beyond the bounds.
        if (bounds.keepCount !== null) expect(kept.length).toBeLessThanOrEqual(Math.max(bounds.keepCount, 1) + spared);
        const { keepDays } = bounds;
        if (keepDays !== null) {
          expect(kept.filter(({ createdAt }) => createdAt < daysAgo(keepDays)).length).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  test('begins with the oldest', () => {
    const four = [4, 3, 2, 1].map((days) => ({
      id: `b${days}`,
      status: 'COMPLETED' as const,
      scheduled: true,
      createdAt: daysAgo(days),
      inUse: false,
    }));
    expect(expiredBackups(four, { keepCount: 2, keepDays: null }, now)).toEqual(['b4', 'b3']);
    expect(expiredBackups(four, { keepCount: null, keepDays: 2 }, now)).toEqual(['b4', 'b3']);
  });
});
