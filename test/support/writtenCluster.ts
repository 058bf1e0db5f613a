import { expect } from 'vitest';
import type { ApiClient, Shape } from './apiClient.ts';
import { createdCluster, readCluster, revealedCredentials } from './clusterCalls.ts';
import type { GroveHome } from './groveProcess.ts';
import { loseInstance } from './promotionCalls.ts';
import { lostWrites, type RecordingWriter, startRecordingWriter } from './recordingWriter.ts';

/** A cluster, with a client that writes to it from its creation on. */
export type WrittenCluster = {
  id: string;
  writer: RecordingWriter;
  read(): Promise<Shape>;
  instance(name: string): Promise<Shape>;
  /** kill -9 of an instance's agent and server; until `restore`, nobody can start them again. */
  lose(name: string): Promise<{ restore(): Promise<void> }>;
  /** Some more writes are acknowledged. */
  isWritten(): Promise<void>;
  /** Ends the writing; which writes were acknowledged, and which of them the primary, and so every instance, has not. */
  checked(): Promise<{ acknowledged: number[]; lost: number[] }>;
};

const patience = { timeout: 60_000, interval: 50 };

export async function createWrittenCluster(
  home: GroveHome,
  client: ApiClient,
  input: Record<string, unknown>,
): Promise<WrittenCluster> {
  const id = await createdCluster(client, input);
  const { username: user, password, database } = await revealedCredentials(client, id);
  const login = { user, password, database };
  const read = () => readCluster(client, id);
  const instance = async (name: string): Promise<Shape> =>
    (await read()).instances.nodes.find((found: Shape) => found.name === name);
  const { instances } = await read();
  const targets = instances.nodes.map(({ address, port }: Shape) => ({ host: address, port }));
  const writer = await startRecordingWriter({ ...login, targets });
  const isWritten = async () => {
    const before = writer.count();
    await expect.poll(() => writer.count(), patience).toBeGreaterThan(before + 20);
  };
  await isWritten();
  return {
    id,
    writer,
    read,
    instance,
    lose: async (name) => await loseInstance(home, id, (await instance(name)).id),
    isWritten,
    async checked() {
      const { acknowledged } = await writer.stop();
      const { primary } = await read();
      const { address: host, port } = await instance(primary.name);
      const lost = await lostWrites({ host, port }, login, acknowledged);
      for (const target of targets) {
        await expect.poll(() => lostWrites(target, login, acknowledged), patience).toEqual(lost);
      }
      return { acknowledged, lost };
    },
  };
}
