import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { serverUser } from '#lib/host/serverUser.ts';
import { embeddedPostgresBinaries } from '#lib/postgres/embeddedPostgresBinaries.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import type { ApiClient, Shape } from '../support/apiClient.ts';
import { acceptedCluster, deletedCluster, operationEnd, readCluster } from '../support/clusterCalls.ts';
import { createGroveHome } from '../support/groveProcess.ts';
import { atMost, type Bench, type Figure, information, seconds, times } from './benchmark.ts';
import { makeClusterByHand, type Workplace } from './handMadeCluster.ts';
import { median } from './median.ts';
import { createScratchDirectory } from './scratchDirectory.ts';

const rounds = 5;
const mostTimes = 1.5;

type Run = { ms: number; steps: Record<string, number> };

/** A PostgreSQL cluster of three, from the mutation to ACTIVE, against the same steps run by hand; both in turn. */
export async function creationTime({ closers, tell }: Bench): Promise<Figure[]> {
  const scratch = await createScratchDirectory();
  closers.add('the clusters made by hand', () => scratch.destroy());
  const home = await createGroveHome();
  closers.add('the Grove of the creation benchmark', () => home.destroy());
  const { client } = await home.start();
  const user = serverUser();
  const binaries = await embeddedPostgresBinaries({ serverUser: user, reachableCopyIn: scratch.path });
  const binDirectory = assertPresent(binaries, 'the embedded PostgreSQL');
  const byHand: Run[] = [];
  const byGrove: Run[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const directory = join(scratch.path, `round-${round}`);
    await mkdir(directory, { mode: 0o711 });
    byHand.push(await timeByHand({ directory, binDirectory, user }));
    byGrove.push(await timeByGrove(client, `round-${round}`));
    tell(
      `round ${round} of ${rounds}: by hand ${seconds(byHand.at(-1)?.ms ?? 0)}, Grove ${seconds(byGrove.at(-1)?.ms ?? 0)}`,
    );
  }
  tell(`by hand: ${describe(middle(byHand))}`);
  tell(`Grove: ${describe(middle(byGrove))}`);
  const [hand, grove] = [byHand, byGrove].map((runs) => median(runs.map(({ ms }) => ms))) as [number, number];
  return [
    information('creation of three PostgreSQL instances by hand', seconds(hand)),
    information('the same by Grove, mutation to ACTIVE', seconds(grove)),
    atMost('creation by Grove against by hand', grove / hand, mostTimes, times),
  ];
}

async function timeByHand(place: Workplace): Promise<Run> {
  const begun = performance.now();
  const { steps, stop } = await makeClusterByHand(place);
  const ms = performance.now() - begun;
  await stop();
  return { ms, steps };
}

async function timeByGrove(client: ApiClient, name: string): Promise<Run> {
  const begun = performance.now();
  const { clusterId, operationId } = await acceptedCluster(client, { name, engineVersion: '18', instanceCount: 3 });
  await operationEnd(client, operationId);
  const { status, statusReason } = await readCluster(client, clusterId);
  const ms = performance.now() - begun;
  if (status !== 'ACTIVE') throw new Error(`Cluster ${name} is ${status}: ${statusReason}`);
  const steps = await stepTimes(client, operationId);
  await deletedCluster(client, clusterId);
  return { ms, steps };
}

/** When each step ran, in milliseconds: its length, by its name with its beginning after the acceptance. */
async function stepTimes(client: ApiClient, operationId: string): Promise<Record<string, number>> {
  const { node } = await client.data(
    /* GraphQL */ `query ($id: ID!) {
      node(id: $id) { ... on Operation { createdAt steps { name startedAt finishedAt } } }
    }`,
    { id: operationId },
  );
  const accepted = Date.parse(node.createdAt);
  return Object.fromEntries(
    node.steps.map(({ name, startedAt, finishedAt }: Shape) => [
      `${name} (from ${Math.round(Date.parse(startedAt) - accepted)})`,
      Date.parse(finishedAt) - Date.parse(startedAt),
    ]),
  );
}

const middle = (runs: readonly Run[]): Run =>
  assertPresent(runs.toSorted((a, b) => a.ms - b.ms)[Math.floor(runs.length / 2)], 'a run');

const describe = ({ steps }: Run): string =>
  Object.entries(steps)
    .map(([step, ms]) => `${step} ${Math.round(ms)} ms`)
    .join(', ');
