import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseObservation } from '#fleet/parseObservation.ts';
import { servingObservation } from './fleetWorld.ts';

const receivedAt = new Date('2026-02-02T00:00:00.000Z');
const parse = (report: unknown) => parseObservation(report, receivedAt);

test('an observation as agreed stays as it is', () => {
  expect(parse(servingObservation)).toEqual({ observation: servingObservation, faults: [] });
});

test('unknown fields are kept, missing ones are not known', () => {
  expect(parse({ serving: true, mood: 'good' })).toEqual({
    observation: {
      at: '2026-02-02T00:00:00.000Z',
      serving: true,
      reason: null,
      role: null,
      stopped: false,
      startedAt: null,
      connections: null,
      storageUsedBytes: null,
      replication: null,
      followerStates: [],
      lastPosition: null,
      engine: {},
      mood: 'good',
    },
    faults: [],
  });
});

test('wrong fields are left out and named', () => {
  const parsed = parse({
    ...servingObservation,
    serving: 'yes',
    role: 'BOSS',
    startedAt: 'yesterday',
    replication: { state: 'streaming', lagBytes: -1, slot: 's1' },
    followerStates: [1],
  });
  expect(parsed?.faults).toEqual(['serving', 'role', 'startedAt', 'followerStates', 'replication.lagBytes']);
  expect(parsed?.observation).toMatchObject({
    serving: false,
    role: null,
    startedAt: null,
    replication: { upstream: null, state: 'streaming', lagBytes: null, lagSeconds: null, position: null, slot: 's1' },
  });
});

test('what is no object is no observation', () => {
  for (const report of [null, 1, 'text', [], undefined]) expect(parse(report)).toBeNull();
});

/** Any string of UTF-16 units, well-formed or not. */
const anyText = fc.array(fc.nat(0xffff)).map((units) => String.fromCharCode(...units));

test('whatever an agent says, what is kept can be stored', () => {
  fc.assert(
    fc.property(fc.dictionary(anyText, fc.oneof(anyText, fc.array(anyText), fc.double())), (report) => {
      const text = JSON.stringify(parse({ ...report, engine: report })?.observation).replaceAll('\\\\', '');
      expect(text).not.toMatch(/\\u0000|\\ud[89a-f]/i);
    }),
  );
});
