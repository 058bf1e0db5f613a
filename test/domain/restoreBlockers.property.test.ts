import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BackupFacts } from '#domain/backupFacts.ts';
import { isCompleted } from '#domain/backupStatus.ts';
import { type RestoreRequest, restoreBlockers, restoreRequestBlockers } from '#domain/restoreBlockers.ts';
import { BackupStatus, InstanceBackupFault } from '#generated/prisma/enums.ts';

const gibibyte = 2 ** 30;
const size = { cpuMillis: 1000, memoryMiB: 512, storageGiB: 10 };

const anyPart = fc.record({
  location: fc.option(fc.constant('c/b/i.tar.zst'), { freq: 8 }),
  sha256: fc.option(fc.constant('ab'), { freq: 8 }),
  dataBytes: fc.option(fc.integer({ min: 0, max: 4 * gibibyte })),
  fault: fc.constantFrom(null, null, null, null, ...Object.values(InstanceBackupFault)),
});

/** A backup as the store may hold it: also one of which a part is lost, damaged or was never recorded. */
const anyBackup = fc
  .record({
    status: fc.oneof(fc.constant(BackupStatus.COMPLETED), fc.constantFrom(...Object.values(BackupStatus))),
    parts: fc.array(anyPart, { minLength: 1, maxLength: 3 }),
    lacking: fc.constantFrom(0, 0, 0, 1),
  })
  .map(
    ({ status, parts, lacking }): BackupFacts => ({
      ...{ id: 'b', projectId: 'p', clusterId: 'c', clusterName: 'orders', name: 'nightly' },
      ...{ engine: 'fake', engineVersion: '2', status, size, instanceCount: parts.length + lacking },
      parts: parts.map((part, index) => ({
        ...{ id: `p${index}`, instanceId: `i${index}`, instanceName: `orders-${index}`, status: 'COMPLETED' as const },
        ...{ bytes: 1, endPosition: '0/1', timeline: 1 },
        ...part,
      })),
    }),
  );

const anyVersions = fc.option(
  fc.uniqueArray(
    fc.record({
      version: fc.constantFrom('1', '2', '3'),
      available: fc.boolean(),
      unavailableReason: fc.constant('Install it.'),
    }),
    { selector: ({ version }) => version },
  ),
);

const anyRequest: fc.Arbitrary<RestoreRequest> = fc.record({
  instanceCount: fc.option(fc.integer({ min: 1, max: 4 })),
  engineVersion: fc.option(fc.constantFrom('1', '2')),
  size: fc.option(fc.integer({ min: 1, max: 5 }).map((storageGiB) => ({ ...size, storageGiB }))),
});

describe('what speaks against a restore', () => {
  test('is nothing exactly where the backup is completed and whole and its version runs here', () => {
    fc.assert(
      fc.property(anyBackup, anyVersions, (backup, versions) => {
        const { status, parts, instanceCount, engineVersion } = backup;
        const isWhole =
          parts.length === instanceCount &&
          parts.every(({ location, sha256, fault }) => location !== null && sha256 !== null && fault === null);
        const runs = versions?.some(({ version, available }) => version === engineVersion && available) ?? false;
        expect(restoreBlockers(backup, versions).length === 0).toBe(isCompleted(status) && isWhole && runs);
      }),
      { numRuns: 500 },
    );
  });

  test('lies in the request exactly where it asks for other than the backup has, or for less than its data takes', () => {
    fc.assert(
      fc.property(anyBackup, anyRequest, (backup, request) => {
        const fits =
          (request.instanceCount ?? backup.instanceCount) === backup.instanceCount &&
          (request.engineVersion ?? backup.engineVersion) === backup.engineVersion &&
          backup.parts.every(({ dataBytes }) => (request.size?.storageGiB ?? 99) * gibibyte > (dataBytes ?? 0));
        expect(restoreRequestBlockers(backup, request).length === 0).toBe(fits);
      }),
      { numRuns: 500 },
    );
  });

  test('is told once, and changes no facts', () => {
    fc.assert(
      fc.property(anyBackup, anyVersions, anyRequest, (backup, versions, request) => {
        const before = structuredClone({ backup, versions, request });
        const told = [...restoreBlockers(backup, versions), ...restoreRequestBlockers(backup, request)];
        expect(new Set(told.map((blocker) => JSON.stringify(blocker))).size).toBe(told.length);
        expect({ backup, versions, request }).toEqual(before);
      }),
    );
  });
});
