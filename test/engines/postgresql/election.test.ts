import { describe, expect, test } from 'vitest';
import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import { AgentSilent, type Election, type EngineContext } from '#engines/engine.ts';
import { promotion } from '#engines/postgresql/switchover.ts';
import { clusterFacts, instanceFacts, observation } from '../../support/facts.ts';

type Answer = { timeline: number; lsn: string } | 'SILENT';

const lost = (lastPosition: { timeline: number; lsn: string } | null) =>
  instanceFacts({
    id: 'p',
    role: 'PRIMARY',
    observation: observation({ role: 'PRIMARY', serving: false, lastPosition }),
  });
const replica = (id: string) => instanceFacts({ id, role: 'REPLICA', observation: observation({ role: 'REPLICA' }) });

/** The election among those that answer so. */
async function electedAmong(
  [primary, ...others]: [InstanceFacts, ...InstanceFacts[]],
  answers: Record<string, Answer>,
  { parts = {}, choice = {} }: { parts?: Partial<ClusterFacts>; choice?: { acceptDataLoss?: boolean } } = {},
): Promise<Election & { asked: string[] }> {
  const asked: string[] = [];
  const context = {
    cluster: clusterFacts({ instances: [primary, ...others], primaryInstanceId: primary.id, ...parts }),
    send: async ({ id }: InstanceFacts) => {
      asked.push(id);
      const answer = answers[id] ?? 'SILENT';
      if (answer === 'SILENT') throw new AgentSilent('AGENT_SILENT', 'It does not answer.');
      return { inRecovery: true, ...answer };
    },
  } as unknown as EngineContext;
  const wanted = { target: null, maxLagBytes: 0x1000, acceptDataLoss: false, ...choice };
  return { ...(await promotion.elect(context, wanted)), asked };
}

describe('an election', () => {
  const at = (timeline: number, lsn: string) => ({ timeline, lsn });

  test('takes whoever has most', async () => {
    const answers = { a: at(1, '0/F00'), b: at(1, '0/F80') };
    expect(await electedAmong([lost(at(1, '0/1000')), replica('a'), replica('b')], answers)).toMatchObject({
      instanceId: 'b',
      lossBytes: 0x80,
      resumes: false,
    });
  });

  test('takes nobody of an older timeline than the lost primary’s because the others are silent, unless that is accepted', async () => {
    const group: [InstanceFacts, ...InstanceFacts[]] = [lost(at(2, '0/1000')), replica('a'), replica('b')];
    const answers = { a: at(1, '0/F00'), b: 'SILENT' as const };
    expect(await electedAmong(group, answers)).toMatchObject({ instanceId: null });
    const accepted = { choice: { acceptDataLoss: true } };
    expect(await electedAmong(group, answers, accepted)).toMatchObject({ instanceId: 'a' });
  });

  test('takes nobody where it is not known how far the lost primary was, unless that is accepted', async () => {
    const group: [InstanceFacts, ...InstanceFacts[]] = [lost(null), replica('a')];
    expect(await electedAmong(group, { a: at(1, '0/F00') })).toMatchObject({ instanceId: null });
    const accepted = { choice: { acceptDataLoss: true } };
    expect(await electedAmong(group, { a: at(1, '0/F00') }, accepted)).toMatchObject({ lossBytes: null });
  });

  test('of a synchronous group asks no former primary, and none that has no server yet', async () => {
    const former = instanceFacts({
      ...{ id: 'f', role: 'PRIMARY', fencedAt: new Date(0), agentLostAt: new Date(0) },
      observation: observation({ role: 'PRIMARY', serving: false }),
    });
    const arriving = instanceFacts({ id: 'n', activity: 'SYNCING', status: 'SYNCING', observation: null });
    const group: [InstanceFacts, ...InstanceFacts[]] = [lost(at(1, '0/1000')), replica('a'), former, arriving];
    const synchronous = { parts: { synchronous: true } };
    expect(await electedAmong(group, { a: at(1, '0/1000') }, synchronous)).toMatchObject({
      instanceId: 'a',
      asked: ['a'],
    });
    expect(await electedAmong(group, { a: 'SILENT' }, synchronous)).toMatchObject({
      instanceId: null,
      reason: expect.stringContaining('a did not answer'),
    });
  });
});
