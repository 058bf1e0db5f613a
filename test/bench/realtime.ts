import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import WebSocket from 'ws';
import type { ApiClient } from '../support/apiClient.ts';
import { atMost, type Bench, type Figure, information, times } from './benchmark.ts';
import { collectGarbage } from './collectGarbage.ts';
import { processorMs } from './processCost.ts';
import {
  commitTimes,
  eventFields,
  type RealtimeNodes,
  type Subscribers,
  startRealtimeNodes,
  startSubscribers,
} from './realtimeNodes.ts';
import type { SubscribersReport } from './realtimeSubscribers.ts';

const subscribers = 1_000;
const events = 60;
const everyMs = 200;
const warmUpEvents = 10;
const longestTailMs = 30_000;
const missed = 10_000;
const idle = 2_000;
const limits = { medianMs: 15, p99Ms: 60, catchUpMs: 1_000, idleBytes: 16 * 1024, timesStock: 2.5 };
const show = (ms: number) => `${ms.toFixed(1)} ms`;

type Run = { latencies: number[]; deliveriesACoreSecond: number };

/** Commit to subscriber, deliveries a second a core beside stock parts, catching up, and the memory of idle subscriptions. */
export async function realtime(bench: Bench): Promise<Figure[]> {
  const { tell } = bench;
  const grove = await startRealtimeNodes(bench);
  const tellRun = (name: string, { latencies, deliveriesACoreSecond }: Run) =>
    tell(
      `${name}: p50 ${show(quantile(latencies, 0.5))}, p99 ${show(quantile(latencies, 0.99))}, ` +
        `${deliveriesACoreSecond.toFixed(0)} deliveries a second a core; load ${loadavg()[0]?.toFixed(1)}`,
    );
  const memory = await idleMemory(bench, grove);
  const one = await deliver(bench, grove, { listenAt: 0, label: 1 });
  tellRun('one node', one);
  const two = await deliver(bench, grove, { listenAt: 1, label: 2 });
  tellRun('two nodes', two);
  const stock = await deliverStock(bench);
  tellRun('stock', stock);
  const catchUpMs = await catchUp(grove);
  return [
    ...latencyFigures('one node', one),
    ...latencyFigures('two nodes with Redis in between', two),
    information(
      'commit to subscriber, stock graphql-ws and Yoga pub/sub, p50 and p99',
      `${show(quantile(stock.latencies, 0.5))}, ${show(quantile(stock.latencies, 0.99))}`,
    ),
    information('deliveries a second a core, Grove', two.deliveriesACoreSecond.toFixed(0)),
    information('deliveries a second a core, stock', stock.deliveriesACoreSecond.toFixed(0)),
    atLeast('Grove against stock', two.deliveriesACoreSecond / stock.deliveriesACoreSecond, limits.timesStock),
    atMost(`${missed} missed events caught up`, catchUpMs, limits.catchUpMs, show),
    atMost(
      'memory of an idle subscription, connection included',
      memory,
      limits.idleBytes,
      (bytes) => `${(bytes / 1024).toFixed(1)} KiB`,
    ),
    information('load of the machine meanwhile (1 minute)', loadavg()[0]?.toFixed(1) ?? ''),
  ];
}

function latencyFigures(where: string, { latencies }: Run): Figure[] {
  return [
    atMost(
      `commit to subscriber, ${subscribers} of them, ${1000 / everyMs} events/s, ${where}, p50`,
      quantile(latencies, 0.5),
      limits.medianMs,
      show,
    ),
    atMost(`the same, p99`, quantile(latencies, 0.99), limits.p99Ms, show),
  ];
}

function atLeast(name: string, value: number, limit: number): Figure {
  return { name, measured: times(value), limit: `≥ ${times(limit)}`, verdict: value >= limit ? 'kept' : 'MISSED' };
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
}

