import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import { AgentSilent, type Engine, type EngineContext } from '#engines/engine.ts';
import type { PostgresObservation } from '#engines/postgresql/observation.ts';
import { elect, promoteBlockers } from '#engines/postgresql/promotion.ts';
import { promotion } from '#engines/postgresql/switchover.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import { promoteInstance } from '#operations/promoteInstance.ts';
import { instanceFacts, observation } from '../../support/facts.ts';
import { codes, former, gone, group, replica } from '../../support/postgresqlFacts.ts';

const anyLag = { maxLagBytes: Number.POSITIVE_INFINITY };

describe('a promotion is refused', () => {
  test('or else it goes: exactly where the one that is named, or the best one, is fit', () => {
    fc.assert(
      fc.property(anySituation, fc.constantFrom('PLANNED' as const, 'FAILOVER' as const), (situation, mode) => {
        const cluster = clusterOf(situation);
        for (const target of [null, ...cluster.instances]) {
          for (const acceptDataLoss of [false, true]) {
            const request = { mode, target, maxLagBytes: 0x80, acceptDataLoss };
            const goes = promoteBlockers(cluster, request).length === 0;
            expect({ request, goes }).toEqual({ request, goes: isGranted(situation, request) });
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test('as a whole exactly where every request is', () => {
    const facts = (cluster: ClusterFacts) => ({ cluster, engine: { displayName: 'PostgreSQL', promotion } as Engine });
    const modes = ['PLANNED', 'FAILOVER'] as const;
    fc.assert(
      fc.property(anySituation, (situation) => {
        const cluster = clusterOf(situation);
        const requests = [null, ...cluster.instances].flatMap((target) =>
          modes.map((mode) => ({
            ...{ clusterId: 'c', mode, instanceId: target?.id ?? null },
            ...anyLag,
            acceptDataLoss: true,
          })),
        );
        const granted = requests.some(
          (request) => promoteInstance.inputBlockers?.(facts(cluster), request).length === 0,
        );
        expect(promoteInstance.blockers(facts(cluster)).length === 0).toBe(granted);
      }),
      { numRuns: 500 },
    );
  });

  type Situation = {
    /** Of the wanted primary: `elected` ones have not led. */
    wanted: 'healthy' | 'lost' | 'lost, position unknown' | 'elected, lost' | 'elected, there';
    timeline: number;
    synchronous: boolean;
    replicas: { there: boolean; streams: boolean; timeline: number; lsn: string | null }[];
  };
  const timeline = fc.integer({ min: 1, max: 2 });
  const anySituation: fc.Arbitrary<Situation> = fc.record({
    wanted: fc.constantFrom('healthy', 'lost', 'lost, position unknown', 'elected, lost', 'elected, there'),
    timeline,
    synchronous: fc.boolean(),
    replicas: fc.array(
      fc.record({
        ...{ there: fc.boolean(), streams: fc.boolean(), timeline },
        lsn: fc.constantFrom('0/1000', '0/F00', null),
      }),
      { maxLength: 4 },
    ),
  });

  function clusterOf({ wanted, timeline, synchronous, replicas }: Situation): ClusterFacts {
    const instances = replicas.map(({ there, streams, lsn, ...rest }, index) => {
      const made = replica(`r${index}`, { ...rest, lsn: lsn ?? '0/1000', state: streams ? 'streaming' : null });
      if (lsn === null) Object.assign(made.observation?.engine ?? {}, { receivedLsn: null });
      return there ? made : { ...made, ...gone };
    });
    const role = wanted.startsWith('elected') ? ('REPLICA' as const) : ('PRIMARY' as const);
    const isThere = wanted === 'healthy' || wanted === 'elected, there';
    const last = { timeline, lsn: '0/1000', inRecovery: role === 'REPLICA' };
    const lastPosition = wanted === 'lost, position unknown' ? null : last;
    const seen = observation({ role, serving: isThere, lastPosition });
    const first = instanceFacts({ id: 'p', role, observation: seen, ...(isThere ? {} : gone) });
    return group([first, ...instances], { synchronous });
  }

  /** The rule in other words, from the situation itself. */
  function isGranted(
    { wanted, timeline, synchronous, replicas }: Situation,
    { mode, target, acceptDataLoss }: { mode: string; target: InstanceFacts | null; acceptDataLoss: boolean },
  ): boolean {
    if ((mode === 'PLANNED') !== (wanted === 'healthy')) return false;
    const known = replicas.map((one, index) => ({ ...one, id: `r${index}` })).filter(({ there, lsn }) => there && lsn);
    const able = known.filter(({ streams }) => mode === 'FAILOVER' || streams);
    const least = acceptDataLoss || wanted === 'lost, position unknown' ? 0 : timeline;
    const newest = Math.max(least, ...able.map((one) => one.timeline));
    const fit = able.filter((one) => one.timeline === newest && (target === null || one.id === target.id));
    if (fit.length === 0) return false;
    if (mode === 'PLANNED') return true;
    const isNear = wanted === 'lost, position unknown' ? acceptDataLoss : fit.some(({ lsn }) => lsn === '0/1000');
    const allSeen = known.length === replicas.length && !wanted.startsWith('elected');
    return isNear && (!synchronous || acceptDataLoss || allSeen);
  }
});

describe('the replicas that an acknowledged write may be on', () => {
  const anyHolding = fc.record({
    seen: fc.boolean(),
    /** Of the last timeline, or behind it on the one before, where it may be further. */
    place: fc.constantFrom({ timeline: 2, lsn: '0/1000' }, { timeline: 1, lsn: '0/3000' }),
  });
  const lastWrite = { timeline: 2, lsn: '0/2000' };

  /** ANY 1 of N: whoever has the last write, also one that was elected since and never led, it is promoted or nobody is. */
  test('are all seen before one is promoted, so that the last write is found wherever it is', async () => {
    const granted = { whoever: 0, nobody: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyHolding, { minLength: 1, maxLength: 6 }),
        fc.nat(),
        fc.constantFrom('led', 'elected, lost', 'elected, there'),
        async (holdings, pick, wanted) => {
          const holder = pick % (holdings.length + (wanted === 'led' ? 0 : 1));
          const replicas = holdings.map(({ seen, place }, index) =>
            replica(`r${index}`, { ...(index === holder ? lastWrite : place), ...(seen ? {} : gone) }),
          );
          const role = wanted === 'led' ? ('PRIMARY' as const) : ('REPLICA' as const);
          const lastPosition = { timeline: 2, lsn: '0/1000', inRecovery: role === 'REPLICA' };
          const isThere = wanted === 'elected, there';
          const first = instanceFacts({
            ...{ id: 'p', role, observation: observation({ role, serving: isThere, lastPosition }) },
            ...(isThere ? {} : gone),
          });
          const cluster = group([first, { ...former, agentLostAt: new Date(0) }, ...replicas], { synchronous: true });
          const refused = codes(cluster, { mode: 'FAILOVER', ...anyLag });
          granted[refused.length === 0 ? 'whoever' : 'nobody'] += 1;
          expect(refused.length === 0).toBe(wanted === 'led' && holdings.every(({ seen }) => seen));
          if (refused.length === 0) expect(elect(cluster)?.id).toBe(`r${holder}`);
          const { instanceId } = await electedByAnswers(cluster);
          expect(instanceId).toBe(refused.length === 0 ? `r${holder}` : null);
        },
      ),
      { numRuns: 500 },
    );
    expect(Math.min(...Object.values(granted))).toBeGreaterThan(20);
  });

  /** The election once all is fenced, in which whoever is seen tells what it has. */
  async function electedByAnswers(cluster: ClusterFacts) {
    const context = {
      cluster,
      send: async ({ agentLostAt, observation }: InstanceFacts) => {
        if (agentLostAt !== null) throw new AgentSilent('AGENT_SILENT', 'It does not answer.');
        const { timeline, receivedLsn: lsn } = assertPresent(observation, 'observation').engine as PostgresObservation;
        return { inRecovery: true, timeline, lsn };
      },
    } as unknown as EngineContext;
    return await promotion.elect(context, { target: null, ...anyLag, acceptDataLoss: false });
  }
});
