import { loadavg } from 'node:os';
import { createdCluster, readCluster, revealedCredentials } from '../support/clusterCalls.ts';
import { createGroveHome } from '../support/groveProcess.ts';
import { lostWrites, startRecordingWriter, type WriterTarget } from '../support/recordingWriter.ts';
import { requestRestart, succeeded } from '../support/topologyCalls.ts';
import { atMost, type Bench, type Figure, information, milliseconds } from './benchmark.ts';
import { median } from './median.ts';

const rounds = 7;
const mostMs = 400;

/**
 * For how long a client that writes every 5 ms and reconnects at once cannot write while a cluster of three is restarted one by
 * one. Nothing that was acknowledged may be lost.
 */
export async function restartGap({ closers, tell }: Bench): Promise<Figure[]> {
  const home = await createGroveHome();
  closers.add('the Grove of the restart benchmark', () => home.destroy());
  const { client } = await home.start();
  const clusterId = await createdCluster(client, {
    name: 'restarted',
    engine: 'postgresql',
    engineVersion: '18',
    instanceCount: 3,
  });
  const { username: user, password, database } = await revealedCredentials(client, clusterId);
  const { instances } = await readCluster(client, clusterId);
  const targets: WriterTarget[] = instances.nodes.map(({ address, port }: { address: string; port: number }) => ({
    host: address,
    port,
  }));
  const writer = await startRecordingWriter({ user, password, database, targets });
  const gaps: number[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    writer.resetGap();
    const { restarted } = await succeeded(client, requestRestart(client, { clusterId }));
    gaps.push(writer.longestGapMs());
    const { downMs } = restarted.at(-1);
    tell(
      `round ${round} of ${rounds}: ${milliseconds(gaps.at(-1) ?? 0)} without writes; its agent saw the primary away for ${downMs} ms; load ${loadavg()[0]?.toFixed(1)}`,
    );
  }
  const { acknowledged } = await writer.stop();
  const lost: number[] = [];
  for (const target of targets) lost.push(...(await lostWrites(target, { user, password, database }, acknowledged)));
  return [
    atMost('gap in writes at a rolling restart, median', median(gaps), mostMs, milliseconds),
    information('the same, all rounds', gaps.map(milliseconds).join(', ')),
    atMost(`acknowledged writes lost, of ${acknowledged.length}`, lost.length, 0, String),
  ];
}
