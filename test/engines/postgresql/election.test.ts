import { describe, expect, test } from 'vitest';
import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import { AgentSilent, type Election, type EngineContext } from '#engines/engine.ts';
import { promotion } from '#engines/postgresql/switchover.ts';
import { clusterFacts, instanceFacts, observation } from '../../support/facts.ts';

type Answer = { timeline: number; lsn: string | null } | 'SILENT';

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
  {
    parts = {},
    choice = {},
  }: { parts?: Partial<ClusterFacts>; choice?: Partial<Parameters<typeof promotion.elect>[1]> } = {},
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
      reason: expect.stringContaining('a did not tell what it has'),
    });
  });

  test('does not count one that does not know yet what it has', async () => {
    const group: [InstanceFacts, ...InstanceFacts[]] = [lost(at(1, '0/1000')), replica('a'), replica('b')];
    const answers = { a: { timeline: 1, lsn: null }, b: at(1, '0/F00') };
    expect(await electedAmong(group, answers)).toMatchObject({ instanceId: 'b', lossBytes: 0x100 });
    expect(await electedAmong(group, answers, { parts: { synchronous: true } })).toMatchObject({
      instanceId: null,
      reason: expect.stringMatching(/^a did not tell what it has/),
    });
  });

  test('of a synchronous group whose last one was lost before it led takes nobody, and does not ask that one', async () => {
    const elected = instanceFacts({
      ...{ id: 'e', role: 'REPLICA', fencedAt: new Date(0), agentLostAt: new Date(0) },
      observation: observation({ role: 'REPLICA', lastPosition: { ...at(1, '0/1000'), inRecovery: true } }),
    });
    const former = { ...lost(at(1, '0/1000')), fencedAt: new Date(0), agentLostAt: new Date(0) };
    const answers = { e: at(1, '0/1000'), a: at(1, '0/1000') };
    const synchronous = { parts: { synchronous: true } };
    expect(await electedAmong([elected, former, replica('a')], answers, synchronous)).toMatchObject({
      instanceId: null,
      reason: expect.stringMatching(/^e did not tell what it has/),
      asked: ['a'],
    });
    expect(await electedAmong([elected, former, replica('a')], answers)).toMatchObject({ instanceId: 'a' });
  });

  describe('of a named one', () => {
    const named = replica('a');
    const group: [InstanceFacts, ...InstanceFacts[]] = [lost(at(1, '0/1000')), named, replica('b')];
    const answers = { a: at(1, '0/F00'), b: at(1, '0/F80') };
    const target = { target: named };

    test('takes it though another one has more', async () => {
      expect(await electedAmong(group, answers, { choice: target })).toMatchObject({
        instanceId: 'a',
        lossBytes: 0x100,
      });
    });

    test('takes nobody in a synchronous group where another one has more, unless that is accepted', async () => {
      const parts = { synchronous: true };
      expect(await electedAmong(group, answers, { parts, choice: target })).toMatchObject({
        instanceId: null,
        reason: 'a may lack acknowledged writes of the synchronous cluster "orders" that b has.',
      });
      const equal = { ...answers, b: answers.a };
      expect(await electedAmong(group, equal, { parts, choice: target })).toMatchObject({ instanceId: 'a' });
      const accepted = { ...target, acceptDataLoss: true };
      expect(await electedAmong(group, answers, { parts, choice: accepted })).toMatchObject({ instanceId: 'a' });
    });

    test.each([
      ['does not answer', 'SILENT' as const],
      ['stayed behind on an older timeline', at(0, '0/F00')],
    ])('takes nobody where it %s, though another one is fit', async (_what, answer) => {
      expect(await electedAmong(group, { ...answers, a: answer }, { choice: target })).toMatchObject({
        instanceId: null,
        reason: 'a did not answer, or stayed behind on an older timeline.',
      });
    });

    test('takes nobody where it lacks more than is allowed, though another one would do', async () => {
      const choice = { ...target, maxLagBytes: 0x80 };
      expect(await electedAmong(group, answers, { choice })).toMatchObject({
        instanceId: null,
        reason: 'a lacks 256 bytes; at most 128 are allowed.',
      });
    });
  });
});
