import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as idle } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import type { ApiClient, Shape } from '../support/apiClient.ts';
import { takenBackup } from '../support/backupCalls.ts';
import { createdCluster, readCluster, revealedCredentials, uuidOf } from '../support/clusterCalls.ts';
import { createGroveHome } from '../support/groveProcess.ts';
import { processesOf } from '../support/processTree.ts';
import { atMost, type Bench, type Figure, information, megabytes, seconds, times } from './benchmark.ts';
import { median } from './median.ts';
import { createScratchDirectory } from './scratchDirectory.ts';

const rounds = 3;
const idleMs = 15_000;

const rows = 5_000_000;

/** A backup of one instance with about 1 GB, of which a part compresses well, against a copy of the same files; both in turn, both durable. */
export async function backupThroughput({ closers, tell }: Bench): Promise<Figure[]> {
  const scratch = await createScratchDirectory();
  closers.add('the copies', () => scratch.destroy());
  const home = await createGroveHome();
  closers.add('the Grove of the backup benchmark', () => home.destroy());
  const { client } = await home.start();
  const clusterId = await createdCluster(client, { name: 'large', engineVersion: '18', instanceCount: 1 });
  await fill((await revealedCredentials(client, clusterId)).uri);
  const [instance] = (await readCluster(client, clusterId)).instances.nodes;
  const data = join(home.directory, 'clusters', uuidOf(clusterId), uuidOf(instance.id), 'data');
  const copies: number[] = [];
  const backups: number[] = [];
  let backup: Shape = null;
  let used = 0;
  const agent = agentOf(uuidOf(instance.id));
  for (let round = 1; round <= rounds; round += 1) {
    copies.push(await timeOf(() => durableCopy(data, join(scratch.path, `copy-${round}`))));
    const before = processorMs(agent);
    backup = await takenBackup(client, { clusterId });
    used = processorMs(agent) - before;
    backups.push(await stepTime(client, backup.id, 'back up'));
    tell(`round ${round} of ${rounds}: copy ${seconds(copies.at(-1) ?? 0)}, backup ${seconds(backups.at(-1) ?? 0)}`);
  }
  const [copy, taken] = [median(copies), median(backups)];
  const rate = Number(backup.parts[0].dataBytes) / (taken / 1000);
  return [
    information('data of the instance', megabytes(Number(backup.parts[0].dataBytes))),
    information('its backup, compressed', megabytes(Number(backup.bytes))),
    information('copy of the files, with sync', seconds(copy)),
    information('backup: base backup, checked, compressed, stored', `${seconds(taken)}, ${megabytes(rate)}/s`),
    information('reading it back', seconds(await stepTime(client, backup.id, 'read'))),
    information('processor time of the agent for it', seconds(used)),
    atMost('resident memory of the agent some time after it', await memoryAfter(agent), 70e6, megabytes),
    information('backup against a copy, which neither checks nor compresses', times(taken / copy)),
  ];
}

/** Half numbers, half what does not compress. */
async function fill(uri: string): Promise<void> {
  const session = new pg.Client({ connectionString: uri });
  await session.connect();
  await session.query(
    `CREATE TABLE filled AS SELECT i, i * 7 AS seven, repeat('x', 40) AS same, sha256(i::text::bytea) AS random,
     sha256((-i)::text::bytea) AS more FROM generate_series(1, ${rows}) i`,
  );
  await session.query('CHECKPOINT').catch(() => {});
  await session.end();
}

async function durableCopy(from: string, to: string): Promise<void> {
  await promisify(execFile)('cp', ['-a', from, to]);
  await promisify(execFile)('sync', ['-f', to]);
}

async function timeOf(work: () => Promise<void>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

async function stepTime(client: ApiClient, backupId: string, verb: string): Promise<number> {
  const { node } = await client.data(
    `query ($id: ID!) { node(id: $id) { ... on Backup { operation { steps { name startedAt finishedAt } } } } }`,
    { id: backupId },
  );
  const step = node.operation.steps.find(({ name }: Shape) => name.startsWith(verb));
  return Date.parse(step.finishedAt) - Date.parse(step.startedAt);
}

function agentOf(instanceId: string): number {
  const agent = processesOf(instanceId).find(({ command }) => command.includes('agent'));
  if (agent === undefined) throw new Error('There is no agent.');
  return agent.pid;
}

/** proc_pid_stat(5): in hundredths of a second. */
function processorMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function memoryAfter(pid: number): Promise<number> {
  await idle(idleMs);
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
}
