import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { InstanceFacts } from '#domain/facts.ts';
import { isBefore, lsnDifference, lsnToBytes } from '#engines/postgresql/lsn.ts';
import {
  acknowledging,
  elect,
  electable,
  promotionCandidates,
  ranked,
  stray,
  unseenReplicas,
} from '#engines/postgresql/promotion.ts';
import { instanceFacts, observation } from '../../support/facts.ts';
import { codes, former, gone, group, primary, replica } from '../../support/postgresqlFacts.ts';

const toLsn = (bytes: bigint) =>
  `${(bytes >> 32n).toString(16).toUpperCase()}/${(bytes & 0xffffffffn).toString(16).toUpperCase()}`;
const nobodyLost = { lost: null, acceptDataLoss: false };

describe('a position in the WAL', () => {
  const bytes = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });
  test('is compared as a number', () => {
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        expect(lsnToBytes(toLsn(a))).toBe(a);
        expect(isBefore(toLsn(a), toLsn(b))).toBe(a < b);
        expect(lsnDifference(toLsn(a), toLsn(b))).toBe(a > b ? Number(a - b) : 0);
      }),
    );
  });
});

describe('the election', () => {
  const standing = fc.record({
    name: fc.string({ minLength: 1, maxLength: 3 }),
    timeline: fc.integer({ min: 1, max: 3 }),
    position: fc.bigInt({ min: 0n, max: 2n ** 40n }),
  });
  const standings = fc
    .uniqueArray(standing, { selector: ({ name }) => name, minLength: 1, maxLength: 8 })
    .map((all) => all.map(({ position, ...rest }) => ({ ...rest, instanceId: rest.name, lsn: toLsn(position) })));

  test('takes nobody who has less than another of the newest timeline, whatever the order', () => {
    fc.assert(
      fc.property(standings, fc.nat(), (all, seed) => {
        const [chosen] = electable(all, nobodyLost);
        const shuffled = all.toSorted(
          (a, b) => ((a.name.charCodeAt(0) * seed) % 7) - ((b.name.charCodeAt(0) * seed) % 7),
        );
        expect(electable(shuffled, nobodyLost)[0]).toEqual(chosen);
        const newest = Math.max(...all.map(({ timeline }) => timeline));
        expect(chosen?.timeline).toBe(newest);
        for (const { timeline, lsn } of all) {
          if (timeline === newest) expect(isBefore(chosen?.lsn ?? '', lsn)).toBe(false);
        }
      }),
    );
  });

  test('decides between equals by their names', () => {
    const equal = ['c', 'a', 'b'].map((name) => ({ instanceId: name, name, timeline: 1, lsn: '0/10' }));
    expect(ranked(equal).map(({ name }) => name)).toEqual(['a', 'b', 'c']);
  });

  test('takes the healthy replica that has received most', () => {
    const cluster = group([
      primary('0/3000', gone),
      replica('a', { lsn: '0/2000' }),
      replica('b', { lsn: '0/2500' }),
      replica('c', { lsn: '0/2F00', ...gone }),
    ]);
    expect(elect(cluster)?.id).toBe('b');
    expect(promotionCandidates(cluster, 'FAILOVER').map(({ instance, lagBytes }) => [instance.id, lagBytes])).toEqual([
      ['b', 0xb00],
      ['a', 0x1000],
    ]);
  });

  test('takes nobody who stayed behind on an older timeline than the primary', () => {
    const last = primary('0/3000', {
      ...gone,
      observation: observation({ serving: false, lastPosition: { timeline: 2, lsn: '0/3000' } }),
    });
    expect(elect(group([last, replica('a', { timeline: 1, lsn: '0/9000' })]))).toBeNull();
    expect(elect(group([last, replica('a', { timeline: 2 })]))?.id).toBe('a');
  });
});

