import { expect, test } from 'vitest';
import type { Followed } from '#cli/watch/followProject.ts';
import {
  type Cluster,
  emptyProject,
  eventsOf,
  lagOf,
  type Operation,
  type Project,
  type WatchedEvent,
  withCluster,
  withEvents,
  withGap,
  withState,
} from '#cli/watch/project.ts';
import { type Choice, screen } from '#cli/watch/screen.ts';
import { bytesInWords, secondsInWords } from '#cli/watch/words.ts';

const cluster = (name: string, changes: Partial<Cluster> = {}): Cluster => ({
  id: name,
  name,
  status: 'ACTIVE',
  statusReason: null,
  health: { level: 'HEALTHY', reasons: [] },
  engine: { name: 'postgresql' },
  engineVersion: '18',
  instanceCount: 1,
  primary: { name: `${name}-1` },
  endpoints: [],
  instances: { nodes: [] },
  currentOperation: null,
  ...changes,
});

const operation = (id: string, status: string): Operation => ({
  id,
  kind: 'CREATE_CLUSTER',
  status,
  progress: 0.5,
  waitingFor: null,
  cluster: { id: 'orders', name: 'orders' },
  error: null,
  steps: [],
});

const event = (n: number, changes: Partial<WatchedEvent> = {}): WatchedEvent => ({
  cursor: `c${n}`,
  at: '2026-11-22T15:50:10.803Z',
  type: 'CLUSTER_STATUS_CHANGED',
  clusterId: 'orders',
  fromStatus: null,
  toStatus: `S${n}`,
  payload: { cluster: 'orders' },
  ...changes,
});

function shown(
  project: Project,
  choice: Partial<Choice> = {},
  size = { columns: 80, rows: 24 },
  now = 4_000,
): string[] {
  const followed: Followed = { project, connection: { state: 'live' }, lastMessageAt: 1_000 };
  const what = {
    url: 'http://127.0.0.1:4000',
    followed,
    choice: { clusterId: null, view: 'project' as const, ...choice },
    size,
    now,
  };
  return screen(what).map((line) => line.map(({ text }) => text).join(''));
}

test('the screen has as many lines as the terminal, however much there is to show', () => {
  const many = Array.from({ length: 300 }, (_, n) => cluster(`c${n}`));
  const running = Array.from({ length: 40 }, (_, n) => operation(`o${n}`, 'RUNNING'));
  const read = withState(emptyProject, { name: 'default', clusters: many, operations: running }, new Set());
  const full = withEvents(
    read,
    Array.from({ length: 2_000 }, (_, n) => event(n)),
  );
  for (const rows of [24, 40, 200]) {
    for (const view of ['project', 'cluster', 'help'] as const) {
      expect(shown(full, { view, clusterId: 'c250' }, { columns: 80, rows })).toHaveLength(rows);
    }
  }
  const lines = shown(full, { clusterId: 'c250' });
  expect(lines[0]).toBe('grove default at http://127.0.0.1:4000  live  heard 3 s ago');
  expect(lines.some((line) => line.startsWith('▸ c250'))).toBe(true);
  expect(lines.at(-2)).toContain('S1999');
});

test('what a server says in words cannot command the terminal', () => {
  const evil = 'x\u001b[2J\u0007y';
  const project = withEvents(emptyProject, [
    event(1, {
      payload: { cluster: evil },
      toStatus: evil,
      cluster: cluster('orders', { statusReason: evil, health: { level: 'DOWN', reasons: [{ message: evil }] } }),
    }),
  ]);
  for (const view of ['project', 'cluster'] as const) {
    const text = shown(project, { view, clusterId: 'orders' }).join('\n');
    expect(text).toContain('[2J y');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not be there
    expect(text).not.toMatch(/[\u0000-\u0009\u001b\u0007]/);
  }
});