/** Events that a mutation at the first node makes, told to subscribers of a node. */
async function deliver(
  bench: Bench,
  grove: RealtimeNodes,
  { listenAt, label: series }: { listenAt: 0 | 1; label: number },
): Promise<Run> {
  const node = grove.nodes[listenAt];
  const listening = await startSubscribers(bench, {
    url: `${node.url.replace('http', 'ws')}/graphql`,
    count: subscribers,
    payload: { apiKey: grove.key },
  });
  const make = (label: string) => makeEvent(grove.clients[0], label);
  await warmUp(listening, series, make);
  const labels = labelsOf(series);
  const before = processorMs(node.pid);
  await rhythm(labels, make);
  const report = await complete(listening, labels);
  const cpuMs = processorMs(node.pid) - before;
  await listening.close();
  return run(report, await commitTimes(grove), { labels, cpuMs });
}

const labelsOf = (series: number) =>
  Array.from({ length: events }, (_, index) => `bench-${series}${String(index).padStart(5, '0')}`);

/** Until everybody hears: a subscription that was read may begin a little later. */
async function warmUp(
  listening: Pick<Subscribers, 'report'>,
  series: number,
  make: (label: string) => Promise<void>,
): Promise<void> {
  for (let round = 0, all = false; !all; round += 1) {
    const labels = Array.from({ length: warmUpEvents }, (_, index) => `bench-${series}9${round}${index}`);
    await rhythm(labels, make);
    await pause(everyMs);
    const report = await listening.report();
    all = labels.some((label) => report[label]?.length === subscribers);
  }
}

async function makeEvent(client: ApiClient, name: string): Promise<void> {
  await client.data(
    'mutation ($name: String!) { createApiKey(input: { name: $name, role: VIEWER }) { ... on CreateApiKeyPayload { key } } }',
    { name },
  );
}

/** The same number of the same events, published in the process that tells them. */
async function deliverStock(bench: Bench): Promise<Run> {
  const server = fork(join(import.meta.dirname, 'stockServer.ts'));
  bench.closers.add('the stock server', () => void server.kill('SIGKILL'));
  const [{ port }] = (await once(server, 'message')) as [{ port: number }];
  const listening = await startSubscribers(bench, {
    url: `ws://127.0.0.1:${port}/graphql`,
    count: subscribers,
    payload: {},
  });
  const published = new Map<string, number>();
  const publish = async (label: string) => {
    published.set(label, await publishStock(server, label));
  };
  await warmUp(listening, 3, publish);
  const labels = labelsOf(3);
  const before = processorMs(server.pid ?? 0);
  await rhythm(labels, publish);
  const report = await complete(listening, labels);
  const cpuMs = processorMs(server.pid ?? 0) - before;
  await listening.close();
  server.disconnect();
  return run(report, published, { labels, cpuMs });
}

async function publishStock(server: ChildProcess, label: string): Promise<number> {
  const event = {
    cursor: 'AWXtRKvO1QAAAAAAAAAAAQ',
    type: 'API_KEY_CREATED',
    at: new Date().toISOString(),
    actor: { kind: 'API_KEY', name: 'first admin', role: 'ADMIN' },
    clusterId: null,
    instanceId: null,
    operationId: null,
    fromStatus: null,
    toStatus: null,
    payload: { name: label, role: 'VIEWER', publicId: '0123456789abcdef' },
  };
  const answer = once(server, 'message');
  server.send({ label, event });
  const [{ at }] = (await answer) as [{ at: number }];
  return at;
}

async function rhythm(labels: readonly string[], make: (label: string) => Promise<void>): Promise<void> {
  const begun = performance.now();
  for (const [index, label] of labels.entries()) {
    await pause(Math.max(0, begun + index * everyMs - performance.now()));
    await make(label);
  }
}

/** Waits until everybody has heard of everything; fails where something is missing for long, or was told twice. */
async function complete(listening: Pick<Subscribers, 'report'>, labels: readonly string[]): Promise<SubscribersReport> {
  const end = performance.now() + longestTailMs;
  for (;;) {
    const report = await listening.report();
    const heard = labels.map((label) => report[label]?.length ?? 0);
    if (heard.every((count) => count === subscribers)) return report;
    if (performance.now() > end) throw new Error(`of ${subscribers} subscribers heard of each event: ${heard}`);
    await pause(200);
  }
}

