import { deepEqual } from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createDatabase } from '#store/database.ts';
import { startTemporaryPostgres } from '../../tools/temporaryPostgres.ts';
import { createGroveHome, type GroveProcess } from '../support/groveProcess.ts';
import { type Bench, type Figure, information, times } from './benchmark.ts';
import type { Load, LoadResult } from './loadGenerator.ts';
import { median } from './median.ts';
import { seedClusters } from './seedClusters.ts';
import { statementsOf } from './statementsOf.ts';

const pageLength = 50;
const connections = 16;
const warmUpMs = 3000;
const measureMs = 5000;
const rounds = 3;

const query = /* GraphQL */ `{
  clusters(first: ${pageLength}) { nodes {
    id name version engine { name } engineVersion status statusReason instanceCount createdAt
    health { level reasons { code message } }
    instances { nodes {
      id name role status address port observedAt storageUsedBytes connections
      replication { state lagBytes lagSeconds }
      engineInfo { ... on PostgresInfo { version inRecovery currentLsn databaseSizeBytes } }
    } }
  } }
}`;

/** Pages of clusters with their instances a second, of Grove and of one prepared statement behind bare node:http. */
export async function clustersPage({ closers, tell }: Bench): Promise<Figure[]> {
  const store = await startTemporaryPostgres();
  closers.add('the store of the page benchmark', () => store.stop());
  const home = await createGroveHome();
  closers.add('the Grove of the page benchmark', () => home.destroy());
  // Nobody reports for seeded instances; they must not become unreachable meanwhile.
  const grove = await home.start({
    environment: { DATABASE_URL: store.url, GROVE_AGENT_LEASE_SECONDS: '86400' },
  });
  const projectId = await seed(store.url);
  const rawUrl = await startRawServer(store.url, projectId, closers);
  const groveLoad = loadOf(grove);
  const rawLoad = { ...groveLoad, url: rawUrl };
  deepEqual(await answerTo(groveLoad), await answerTo(rawLoad), 'Grove and the raw peer answer with the same page');
  const statements = await statementsOf(store.url, () => answerTo(groveLoad));
  for (const statement of statements) tell(`statement: ${statement.slice(0, 100)}…`);
  for (const load of [groveLoad, rawLoad]) await putUnder({ ...load, forMs: warmUpMs });
  const results: Record<'grove' | 'raw', LoadResult[]> = { grove: [], raw: [] };
  for (let round = 1; round <= rounds; round += 1) {
    results.grove.push(await putUnder(groveLoad));
    results.raw.push(await putUnder(rawLoad));
    tell(`round ${round} of ${rounds}: Grove ${describe(results.grove.at(-1))}, raw ${describe(results.raw.at(-1))}`);
  }
  const [ours, raw] = [results.grove, results.raw].map((each) => median(each.map(({ perSecond }) => perSecond))) as [
    number,
    number,
  ];
  return [
    information(`pages of ${pageLength} clusters with instances a second, Grove`, ours.toFixed(0)),
    information('the same by one prepared statement behind bare node:http', raw.toFixed(0)),
    information('raw against Grove', times(raw / ours)),
    information('SQL statements for one page, the check of the key included', String(statements.length)),
  ];
}

async function seed(url: string): Promise<string> {
  const db = createDatabase(url);
  const { id } = await db.project.findFirstOrThrow();
  await seedClusters(db, id, pageLength);
  await db.$executeRaw`ANALYZE`;
  await db.$disconnect();
  return id;
}

async function startRawServer(url: string, projectId: string, closers: Bench['closers']): Promise<string> {
  const server = spawn(process.execPath, [join(import.meta.dirname, 'rawPageServer.ts'), url, projectId], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  closers.add('the raw peer', () => void server.kill('SIGKILL'));
  const [port] = await once(server.stdout, 'data');
  return `http://127.0.0.1:${String(port).trim()}/`;
}

function loadOf({ url, key }: GroveProcess): Load {
  return {
    url: `${url}/graphql`,
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({ query }),
    connections,
    forMs: measureMs,
  };
}

async function answerTo({ url, headers, body }: Load): Promise<unknown> {
  return (await fetch(url, { method: 'POST', headers, body })).json();
}

/** In a process of its own, so that neither server shares one with its load. */
async function putUnder(load: Load): Promise<LoadResult> {
  const generator = join(import.meta.dirname, 'loadGenerator.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [generator, JSON.stringify(load)]);
  return JSON.parse(stdout) as LoadResult;
}

const describe = (result: LoadResult | undefined): string =>
  `${result?.perSecond.toFixed(0)}/s (median ${result?.medianMs.toFixed(1)} ms, p99 ${result?.p99Ms.toFixed(1)} ms)`;
