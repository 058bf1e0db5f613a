import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { InstanceFacts } from '#domain/facts.ts';
import { limits } from '#domain/limits.ts';
import type { Observation } from '#domain/observation.ts';
import { postgresqlHealth } from '#engines/postgresql/health.ts';
import type { InstanceStatus } from '#generated/prisma/enums.ts';

const statuses = [
  ...['PENDING', 'PROVISIONING', 'SYNCING', 'ACTIVE', 'RESTARTING', 'PROMOTING', 'BACKING_UP', 'RESTORING'],
  ...['DRAINING', 'REMOVING', 'STOPPED', 'DOWN', 'UNREACHABLE', 'ERROR'],
] as InstanceStatus[];

const primary = instance({ id: 'p', name: 'orders-1', role: 'PRIMARY', address: '127.64.0.1', port: 5432 });

describe('the health of a PostgreSQL cluster', () => {
  test('is HEALTHY without a reason when the primary serves and every replica streams', () => {
    expect(healthOf([primary, replica('a'), replica('b')])).toEqual({ level: 'HEALTHY', reasons: [] });
  });

  test('is UNKNOWN before any agent has reported', () => {
    const silent = instance({ id: 'p', observation: null, status: 'DOWN' });
    expect(healthOf([silent])).toMatchObject({ level: 'UNKNOWN', reasons: [{ code: 'NOTHING_OBSERVED' }] });
    expect(healthOf([])).toMatchObject({ level: 'UNKNOWN' });
  });

  test.each([
    ['DOWN', 'DOWN', 'INSTANCE_DOWN'],
    ['STOPPED', 'DOWN', 'INSTANCE_STOPPED'],
    ['RESTARTING', 'DOWN', 'INSTANCE_BUSY'],
    ['ERROR', 'DOWN', 'INSTANCE_FAILED'],
  ] as const)('with a primary that is %s is %s', (status, level, code) => {
    const health = healthOf([{ ...primary, status }, replica('a')]);
    expect(health).toMatchObject({ level, reasons: [{ code: 'NO_PRIMARY' }, { code, instanceId: 'p' }] });
  });

  test('with a primary whose agent is silent says that it is not known whether writes are accepted', () => {
    expect(healthOf([{ ...primary, status: 'UNREACHABLE' }, replica('a')])).toEqual({
      level: 'UNKNOWN',
      reasons: [
        {
          code: 'PRIMARY_UNKNOWN',
          message:
            'It is not known whether an instance accepts writes: the agent of its primary, orders-1, does not answer.',
          instanceId: null,
        },
        { code: 'INSTANCE_UNREACHABLE', message: 'orders-1 is UNREACHABLE.', instanceId: 'p' },
      ],
    });
    const nobodyWanted = healthOf([{ ...replica('a'), status: 'UNREACHABLE' }, replica('b')], 'gone');
    expect(nobodyWanted).toMatchObject({ level: 'UNKNOWN', reasons: [{ code: 'PRIMARY_UNKNOWN' }, {}] });
  });

  test('is DEGRADED as soon as the connection of its primary’s agent is lost', () => {
    expect(healthOf([{ ...primary, agentLostAt: new Date(0) }, replica('a')])).toEqual({
      level: 'DEGRADED',
      reasons: [
        {
          code: 'INSTANCE_UNREACHABLE',
          message:
            'It is not known whether orders-1 still accepts writes: the connection of its agent has been lost since 1970-01-01T00:00:00.000Z.',
          instanceId: 'p',
        },
      ],
    });
  });

  test.each([
    ['none streams, though each says that it does', [], ['COMMITS_WAIT']],
    ['one is catching up', ['catchup'], ['COMMITS_WAIT']],
    ['one of two streams', ['catchup', 'streaming'], []],
  ])('of a synchronous cluster goes by what the primary sees: %s', (_what, states, codes) => {
    const replicas = states.map((state) => ({ applicationName: 'a', state, lagBytes: 0, syncState: 'quorum' }));
    const seeing = { ...primary, observation: observation({ engine: { systemIdentifier: '1', replicas } }) };
    const group = { instances: [seeing, replica('a'), replica('b')], primaryInstanceId: 'p' };
    const { level, reasons } = postgresqlHealth({ ...group, synchronous: true });
    expect(reasons.map(({ code }) => code)).toEqual(codes);
    expect(level).toBe(codes.length === 0 ? 'HEALTHY' : 'DEGRADED');
    expect(postgresqlHealth({ ...group, synchronous: false }).level).toBe('HEALTHY');
    expect(postgresqlHealth({ ...group, instances: [seeing], synchronous: true }).level).toBe('HEALTHY');
  });

  test.each([
    ['does not stream', { state: null }, 'REPLICATION_BROKEN'],
    ['follows another server', { upstream: '127.64.0.9:5432' }, 'REPLICATION_BROKEN'],
    ['is far behind', { lagBytes: limits.replicationLagBytes + 1 }, 'REPLICATION_LAGGING'],
  ])('is DEGRADED when a replica %s', (_what, replication, code) => {
    const health = healthOf([primary, replica('a', replication)]);
    expect(health).toMatchObject({ level: 'DEGRADED', reasons: [{ code, instanceId: 'a' }] });
  });

  test('is DEGRADED when two instances accept writes', () => {
    const other = instance({ id: 'q', name: 'orders-2', role: 'PRIMARY' });
    expect(healthOf([primary, other]).reasons).toEqual([
      {
        code: 'TWO_PRIMARIES',
        message: 'More than one instance accepts writes: orders-1, orders-2.',
        instanceId: null,
      },
    ]);
  });

  test('is HEALTHY exactly when there is no reason, and names only its own instances', () => {
    fc.assert(
      fc.property(fc.array(anyInstance, { maxLength: 16 }), (drawn) => {
        const instances = drawn.map((facts, index) => ({ ...facts, id: `i${index}` }));
        const { level, reasons } = healthOf(instances, 'i0');
        expect(level === 'HEALTHY').toBe(reasons.length === 0);
        for (const { instanceId } of reasons)
          expect(instanceId === null || instances.some(({ id }) => id === instanceId)).toBe(true);
      }),
    );
  });

  test('never says that writes are accepted when no instance does, nor the other way round', () => {
    fc.assert(
      fc.property(fc.array(anyInstance, { minLength: 1, maxLength: 16 }), (drawn) => {
        const instances = drawn.map((facts, index) => ({ ...facts, id: `i${index}` }));
        const writable = instances.some(
          ({ status, role, observation }) =>
            (status === 'ACTIVE' || status === 'BACKING_UP') && role === 'PRIMARY' && observation?.serving,
        );
        const { level } = healthOf(instances, 'i0');
        expect(level === 'HEALTHY' || level === 'DEGRADED').toBe(writable);
      }),
    );
  });

  test('gets no better when an instance falls', () => {
    const order = ['HEALTHY', 'DEGRADED', 'UNKNOWN', 'DOWN'];
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 15 }), fc.nat(), (replicas, which) => {
        const all = [primary, ...Array.from({ length: replicas }, (_, index) => replica(`r${index}`))];
        const fallen = all.map((facts, index) =>
          index === which % all.length ? { ...facts, status: 'DOWN' as const } : facts,
        );
        expect(order.indexOf(healthOf(fallen).level)).toBeGreaterThan(order.indexOf(healthOf(all).level));
      }),
    );
  });
});

