import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backupTransitions, deriveBackupStatus } from '#domain/backupStatus.ts';
import { type InstanceBackupStatus, InstanceBackupStatus as PartStatus } from '#generated/prisma/enums.ts';

const parts = fc.array(fc.constantFrom(...(Object.values(PartStatus) as InstanceBackupStatus[])), { maxLength: 6 });
const none = { removal: 'NONE' } as const;

describe('the status of a backup', () => {
  test('is COMPLETED only if every part is, and FAILED as soon as one has', () => {
    fc.assert(
      fc.property(parts, (statuses) => {
        const status = deriveBackupStatus({ ...none, parts: statuses });
        const all = statuses.length > 0 && statuses.every((part) => part === 'COMPLETED');
        expect(status === 'COMPLETED').toBe(all);
        expect(status === 'FAILED').toBe(statuses.length === 0 || statuses.includes('FAILED'));
      }),
    );
  });

  test('is that of its removal once that has begun, whatever its parts', () => {
    fc.assert(
      fc.property(parts, (statuses) => {
        expect(deriveBackupStatus({ removal: 'BEGUN', parts: statuses })).toBe('DELETING');
        expect(deriveBackupStatus({ removal: 'DONE', parts: statuses })).toBe('DELETED');
      }),
    );
  });

  test('moves along the table while parts move forward one by one', () => {
    const forward: Record<InstanceBackupStatus, InstanceBackupStatus[]> = {
      PENDING: ['RUNNING', 'FAILED'],
      RUNNING: ['FAILED'],
      COMPLETED: [],
      FAILED: [],
    };
    const moves = fc.array(fc.record({ part: fc.nat(3), choice: fc.nat(1), complete: fc.boolean() }), {
      maxLength: 20,
    });
    fc.assert(
      fc.property(moves, (wanted) => {
        let now: InstanceBackupStatus[] = ['PENDING', 'PENDING', 'PENDING', 'PENDING'];
        let status = deriveBackupStatus({ ...none, parts: now });
        for (const { part, choice, complete } of wanted) {
          const to = forward[now[part] ?? 'FAILED'][choice];
          if (to !== undefined) now = now.map((each, index) => (index === part ? to : each));
          // Parts become COMPLETED all at once, when each has been read back.
          if (complete && now.every((each) => each === 'RUNNING')) now = now.map(() => 'COMPLETED');
          const next = deriveBackupStatus({ ...none, parts: now });
          if (next !== status) expect(backupTransitions[status]).toContain(next);
          status = next;
        }
      }),
    );
  });

  test('never comes back from COMPLETED but to be removed', () => {
    expect(backupTransitions.COMPLETED).toEqual(['DELETING']);
    expect(backupTransitions.DELETED).toEqual([]);
  });
});
