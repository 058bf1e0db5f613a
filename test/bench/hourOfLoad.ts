import { loadavg } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { createdCluster, cursorNow, loggedEvents, readCluster, revealedCredentials } from '../support/clusterCalls.ts';
import { createGroveHome } from '../support/groveProcess.ts';
import { lostWrites, startRecordingWriter } from '../support/recordingWriter.ts';
import { atMost, type Bench, type Figure, information, milliseconds } from './benchmark.ts';

const minutes = 60;
const tellEveryMs = 300_000;
const clients = 2;
const rowsAtOnce = 2000;
/** Between two statements of a client: the host has other work too. */
const pauseMs = 200;

/** An hour of writes and checkpoints on a cluster with the default settings: Grove must never take its primary for lost. */
export async function hourOfLoad({ closers, tell }: Bench): Promise<Figure[]> {
  const home = await createGroveHome();
  closers.add('the Grove of the hour of load', () => home.destroy());
  const { client } = await home.start();
  const clusterId = await createdCluster(client, { name: 'loaded', engineVersion: '18', instanceCount: 3 });
  const { username: user, password, database } = await revealedCredentials(client, clusterId);
  const { primary, instances } = await readCluster(client, clusterId);
  const targets = instances.nodes.map(({ address: host, port }: { address: string; port: number }) => ({ host, port }));
  const { address: host, port } = instances.nodes.find(({ name }: { name: string }) => name === primary.name);
  const begin = await cursorNow(client);
  const writer = await startRecordingWriter({ user, password, database, targets });
  const end = performance.now() + minutes * 60_000;
  const pushing = Array.from({ length: clients }, (_, number) =>
    push({ host, port, user, password, database }, { table: `pushed_${number}`, end }),
  );
  for (let left = end - performance.now(); left > 0; left = end - performance.now()) {
    await delay(Math.min(left, tellEveryMs));
    tell(
      `${Math.max(0, Math.round((end - performance.now()) / 60_000))} minutes left; load ${loadavg()[0]?.toFixed(1)}`,
    );
  }
  const rows = (await Promise.all(pushing)).reduce((sum, count) => sum + count, 0);
  const { acknowledged, longestGapMs } = await writer.stop();
  const after = await readCluster(client, clusterId);
  const promotions = (await loggedEvents(client, begin)).filter(({ type }) => type === 'PRIMARY_LOST').length;
  const lost = await lostWrites({ host, port }, { user, password, database }, acknowledged);
  return [
    atMost(`failovers in ${minutes} minutes of load with the default settings`, promotions, 0, String),
    information('the primary, before and after', `${primary.name}, ${after.primary.name}`),
    information('rows that were pushed beside the writer', String(rows)),
    information('longest gap between two acknowledged writes', milliseconds(longestGapMs)),
    atMost(`acknowledged writes lost, of ${acknowledged.length}`, lost.length, 0, String),
  ];
}

/** Fills and empties a table again and again. Answers with how many rows it wrote. */
async function push(server: pg.ClientConfig, { table, end }: { table: string; end: number }): Promise<number> {
  const session = new pg.Client(server);
  await session.connect();
  await session.query(`CREATE TABLE ${table} (id bigserial PRIMARY KEY, filler text)`);
  let rows = 0;
  while (performance.now() < end) {
    await session.query(
      `INSERT INTO ${table} (filler) SELECT repeat(md5(i::text), 8) FROM generate_series(1, ${rowsAtOnce}) i`,
    );
    rows += rowsAtOnce;
    await delay(pauseMs);
    if (rows % (50 * rowsAtOnce) === 0) await session.query(`TRUNCATE ${table}`);
  }
  await session.end();
  return rows;
}
