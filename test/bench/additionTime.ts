import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chown, mkdir, readFile, rm } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { knownVersions } from '#engines/postgresql/toolchain.ts';
import { serverUser } from '#lib/host/serverUser.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import type { ApiClient, Shape } from '../support/apiClient.ts';
import { createdCluster, readCluster, revealedCredentials, uuidOf } from '../support/clusterCalls.ts';
import { createGroveHome } from '../support/groveProcess.ts';
import { requestAdd, requestDrop, succeeded } from '../support/topologyCalls.ts';
import { atMost, type Bench, type Figure, information, mebibytes, seconds, times } from './benchmark.ts';
import { median } from './median.ts';
import { createScratchDirectory } from './scratchDirectory.ts';

const rounds = 5;
const mostTimes = 1.3;
const rows = 7_000_000;

type Primary = { host: string; port: number; replicatorPassword: string };

/** One instance more for a cluster of about 1 GiB, from the mutation to ACTIVE, against a bare pg_basebackup of it; both in turn. */
export async function additionTime({ closers, tell }: Bench): Promise<Figure[]> {
  const programs = distribution();
  if (programs === null)
    return [information('addition of an instance', 'no pg_basebackup on this host: npm run servers')];
  const scratch = await createScratchDirectory();
  closers.add('the base backups', () => scratch.destroy());
  const home = await createGroveHome();
  closers.add('the Grove of the addition benchmark', () => home.destroy());
  const { client } = await home.start();
  const clusterId = await createdCluster(client, {
    name: 'large',
    engine: 'postgresql',
    engineVersion: programs.version,
    instanceCount: 1,
  });
  const bytes = await fill(client, clusterId);
  tell(`the cluster has ${mebibytes(bytes)}`);
  const primary = await primaryOf(client, clusterId, home.directory);
  const bare: number[] = [];
  const byGrove: number[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const directory = join(scratch.path, `round-${round}`);
    const bareMs = await bareBackup(programs.directory, primary, directory);
    await rm(directory, { recursive: true });
    const groveMs = await addition(client, clusterId);
    bare.push(bareMs);
    byGrove.push(groveMs);
    tell(
      `round ${round} of ${rounds}: bare ${seconds(bareMs)}, Grove ${seconds(groveMs)}, load ${loadavg()[0]?.toFixed(1)}`,
    );
  }
  return [
    information(`pg_basebackup of ${mebibytes(bytes)}`, seconds(median(bare))),
    information('one instance more by Grove, mutation to ACTIVE', seconds(median(byGrove))),
    atMost('addition by Grove against the bare base backup', median(byGrove) / median(bare), mostTimes, times),
  ];
}

function distribution(): { version: string; directory: string } | null {
  for (const version of knownVersions) {
    const directory = `/usr/lib/postgresql/${version}/bin`;
    if (existsSync(join(directory, 'pg_basebackup'))) return { version, directory };
  }
  return null;
}

/** Fills the cluster's database. Answers with its size in bytes. */
async function fill(client: ApiClient, clusterId: string): Promise<number> {
  const { uri } = await revealedCredentials(client, clusterId);
  const session = new Client({ connectionString: uri });
  await session.connect();
  try {
    await session.query(
      `CREATE TABLE filling AS SELECT i AS id, md5(i::text) || md5((i * 7)::text) AS first, md5((i * 13)::text) AS second
       FROM generate_series(1, ${rows}) AS i`,
    );
    await session.query('VACUUM ANALYZE filling');
    const { rows: sizes } = await session.query<{ bytes: string }>(
      'SELECT pg_database_size(current_database()) AS bytes',
    );
    return Number(sizes[0]?.bytes);
  } finally {
    await session.end();
  }
}

async function primaryOf(client: ApiClient, clusterId: string, directory: string): Promise<Primary> {
  const [{ id, address, port }] = (await readCluster(client, clusterId)).instances.nodes as Shape[];
  const secrets = join(directory, 'clusters', uuidOf(clusterId), uuidOf(id), 'secrets.json');
  const { grove_replicator: replicatorPassword } = JSON.parse(await readFile(secrets, 'utf8'));
  return { host: address, port, replicatorPassword };
}

/** As a person would take it: with its checksums and made durable, and without the WAL, which a replica gets through its slot. */
async function bareBackup(
  programs: string,
  { host, port, replicatorPassword }: Primary,
  into: string,
): Promise<number> {
  const user = serverUser();
  await mkdir(into, { mode: 0o700 });
  if (user !== null) await chown(into, user.uid, user.gid);
  const begun = performance.now();
  await promisify(execFile)(
    join(programs, 'pg_basebackup'),
    ['-h', host, '-p', String(port), '-U', 'grove_replicator', '-D', into, '-X', 'none', '-c', 'fast', '--no-password'],
    { cwd: into, env: { PGPASSWORD: replicatorPassword, LC_ALL: 'C' }, ...user },
  );
  return performance.now() - begun;
}

/** One instance more, and away again; only its coming is timed. */
async function addition(client: ApiClient, clusterId: string): Promise<number> {
  const begun = performance.now();
  const { instances } = await succeeded(client, requestAdd(client, { clusterId, count: 1 }));
  const { status } = await readCluster(client, clusterId);
  const ms = performance.now() - begun;
  if (status !== 'ACTIVE') throw new Error(`The cluster is ${status}.`);
  const added = assertPresent(instances[0], 'the new instance');
  await succeeded(client, requestDrop(client, { clusterId, instanceIds: [added.id] }));
  return ms;
}
