import { loadavg } from 'node:os';
import type { ApiClient, Shape } from '../support/apiClient.ts';
import {
  createdCluster,
  deletedCluster,
  operationEnd,
  readCluster,
  revealedCredentials,
} from '../support/clusterCalls.ts';
import { createGroveHome, type GroveHome } from '../support/groveProcess.ts';
import { lastOperation, loseInstance, promoted, requestPromotion } from '../support/promotionCalls.ts';
import {
  lostWrites,
  type RecordingWriter,
  startRecordingWriter,
  type WriterTarget,
} from '../support/recordingWriter.ts';
import { atMost, type Bench, type Figure, information, milliseconds } from './benchmark.ts';
import { median } from './median.ts';

const plannedRounds = 7;
const failoverRounds = 5;
const most = { plannedMs: 400, failoverMs: 6000, hastyFailoverMs: 3000 };

type Scene = {
  client: ApiClient;
  home: GroveHome;
  clusterId: string;
  writer: RecordingWriter;
  finish(): Promise<Shape>;
};

/**
 * For how long a client that writes every 5 ms and reconnects at once cannot write: at a planned promotion, and at an automatic failover
 * after kill -9 of the primary's server and agent, which nobody can start again meanwhile.
 */
export async function promotionGap(bench: Bench): Promise<Figure[]> {
  const home = await createGroveHome();
  bench.closers.add('the Grove of the promotion benchmark', () => home.destroy());
  const { client } = await home.start();
  return [
    ...(await planned(bench, client, home)),
    ...(await failover(bench, client, home, { name: 'by-default', limitMs: most.failoverMs, input: {} })),
    ...(await failover(bench, client, home, {
      name: 'hasty-and-synchronous',
      limitMs: most.hastyFailoverMs,
      input: { synchronous: true, failover: { detectAfterSeconds: 1 } },
    })),
  ];
}

async function planned({ tell }: Bench, client: ApiClient, home: GroveHome): Promise<Figure[]> {
  const scene = await writtenCluster(client, home, { name: 'planned' });
  const gaps: number[] = [];
  for (let round = 1; round <= plannedRounds; round += 1) {
    scene.writer.resetGap();
    const { writeGapMs } = await promoted(
      client,
      requestPromotion(client, { clusterId: scene.clusterId, mode: 'PLANNED' }),
    );
    gaps.push(scene.writer.longestGapMs());
    tell(
      `round ${round} of ${plannedRounds}: ${shown(gaps)} without writes, ${writeGapMs} ms as Grove says; load ${load()}`,
    );
  }
  const { acknowledged, lost } = await scene.finish();
  return [
    atMost('gap in writes at a planned promotion, median', median(gaps), most.plannedMs, milliseconds),
    information('the same, all rounds', gaps.map(milliseconds).join(', ')),
    atMost(`acknowledged writes lost, of ${acknowledged}`, lost, 0, String),
  ];
}

type Case = { name: string; limitMs: number; input: object };

async function failover(
  { tell }: Bench,
  client: ApiClient,
  home: GroveHome,
  { name, limitMs, input }: Case,
): Promise<Figure[]> {
  const scene = await writtenCluster(client, home, { name, ...input });
  const gaps: number[] = [];
  for (let round = 1; round <= failoverRounds; round += 1) {
    await settled(scene);
    scene.writer.resetGap();
    const { primary, instances } = await readCluster(client, scene.clusterId);
    const lost = instances.nodes.find((instance: Shape) => instance.name === primary.name);
    const before = scene.writer.count();
    const { restore } = await loseInstance(home, scene.clusterId, lost.id);
    await writesAgain(scene.writer, before);
    gaps.push(scene.writer.longestGapMs());
    await restore();
    const operation = await lastOperation(client, scene.clusterId, 'PROMOTE_INSTANCE');
    await operationEnd(client, operation.id);
    const { result } = await lastOperation(client, scene.clusterId, 'PROMOTE_INSTANCE');
    tell(
      `${name}, round ${round} of ${failoverRounds}: ${shown(gaps)} without writes; ${result?.lossBytes} bytes lost (${result?.lossBasis}), ${result?.oldPrimaryRejoined}; load ${load()}`,
    );
  }
  await settled(scene);
  const { acknowledged, lost } = await scene.finish();
  const synchronous = 'synchronous' in input;
  return [
    atMost(`gap in writes at an automatic failover (${name}), median`, median(gaps), limitMs, milliseconds),
    information('the same, all rounds', gaps.map(milliseconds).join(', ')),
    synchronous
      ? atMost(`acknowledged writes lost, of ${acknowledged}`, lost, 0, String)
      : information(`acknowledged writes lost, of ${acknowledged}`, String(lost)),
  ];
}

async function writtenCluster(client: ApiClient, home: GroveHome, input: Record<string, unknown>): Promise<Scene> {
  const clusterId = await createdCluster(client, { engineVersion: '18', instanceCount: 3, ...input });
  const { username: user, password, database } = await revealedCredentials(client, clusterId);
  const login = { user, password, database };
  const targets: WriterTarget[] = (await readCluster(client, clusterId)).instances.nodes.map(
    ({ address: host, port }: Shape) => ({ host, port }),
  );
  const writer = await startRecordingWriter({ ...login, targets });
  return {
    client,
    home,
    clusterId,
    writer,
    async finish() {
      const { acknowledged } = await writer.stop();
      const { primary, instances } = await readCluster(client, clusterId);
      const { address: host, port } = instances.nodes.find(({ name }: Shape) => name === primary.name);
      const lost = await lostWrites({ host, port }, login, acknowledged);
      await deletedCluster(client, clusterId);
      return { acknowledged: acknowledged.length, lost: lost.length };
    },
  };
}

/** Looked for by the writer's own count: nothing else announces a write. */
async function writesAgain(writer: RecordingWriter, before: number): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (writer.longestGapMs() < 300 || writer.count() < before + 20) {
    if (performance.now() > deadline) throw new Error('Nothing takes writes again.');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Asked now and then: a subscription would be load beside what is measured. */
async function settled({ client, clusterId }: Scene): Promise<void> {
  const deadline = performance.now() + 120_000;
  for (;;) {
    const { status, statusReason } = await readCluster(client, clusterId);
    if (status === 'ACTIVE') return;
    if (performance.now() > deadline) throw new Error(`The cluster is ${status}: ${statusReason}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

const shown = (gaps: readonly number[]): string => milliseconds(gaps.at(-1) ?? 0);
const load = (): string => loadavg()[0]?.toFixed(1) ?? '';