function run(
  report: SubscribersReport,
  begun: ReadonlyMap<string, number>,
  { labels, cpuMs }: { labels: readonly string[]; cpuMs: number },
): Run {
  const latencies = labels.flatMap((label) => (report[label] ?? []).map((at) => at - (begun.get(label) ?? Number.NaN)));
  return { latencies, deliveriesACoreSecond: latencies.length / (cpuMs / 1000) };
}

/** From the subscription to the last of the missed events; most of them are no longer in the node's memory. */
async function catchUp({ nodes, db, key, projectId }: RealtimeNodes): Promise<number> {
  const url = `${nodes[1].url.replace('http', 'ws')}/graphql`;
  const [start] = await db.$queryRaw<
    { cursor: bigint }[]
  >`SELECT event_seq AS cursor FROM project WHERE id = ${projectId}::uuid`;
  const { data } = (await (
    await fetch(`${nodes[1].url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      body: JSON.stringify({ query: '{ events(last: 1) { nodes { cursor } } }' }),
    })
  ).json()) as { data: { events: { nodes: { cursor: string }[] } } };
  const after = data.events.nodes[0]?.cursor;
  await db.$executeRaw`
    WITH counter AS (UPDATE project SET event_seq = event_seq + ${missed} WHERE id = ${projectId}::uuid)
    INSERT INTO event (project_id, seq, type, to_status, payload, actor, at)
    SELECT project_id, ${start?.cursor ?? 0n} + n, 'CLUSTER_STATUS_CHANGED', 'ACTIVE',
      '{"cluster":"orders","reason":"every instance serves"}', actor, now()
    FROM event, generate_series(1, ${missed}::int) AS n WHERE project_id = ${projectId}::uuid AND seq = ${start?.cursor ?? 0n}`;
  const query = `subscription ($after: Cursor) { events(after: $after) { ... on EventBatch { cursor events { ${eventFields} } } } }`;
  const ms: number[] = [];
  for (let round = 0; round < 3; round += 1) ms.push(await timeToRead({ url, key, query, after }));
  return quantile(ms, 0.5);
}

async function timeToRead({
  url,
  key,
  query,
  after,
}: {
  url: string;
  key: string;
  query: string;
  after: string | undefined;
}): Promise<number> {
  const socket = new WebSocket(url, 'graphql-transport-ws', { perMessageDeflate: false });
  const say = (message: object) => socket.send(JSON.stringify(message));
  let begun = 0;
  let seen = 0;
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  socket.on('error', reject);
  socket.on('open', () => say({ type: 'connection_init', payload: { apiKey: key } }));
  socket.on('message', (text) => {
    const { type, payload } = JSON.parse(String(text));
    if (type === 'connection_ack') {
      begun = performance.now();
      say({ type: 'subscribe', id: '1', payload: { query, variables: { after } } });
    } else if (type !== 'next') reject(new Error(String(text)));
    else {
      seen += payload.data.events.events?.length ?? 0;
      if (seen === missed) resolve(performance.now() - begun);
    }
  });
  const ms = await promise;
  socket.terminate();
  return ms;
}

/** What the second node's memory grows by, for each subscription on a connection of its own. */
async function idleMemory(bench: Bench, { nodes, key }: RealtimeNodes): Promise<number> {
  const node = nodes[1];
  const open = (count: number) =>
    startSubscribers(bench, { url: `${node.url.replace('http', 'ws')}/graphql`, count, payload: { apiKey: key } });
  // The first ones make what all share.
  await (await open(200)).close();
  const before = await collectGarbage(node);
  const listening = await open(idle);
  const after = await collectGarbage(node);
  await listening.close();
  const each = (after.used - before.used) / idle;
  const resident = (after.resident - before.resident) / idle;
  bench.tell(
    `idle subscription: ${(each / 1024).toFixed(1)} KiB of memory in use, ${(resident / 1024).toFixed(1)} KiB resident`,
  );
  return each;
}
