import { describe, expect, test } from 'vitest';
import { backoffMs } from '#client/backoff.ts';
import { RecentCursors } from '#client/recentCursors.ts';
import { resumePlan } from '#client/resumePlan.ts';
import { StreamRefusedError, streamEnd } from '#client/streamEnd.ts';

describe('after the end of a connection', () => {
  test.each([1001, 1005, 1006, 1011, 1012, 1014, 4499, 4500, 4504])('close code %i is come back from', (code) => {
    expect(streamEnd({ code, reason: 'why' })).toEqual({
      comeBack: true,
      reason: `the connection was closed (${code} why)`,
      later: false,
    });
  });

  test('1013 is come back from later', () => {
    expect(streamEnd({ code: 1013, reason: '' })).toMatchObject({ comeBack: true, later: true });
  });

  test.each([4400, 4401, 4403, 4406, 4408, 4409, 4429])('close code %i is final', (closeCode) => {
    const end = streamEnd({ code: closeCode, reason: 'why' });
    expect(end).toMatchObject({ comeBack: false, error: { closeCode, errors: [] } });
    expect(!end.comeBack && end.error).toBeInstanceOf(StreamRefusedError);
  });

  test('errors of the server are final, those that pass by themselves are not', () => {
    const error = (code: string) => ({ message: code, extensions: { code } });
    expect(streamEnd([error('STORE_UNAVAILABLE')])).toMatchObject({ comeBack: true, reason: 'STORE_UNAVAILABLE' });
    expect(streamEnd([error('INTERNAL_ERROR')])).toMatchObject({ comeBack: true });
    const errors = [error('INTERNAL_ERROR'), error('NOT_FOUND')];
    expect(streamEnd(errors)).toMatchObject({ comeBack: false, error: { closeCode: null, errors } });
  });

  test('a server that cannot be reached is tried again', () => {
    expect(streamEnd(new Error('ECONNREFUSED'))).toEqual({ comeBack: true, reason: 'ECONNREFUSED', later: false });
    expect(streamEnd(undefined)).toMatchObject({ comeBack: true });
  });

  test('waits are spread over a time that doubles up to a bound', () => {
    const bounds = Array.from({ length: 7 }, (_, attempt) => backoffMs(attempt, { random: () => 0.999_999 }));
    expect(bounds).toEqual([1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
    expect(backoffMs(6, { random: () => 0 })).toBe(0);
    expect(backoffMs(10_000, { longestMs: 50, random: () => 0.5 })).toBe(25);
  });
});

describe('the plan of a subscription', () => {
  const log = { of: 'log', beginsWithSnapshot: false };

  test.each([
    [
      'subscription ($after: Cursor) { events(after: $after) { ...M } } fragment M on EventBatch { cursor }',
      'events',
      'after',
    ],
    [
      'subscription W($from: Cursor, $f: EventFilter = { types: [] }) { told: events(filter: $f, after: $from) { cursor } }',
      'told',
      'from',
    ],
    ['# subscription { x }\nsubscription($c:Cursor){events(after:$c){cursor}}', 'events', 'c'],
    ['subscription ($c: Cursor, $s: String = ") {") { events(after: $c) { cursor } }', 'events', 'c'],
    ['subscription ($c: Cursor) @d(x: "{") { events(after: $c) { cursor } }', 'events', 'c'],
    ['fragment F on Subscription { events(after: $c) { cursor } } subscription ($c: Cursor) { ...F }', 'events', 'c'],
    [
      'subscription ($c: Cursor) { ... on Subscription { ...F } } fragment F on Subscription { ... @d { told: events(after: $c) { ...M } } } fragment M on Heartbeat { cursor }',
      'told',
      'c',
    ],
  ])('%s', (document, responseKey, cursorVariable) => {
    expect(resumePlan(document)).toEqual({ ...log, responseKey, cursorVariable });
  });

  test('a cluster’s begins with a snapshot; an operation’s is a state', () => {
    expect(
      resumePlan('subscription ($id: ID!, $after: Cursor) { cluster(id: $id, after: $after) { cursor } }'),
    ).toEqual({
      responseKey: 'cluster',
      of: 'log',
      cursorVariable: 'after',
      beginsWithSnapshot: true,
    });
    expect(resumePlan('subscription { operation(id: "x") { status } }')).toMatchObject({
      of: 'state',
      responseKey: 'operation',
    });
  });

  test('is that of the operation that is named', () => {
    const document =
      'subscription A { operation(id: "x") { id } } subscription B($c: Cursor) { events(after: $c) { cursor } }';
    expect(resumePlan(document, 'B')).toEqual({ ...log, responseKey: 'events', cursorVariable: 'c' });
    expect(resumePlan(document, 'A')).toMatchObject({ of: 'state' });
  });

  test.each([
    ['subscription { events { cursor } }', /variable for the cursor.*\$after: Cursor/],
    ['subscription { events(after: "abc") { cursor } }', /variable for the cursor/],
    ['subscription ($after: Cursor) { events(after: $after) { __typename } }', /select "cursor"/],
    ['subscription ($cursor: Cursor) { events(after: $cursor) { __typename } } # cursor', /select "cursor"/],
    ['subscription { ...F } fragment F on Subscription { events { cursor } }', /variable for the cursor/],
    ['subscription { ...F } fragment F on Subscription { ...F }', /selects no field/],
    ['query A { node(id: "x") { id } } subscription B { operation(id: "x") { id } }', /Only a subscription/],
    ['mutation { deleteCluster(input: { clusterId: "x" }) { __typename } }', /Only a subscription/],
  ])('%s is refused, with the way out', (document, message) => {
    expect(() => resumePlan(document)).toThrow(message);
  });
});

test('an event that was seen is not told again, nor is a batch', () => {
  const recent = new RecentCursors();
  const result = (...cursors: string[]) => {
    const message = { cursor: cursors.at(-1) ?? '', events: cursors.map((cursor) => ({ cursor })) };
    return recent.withoutRepeated({ data: { events: message } }, 'events', message)?.data?.events ?? null;
  };
  expect(result('a', 'b')).toEqual({ cursor: 'b', events: [{ cursor: 'a' }, { cursor: 'b' }] });
  expect(result('a', 'b')).toBe(null);
  expect(result('b', 'c')).toEqual({ cursor: 'c', events: [{ cursor: 'c' }] });
});