test('events carry the state: clusters come, change and go, operations run and end', () => {
  const begun = withEvents(emptyProject, [
    event(1, { cluster: cluster('orders', { status: 'BUILDING' }), operation: operation('o', 'RUNNING') }),
  ]);
  expect(begun.clusters.map(({ status }) => status)).toEqual(['BUILDING']);
  expect(begun.operations.map(({ status }) => status)).toEqual(['RUNNING']);
  const ended = withEvents(begun, [event(2, { cluster: cluster('orders'), operation: operation('o', 'SUCCEEDED') })]);
  expect(ended.operations.map(({ status }) => status)).toEqual(['SUCCEEDED']);
  const gone = withEvents(ended, [event(3, { cluster: cluster('orders', { status: 'DELETED' }) })]);
  expect(gone.clusters).toEqual([]);
  const three = ['a', 'b', 'c'].reduce(
    (project, id) => withEvents(project, [event(9, { operation: operation(id, 'FAILED') })]),
    gone,
  );
  expect(three.operations.map(({ id }) => id)).toEqual(['c', 'b']);
});

test('the history and the stream meet without a hole and without a repetition, whichever comes first', () => {
  const events = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => event(from + n));
  const shownOf = (told: WatchedEvent[], history: WatchedEvent[]) =>
    eventsOf(withEvents({ ...emptyProject, history }, told));
  expect(shownOf([], events(1, 3))).toEqual(events(1, 3));
  expect(shownOf(events(4, 5), events(1, 3))).toEqual(events(1, 5));
  expect(shownOf(events(3, 5), events(1, 3))).toEqual(events(1, 5));
  expect(shownOf(events(3, 3), events(1, 9))).toEqual(events(1, 3));
  expect(shownOf(events(801, 950), events(901, 1_000))).toEqual(events(801, 950));
  expect(shownOf(events(801, 1_001), events(901, 1_000))).toEqual(events(801, 1_001));
  expect(shownOf(events(501, 1_700), events(401, 500))).toEqual(events(701, 1_700));
});

test('a gap parts the events before it from those after it, which may have the same cursors', () => {
  const before = withEvents({ ...emptyProject, history: [event(1)] }, [event(2), event(3)]);
  const after = withEvents(withGap(before, 'BEYOND_END'), [event(3)]);
  expect({ gap: after.gap, events: eventsOf({ ...after, history: [event(1), event(2)] }) }).toEqual({
    gap: 'BEYOND_END',
    events: [event(1), event(2), event(3)],
  });
});

test('what was told while the state was read stays as it was told', () => {
  const told = withEvents(emptyProject, [
    event(1, { cluster: cluster('orders', { status: 'DOWN' }), operation: operation('ended', 'SUCCEEDED') }),
    event(2, { cluster: cluster('gone', { status: 'DELETED' }) }),
  ]);
  const read = {
    name: 'default',
    clusters: [cluster('orders'), cluster('gone'), cluster('other')],
    operations: [operation('ended', 'RUNNING'), operation('running', 'RUNNING')],
  };
  const { clusters, operations } = withState(told, read, new Set(['orders', 'gone', 'ended']));
  expect([...clusters, ...operations].map(({ id, status }) => `${id} ${status}`)).toEqual([
    'orders DOWN',
    'other ACTIVE',
    'running RUNNING',
    'ended SUCCEEDED',
  ]);
});

test('the lag of a cluster is that of its furthest replica', () => {
  const replica = (lagBytes: string | null) => ({
    ...{ id: 'i', name: 'i', role: 'REPLICA', status: 'ACTIVE', statusReason: null, address: null, port: null },
    replication: { state: 'streaming', lagBytes, lagSeconds: 2.4 },
  });
  const lagging = cluster('orders', { instances: { nodes: [replica('5'), replica(null), replica('3000000')] } });
  expect(lagOf(lagging)).toEqual({ bytes: 3_000_000n, seconds: 2.4 });
  expect(shown(withCluster(emptyProject, lagging))[2]).toContain('lag 2.9 MiB 2 s');
  expect(lagOf(cluster('orders'))).toBe(null);
});

test('a message that is newer than the clock of the screen was heard just now', () => {
  expect(shown(emptyProject, {}, undefined, 0)[0]).toContain('heard 0 s ago');
});

test('sizes and times are told in few characters', () => {
  expect([0n, 999n, 1_000n, 5_242_880n, 10n ** 15n].map(bytesInWords)).toEqual([
    '0 B',
    '999 B',
    '1.0 KiB',
    '5.0 MiB',
    '909 TiB',
  ]);
  expect([0, 1.4, 119, 120, 7_200].map(secondsInWords)).toEqual(['0 s', '1 s', '119 s', '2 min', '2 h']);
});
