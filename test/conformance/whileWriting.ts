import { expect, vi } from 'vitest';
import type { Shape } from '../support/apiClient.ts';
import { readCluster, revealedCredentials } from '../support/clusterCalls.ts';
import type { RecordingWriter, WriterReport, WriterTarget } from '../support/recordingWriter.ts';
import type { Scene } from './scene.ts';

/** What became of the writes: which were acknowledged, and which of these the primary has not. */
type Written = WriterReport & { lost: number[] };

const patience = { timeout: 30_000, interval: 20 };

/**
 * Does the work while a client writes to the cluster, from the moment that it has a primary. Afterwards the client must be able to write
 * on, and every instance must have the same as the primary.
 */
export async function whileWriting(
  { engine, grove }: Pick<Scene, 'engine' | 'grove'>,
  clusterId: string,
  work: (writer: RecordingWriter) => Promise<void>,
): Promise<Written> {
  const read = () => readCluster(grove().client, clusterId);
  const login = await revealedCredentials(grove().client, clusterId);
  const writer = await vi.waitFor(async () => engine.record(login, targetsOf(await read())), patience);
  let report: WriterReport;
  try {
    await writesOn(writer);
    await work(writer);
    await writesOn(writer);
  } finally {
    report = await writer.stop();
  }
  const { primary, instances } = await read();
  const [target] = targetsOf({
    instances: { nodes: instances.nodes.filter(({ name }: Shape) => name === primary.name) },
  });
  if (!target) throw new Error(`The cluster has no primary: ${JSON.stringify(instances.nodes)}`);
  const lost = await engine.lost(target, login, report.acknowledged);
  for (const other of targetsOf({ instances })) {
    await expect.poll(() => engine.lost(other, login, report.acknowledged), patience).toEqual(lost);
  }
  return { ...report, lost };
}

/** As whileWriting; every write that was acknowledged must be there afterwards. */
export async function losingNothing(...scene: Parameters<typeof whileWriting>): Promise<Written> {
  const written = await whileWriting(...scene);
  expect(written.lost).toEqual([]);
  return written;
}

async function writesOn(writer: RecordingWriter): Promise<void> {
  const before = writer.count();
  await expect.poll(() => writer.count(), patience).toBeGreaterThan(before + 20);
}

/** The servers of a cluster that have an address by now. */
function targetsOf({ instances }: Shape): WriterTarget[] {
  return instances.nodes.flatMap(({ address, port }: Shape) => (address && port ? [{ host: address, port }] : []));
}