describe('a promotion is refused', () => {
  const [a, b] = [replica('a'), replica('b')];
  test('in no way between a healthy primary and a healthy replica', () => {
    expect(codes(group([primary(), a, b]), { target: a })).toEqual([]);
    expect(codes(group([primary('0/1000', gone), a, b]), { mode: 'FAILOVER', target: b })).toEqual([]);
  });

  test.each([
    ['the primary itself', group([primary(), a]), { target: primary() }, ['IS_PRIMARY']],
    ['an unhealthy replica', group([primary(), replica('a', gone)]), { target: replica('a', gone) }, ['NOT_HEALTHY']],
    [
      'one without its agent',
      group([primary(), replica('a', { agentLostAt: new Date() })]),
      { target: replica('a', { agentLostAt: new Date() }) },
      ['NOT_HEALTHY'],
    ],
    [
      'one that does not stream, as planned',
      group([primary(), replica('a', { state: null })]),
      { target: replica('a', { state: null }) },
      ['NOT_HEALTHY'],
    ],
    ['nobody there', group([primary()]), {}, ['NO_CANDIDATE']],
    ['a healthy primary’s successor', group([primary(), a]), { mode: 'FAILOVER' }, ['PRIMARY_HEALTHY']],
    ['a lost primary’s, as planned', group([primary('0/1', gone), a]), {}, ['NO_PRIMARY']],
    ['one too far behind', group([primary('0/2000', gone), a]), { mode: 'FAILOVER' }, ['REPLICA_TOO_FAR_BEHIND']],
    [
      'one of a synchronous group that is not all seen',
      group([primary('0/1000', gone), a, replica('b', gone)], { synchronous: true }),
      { mode: 'FAILOVER' },
      ['REPLICAS_UNSEEN'],
    ],
  ] as const)('%s', (_what, cluster, request, expected) => {
    expect(codes(cluster, request)).toEqual(expected);
  });

  test.each([
    ['a former primary, as planned', { target: former }, ['NO_PRIMARY', 'NOT_A_REPLICA']],
    ['a former primary, without the loss accepted', { target: former, mode: 'FAILOVER' }, ['NOT_A_REPLICA']],
    [
      'nobody named, where only a former primary is there',
      { mode: 'FAILOVER', acceptDataLoss: true },
      ['NO_CANDIDATE'],
    ],
    ['not a former primary, with the loss accepted', { target: former, mode: 'FAILOVER', acceptDataLoss: true }, []],
  ] as const)('%s', (_what, request, expected) => {
    expect(codes(group([primary('0/1000', gone), former]), request)).toEqual(expected);
    const served = codes(group([primary(), former]), { ...request, mode: 'FAILOVER' });
    expect(served).toContain('PRIMARY_HEALTHY');
  });

  test('a former primary without its agent, whatever is accepted', () => {
    const away = { ...former, agentLostAt: new Date() };
    const request = { target: away, mode: 'FAILOVER', acceptDataLoss: true } as const;
    expect(codes(group([primary('0/1000', gone), away]), request)).toEqual(['NOT_A_REPLICA']);
  });

  describe('by what is known of the lost primary', () => {
    const lostAt = (lastPosition: { timeline: number; lsn: string } | null) =>
      primary('0/0', { ...gone, observation: observation({ serving: false, role: 'PRIMARY', lastPosition }) });

    test('where it is not known how far that was, and goes where that is accepted', () => {
      expect(codes(group([lostAt(null), a]), { mode: 'FAILOVER' })).toEqual(['LAG_UNKNOWN']);
      expect(codes(group([lostAt(null), a]), { mode: 'FAILOVER', acceptDataLoss: true })).toEqual([]);
    });

    test('where all stayed behind on an older timeline, and goes where that is accepted', () => {
      const cluster = group([lostAt({ timeline: 2, lsn: '0/1000' }), a]);
      expect(codes(cluster, { mode: 'FAILOVER' })).toEqual(['NO_CANDIDATE']);
      expect(codes(cluster, { mode: 'FAILOVER', target: a })).toEqual(['NOT_HEALTHY']);
      expect(codes(cluster, { mode: 'FAILOVER', target: a, acceptDataLoss: true })).toEqual([]);
    });
  });

  test.each([
    ['is being backed up', replica('a', { activity: 'BACKING_UP', status: 'BACKING_UP' })],
    ['is in ERROR after a restart that broke off, and serves', replica('a', { activity: 'FAILED', status: 'ERROR' })],
  ])('not because the only replica %s', (_what, busy) => {
    expect(codes(group([primary('0/1000', gone), busy], { synchronous: true }), { mode: 'FAILOVER' })).toEqual([]);
    expect(elect(group([primary('0/1000', gone), busy]))?.id).toBe('a');
  });

  test.each([
    ['is only being made', instanceFacts({ id: 'n', activity: 'SYNCING', status: 'SYNCING', observation: null })],
    ['never came to have a server', instanceFacts({ id: 'n', activity: 'FAILED', status: 'ERROR', observation: null })],
    ['was the primary before, and is away', { ...former, agentLostAt: new Date() }],
  ])('not because another instance of a synchronous group %s', (_what, other) => {
    const cluster = group([primary('0/1000', gone), a, other], { synchronous: true });
    expect(codes(cluster, { mode: 'FAILOVER' })).toEqual([]);
    expect(acknowledging(cluster).map(({ id }) => id)).toEqual(['a']);
  });

  test('where a replica of a synchronous group has lost its data: the last write may have been there', () => {
    const emptied = replica('b', { status: 'DOWN', observation: observation({ serving: false, role: null }) });
    const cluster = group([primary('0/1000', gone), a, emptied], { synchronous: true });
    expect(codes(cluster, { mode: 'FAILOVER' })).toEqual(['REPLICAS_UNSEEN']);
    expect(codes(cluster, { mode: 'FAILOVER', acceptDataLoss: true })).toEqual([]);
  });

  describe('in a synchronous group whose wanted primary was elected and', () => {
    const old = { ...former, agentLostAt: new Date() };
    const elected = (role: 'PRIMARY' | 'REPLICA', lastPosition: object, parts: Partial<InstanceFacts> = {}) =>
      instanceFacts({
        ...{ id: 'p', role, ...parts },
        observation: observation({ role, serving: parts.agentLostAt === undefined, lastPosition: { ...lastPosition } }),
      });
    const asReplica = { timeline: 1, lsn: '0/1000', inRecovery: true };
    const synchronous = { synchronous: true };

    test.each([
      ['was lost before it became the primary', elected('REPLICA', asReplica, gone)],
      ['is there, and does not become the primary', elected('REPLICA', asReplica)],
      ['became the primary, and was lost before it took a write', elected('PRIMARY', asReplica, gone)],
    ])('%s: it may be the only one that has the last write', (_what, wanted) => {
      const cluster = group([wanted, old, a], synchronous);
      expect(codes(cluster, { mode: 'FAILOVER' })).toEqual(['REPLICAS_UNSEEN']);
      expect(unseenReplicas(cluster)).toEqual(['p']);
      expect(codes(cluster, { mode: 'FAILOVER', acceptDataLoss: true })).toEqual([]);
    });

    test('has led: then those count that followed it, and whoever did not is not promoted', () => {
      const led = elected('PRIMARY', { timeline: 2, lsn: '0/1000', inRecovery: false }, gone);
      expect(codes(group([led, old, a], synchronous), { mode: 'FAILOVER' })).toEqual(['NO_CANDIDATE']);
      expect(codes(group([led, old, replica('a', { timeline: 2 })], synchronous), { mode: 'FAILOVER' })).toEqual([]);
    });
  });

  test('where the only replica still replays what it had when it was started: nobody knows how much that is', () => {
    const replaying = replica('a', { state: null });
    Object.assign(replaying.observation?.engine ?? {}, { receivedLsn: null });
    const cluster = group([primary('0/1000', gone), replaying], { synchronous: true });
    expect(codes(cluster, { mode: 'FAILOVER' })).toEqual(['NO_CANDIDATE', 'REPLICAS_UNSEEN']);
    expect(elect(group([primary('0/1000', gone), replaying, replica('b', { lsn: '0/800' })]))?.id).toBe('b');
  });

  test('beside an instance that takes writes, whatever an operation has left it as', () => {
    const serving = primary('0/1000', { activity: 'FAILED', status: 'ERROR' });
    if (serving.observation) serving.observation.serving = true;
    expect(codes(group([serving, a]), { mode: 'FAILOVER' })).toEqual(['PRIMARY_HEALTHY']);
  });

  test('unless the loss is accepted', () => {
    const cluster = group([primary('0/1000', gone), a, replica('b', gone)], { synchronous: true });
    expect(codes(cluster, { mode: 'FAILOVER', acceptDataLoss: true })).toEqual([]);
  });
});

describe('a stray instance', () => {
  test.each([
    ['a replica that streams', replica('a'), null],
    ['one that streams from nobody', replica('a', { state: null }), expect.stringContaining('does not stream')],
    [
      'a former primary',
      replica('a', { observation: observation({ serving: false, role: 'PRIMARY' }) }),
      expect.stringContaining('primary'),
    ],
    ['one behind a fence', replica('a', { fencedAt: new Date() }), expect.stringContaining('fenced')],
    ['one without its agent', replica('a', { state: null, agentLostAt: new Date() }), null],
  ])('is told: %s', (_what, instance, why) => {
    expect(stray(group([primary(), instance]), instance)).toEqual(why);
    expect(stray(group([primary('0/1', gone), instance]), instance)).toBeNull();
  });
});