const anyInstance = fc
  .record({
    status: fc.constantFrom(...statuses),
    role: fc.constantFrom('PRIMARY' as const, 'REPLICA' as const, null),
    serving: fc.boolean(),
    observed: fc.boolean(),
    state: fc.constantFrom('streaming', 'stopping', null),
    lagBytes: fc.option(fc.nat({ max: 2 * limits.replicationLagBytes })),
  })
  .map(({ status, role, serving, observed, state, lagBytes }) =>
    instance({
      status,
      role,
      observation: observed ? observation({ serving, replication: replicationOf({ state, lagBytes }) }) : null,
    }),
  );

function healthOf(instances: InstanceFacts[], primaryInstanceId = 'p') {
  return postgresqlHealth({ instances, primaryInstanceId, synchronous: false });
}

function replica(id: string, replication: Partial<NonNullable<Observation['replication']>> = {}): InstanceFacts {
  return instance({
    id,
    name: id,
    role: 'REPLICA',
    observation: observation({ replication: replicationOf(replication) }),
  });
}

function replicationOf(replication: Partial<NonNullable<Observation['replication']>>) {
  return {
    upstream: '127.64.0.1:5432',
    state: 'streaming',
    lagBytes: 0,
    lagSeconds: 0,
    position: '0/0',
    ...replication,
  };
}

function observation(parts: Partial<Observation>): Observation {
  return {
    at: '2026-01-01T00:00:00.000Z',
    ...{
      serving: true,
      reason: null,
      role: null,
      stopped: false,
      startedAt: null,
      connections: 0,
      storageUsedBytes: 0,
    },
    replication: null,
    followerStates: [],
    lastPosition: null,
    engine: {},
    ...parts,
  };
}

function instance(parts: Partial<InstanceFacts>): InstanceFacts {
  return {
    ...{ id: 'i', name: 'i', size: { cpuMillis: 1000, memoryMiB: 1024, storageGiB: 10 }, provider: 'local' },
    ...{ activity: 'NONE', status: 'ACTIVE', statusReason: null, role: null, address: null, port: null, dnsName: null },
    ...{ statusChangedAt: new Date(0), agentLostAt: null, fencedAt: null },
    observedAt: new Date(0),
    observation: observation({}),
    ...parts,
  };
}
