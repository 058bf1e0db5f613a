import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import { doubtOf, type Inquiry, suspicionOf } from '#domain/failoverDecision.ts';
import { clusterFacts, instanceFacts, observation } from '../support/facts.ts';

const now = new Date('2026-01-01T12:00:00Z');
const silence = { now, leaseMs: 10_000, listeningSince: new Date(0) };
const ago = (ms: number) => new Date(now.getTime() - ms);

const primary = (parts: Partial<InstanceFacts> = {}) =>
  instanceFacts({
    id: 'p',
    name: 'orders-1',
    role: 'PRIMARY',
    observedAt: ago(500),
    observation: observation({ role: 'PRIMARY' }),
    ...parts,
  });
const replica = (state: string | null, parts: Partial<InstanceFacts> = {}) =>
  instanceFacts({
    id: 'r',
    name: 'orders-2',
    role: 'REPLICA',
    observedAt: ago(100),
    observation: observation({
      role: 'REPLICA',
      replication: { upstream: 'p:5432', state, lagBytes: 0, lagSeconds: 0, position: '0/1' },
    }),
    ...parts,
  });
const group = (instances: InstanceFacts[], parts: Partial<ClusterFacts> = {}) =>
  clusterFacts({
    instances,
    primaryInstanceId: 'p',
    failover: { mode: 'AUTOMATIC', maxLagBytes: 0, detectAfterSeconds: 3 },
    ...parts,
  });

describe('a primary is suspected', () => {
  test.each([
    ['not while it serves', primary(), null],
    [
      'when its server is down',
      primary({ status: 'DOWN', observation: observation({ serving: false }) }),
      'SERVER_DOWN',
    ],
    ['when it serves, but as a replica', primary({ observation: observation({ role: 'REPLICA' }) }), 'SERVER_DOWN'],
    ['when its agent is lost', primary({ agentLostAt: ago(100) }), 'AGENT_LOST'],
    ['when its agent is silent', primary({ observedAt: ago(10_001) }), 'AGENT_SILENT'],
    ['when its lost agent is silent too', primary({ observedAt: ago(10_001), agentLostAt: ago(9000) }), 'AGENT_SILENT'],
  ] as const)('%s', (_what, lost, suspicion) => {
    expect(suspicionOf(group([lost, replica(null)]), silence)).toBe(suspicion);
  });

  test('while an operation works on it only for its agent: its server may be down on purpose', () => {
    const down = {
      activity: 'RESTARTING',
      status: 'RESTARTING',
      observation: observation({ serving: false }),
    } as const;
    expect(suspicionOf(group([primary(down), replica(null)]), silence)).toBeNull();
    expect(suspicionOf(group([primary({ ...down, agentLostAt: ago(100) }), replica(null)]), silence)).toBe(
      'AGENT_LOST',
    );
  });

  test('never where it is alone, or where another one takes writes', () => {
    const gone = primary({ agentLostAt: ago(100) });
    expect(suspicionOf(group([gone]), silence)).toBeNull();
    const other = instanceFacts({ id: 'x', role: 'PRIMARY', observation: observation({ role: 'PRIMARY' }) });
    expect(suspicionOf(group([gone, other]), silence)).toBeNull();
  });

  test('beside an old primary that was fenced off and has not come back since', () => {
    const gone = primary({ agentLostAt: ago(100) });
    const fenced = {
      id: 'x',
      agentLostAt: ago(5000),
      fencedAt: ago(4000),
      observation: observation({ role: 'PRIMARY' }),
    };
    expect(suspicionOf(group([gone, primary(fenced), replica(null)]), silence)).toBe('AGENT_LOST');
  });

  test('not for silence while this control plane could not have heard it', () => {
    const cluster = group([primary({ observedAt: ago(60_000) }), replica(null)]);
    expect(suspicionOf(cluster, { ...silence, listeningSince: ago(5000) })).toBeNull();
  });
});

describe('a suspected primary is gone', () => {
  const beyondDoubt: Inquiry = {
    suspicion: 'AGENT_LOST',
    suspectedForMs: 3000,
    suspectedSince: ago(3000),
    presence: 'stopped',
  };

  test('when it was gone for long enough, its provider says so, and every replica that is heard does', () => {
    expect(doubtOf(group([primary(), replica(null)]), beyondDoubt)).toBeNull();
  });

  test.each([
    ['it may come back yet', { suspectedForMs: 2999 }, [replica(null)]],
    ['its provider cannot tell', { presence: 'unknown' }, [replica(null)]],
    ['its agent runs', { presence: 'running' }, [replica(null)]],
    ['no replica was heard since', {}, [replica(null, { observedAt: ago(3000) })]],
    ['the only replica’s agent is lost too', {}, [replica(null, { agentLostAt: ago(100) })]],
    ['one replica still streams', {}, [replica(null), replica('streaming', { id: 's' })]],
  ] as const)('not when %s', (_what, parts, replicas) => {
    expect(doubtOf(group([primary(), ...replicas]), { ...beyondDoubt, ...parts })).toEqual(expect.any(String));
  });

  test('never when nobody is heard, whatever else is so', () => {
    const inquiry = fc.record({
      suspicion: fc.constantFrom('SERVER_DOWN' as const, 'AGENT_LOST' as const, 'AGENT_SILENT' as const),
      suspectedForMs: fc.nat(1_000_000),
      presence: fc.constantFrom('running' as const, 'stopped' as const, 'absent' as const, 'unknown' as const),
    });
    fc.assert(
      fc.property(inquiry, fc.integer({ min: 0, max: 4 }), (parts, count) => {
        const silent = Array.from({ length: count }, (_, index) =>
          replica(null, { id: `r${index}`, observedAt: ago(3000) }),
        );
        expect(doubtOf(group([primary(), ...silent]), { ...parts, suspectedSince: ago(3000) })).not.toBeNull();
      }),
    );
  });
});
