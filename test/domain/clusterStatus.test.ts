import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clusterTransitions, deriveClusterStatus } from '#domain/clusterStatus.ts';
import { ClusterLifecycle, ClusterStatus, HealthLevel } from '#generated/prisma/enums.ts';

const healths = fc.record({
  level: fc.constantFrom(...Object.values(HealthLevel)),
  reasons: fc.array(
    fc.record({ code: fc.constant('NO_PRIMARY' as const), message: fc.string(), instanceId: fc.constant(null) }),
  ),
});
const views = fc.record({
  lifecycle: fc.constantFrom(...Object.values(ClusterLifecycle)),
  operation: fc.option(fc.constantFrom('UPDATE_CLUSTER', 'DELETE_CLUSTER')),
  health: healths,
  failure: fc.option(fc.string()),
});

describe('the status of a cluster', () => {
  test('is one of the table for every life, operation and health', () => {
    fc.assert(
      fc.property(views, (view) => {
        expect(Object.keys(clusterTransitions)).toContain(deriveClusterStatus(view).status);
      }),
    );
  });

  test.each([
    ['HEALTHY', 'ACTIVE'],
    ['DEGRADED', 'DEGRADED'],
    ['UNKNOWN', 'DEGRADED'],
    ['DOWN', 'DOWN'],
  ] as const)('of a free cluster that is %s is %s', (level, status) => {
    const health = { level, reasons: [] };
    expect(deriveClusterStatus({ lifecycle: 'LIVE', operation: null, health, failure: null }).status).toBe(status);
  });

  test('is BUSY exactly while an operation holds a living cluster', () => {
    fc.assert(
      fc.property(views, (view) => {
        const busy = deriveClusterStatus(view).status === 'BUSY';
        expect(busy).toBe(view.lifecycle === 'LIVE' && view.operation !== null);
      }),
    );
  });

  test('moves only along the table while a cluster lives', () => {
    const living = views.map((view) => ({ ...view, lifecycle: 'LIVE' as const }));
    fc.assert(
      fc.property(living, living, (before, after) => {
        const [from, to] = [deriveClusterStatus(before).status, deriveClusterStatus(after).status];
        if (from !== to) expect(clusterTransitions[from]).toContain(to);
      }),
    );
  });

  test('keeps why the building failed', () => {
    const health = { level: 'DOWN' as const, reasons: [] };
    expect(deriveClusterStatus({ lifecycle: 'FAILED', operation: null, health, failure: 'no disk' })).toEqual({
      status: 'ERROR',
      reason: 'no disk',
    });
  });

  test('never leaves DELETED', () => {
    for (const status of Object.values(ClusterStatus)) expect(clusterTransitions.DELETED).not.toContain(status);
  });
});
