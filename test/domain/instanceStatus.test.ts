import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { deriveInstanceStatus, instanceTransitions, type Silence } from '#domain/instanceStatus.ts';
import type { Observation } from '#domain/observation.ts';
import { InstanceActivity, InstanceStatus } from '#generated/prisma/enums.ts';
import { instanceFacts, observation } from '../support/facts.ts';

const start = new Date('2026-01-01T00:00:00Z').getTime();
const leaseMs = 10_000;

const observations = fc.record<Observation>({
  at: fc.constant(new Date(start).toISOString()),
  serving: fc.boolean(),
  reason: fc.option(fc.string()),
  role: fc.option(fc.constantFrom('PRIMARY' as const, 'REPLICA' as const)),
  stopped: fc.boolean(),
  startedAt: fc.constant(null),
  connections: fc.constant(null),
  storageUsedBytes: fc.constant(null),
  replication: fc.constant(null),
  followerStates: fc.constant([]),
  lastPosition: fc.constant(null),
  engine: fc.constant({}),
});

const views = fc.record({
  activity: fc.constantFrom(...Object.values(InstanceActivity)),
  status: fc.constantFrom(...Object.values(InstanceStatus)),
  statusReason: fc.option(fc.string()),
  observation: fc.option(observations),
  observedAt: fc.option(fc.integer({ min: 0, max: 60_000 }).map((ms) => new Date(start + ms))),
  fencedAt: fc.option(fc.constant(new Date(start))),
});

const silences = fc
  .record({ now: fc.integer({ min: 0, max: 120_000 }), listening: fc.integer({ min: 0, max: 120_000 }) })
  .map(
    ({ now, listening }): Silence => ({
      now: new Date(start + Math.max(now, listening)),
      leaseMs,
      listeningSince: new Date(start + Math.min(now, listening)),
    }),
  );

describe('an instance whose server was stopped on purpose', () => {
  const since = new Date(start);
  const silence = { now: since, leaseMs, listeningSince: since };
  const stopped = (role: 'PRIMARY' | 'REPLICA', isWantedPrimary: boolean, fencedAt: Date | null = null) =>
    deriveInstanceStatus(
      {
        ...instanceFacts({ observedAt: since, fencedAt }),
        observation: observation({ serving: false, stopped: true, role }),
      },
      silence,
      { isWantedPrimary },
    );

  test('that was the primary says what comes of it by itself, how to ask for that, and how to go back to it', () => {
    const { status, reason } = stopped('PRIMARY', false);
    expect(status).toBe('STOPPED');
    expect(reason).toMatch(/^Its server was stopped on purpose: it was the primary before\. /);
    for (const said of ['follow the new one by itself', 'rejoinInstance', 'FAILOVER', 'acceptDataLoss'])
      expect(reason).toContain(said);
  });

  test('that is the primary, or was a replica, says its own way out', () => {
    expect(stopped('PRIMARY', true).reason).toContain('retryOperation');
    expect(stopped('PRIMARY', true, since).reason).toContain('restartCluster with force');
    expect(stopped('REPLICA', false).reason).toMatch(/follow the primary again by itself, .* rejoinInstance/);
  });
});

describe('the status of an instance', () => {
  test('is what an operation does to it, whatever its agent says', () => {
    fc.assert(
      fc.property(views, silences, (view, silence) => {
        fc.pre(view.activity !== 'NONE' && view.activity !== 'FAILED');
        expect(deriveInstanceStatus(view, silence).status).toBe(view.activity);
      }),
    );
  });

  test('is ERROR with the reason that the failed operation left', () => {
    fc.assert(
      fc.property(views, silences, (view, silence) => {
        const verdict = deriveInstanceStatus({ ...view, activity: 'FAILED' }, silence);
        expect(verdict).toEqual({ status: 'ERROR', reason: view.statusReason });
      }),
    );
  });

  test('is never ACTIVE without a fresh observation that says so', () => {
    fc.assert(
      fc.property(views, silences, (view, silence) => {
        const { status } = deriveInstanceStatus({ ...view, activity: 'NONE' }, silence);
        if (status !== 'ACTIVE') return;
        expect(view.observation?.serving).toBe(true);
        const heard = Math.max(view.observedAt?.getTime() ?? 0, silence.listeningSince.getTime());
        expect(silence.now.getTime() - heard).toBeLessThanOrEqual(leaseMs);
      }),
    );
  });

  test('is UNREACHABLE exactly when nothing was heard for longer than the lease while one could have heard', () => {
    fc.assert(
      fc.property(views, silences, (view, silence) => {
        const heard = Math.max(view.observedAt?.getTime() ?? 0, silence.listeningSince.getTime());
        const { status } = deriveInstanceStatus({ ...view, activity: 'NONE' }, silence);
        expect(status === 'UNREACHABLE').toBe(silence.now.getTime() - heard > leaseMs);
      }),
    );
  });

  test('moves only along the table between any two observations of an instance that is left alone', () => {
    fc.assert(
      fc.property(views, views, silences, silences, (before, after, earlier, later) => {
        const from = deriveInstanceStatus({ ...before, activity: 'NONE' }, earlier).status;
        const to = deriveInstanceStatus({ ...after, activity: 'NONE' }, later).status;
        if (from !== to) expect(instanceTransitions[from]).toContain(to);
      }),
    );
  });

  test('never leaves REMOVED', () => {
    expect(instanceTransitions.REMOVED).toEqual([]);
  });
});
