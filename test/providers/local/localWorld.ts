import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect } from 'vitest';
import { processIsRunning } from '#lib/host/processes.ts';
import { createLocalProvider, type LocalProviderOptions } from '#providers/local/localProvider.ts';
import { listProcesses } from '#providers/local/processTable.ts';
import type { InstanceRef } from '#providers/provider.ts';

export const standIn = join(import.meta.dirname, 'agentStandIn.ts');

export type LocalWorld = Awaited<ReturnType<typeof createLocalWorld>>;

/** A local provider over a data directory of its own, whose agents are stand-ins. */
export async function createLocalWorld(overrides: Partial<LocalProviderOptions> = {}) {
  const dataDirectory = overrides.dataDirectory ?? (await mkdtemp(join(tmpdir(), 'grove-test-local-')));
  await chmod(dataDirectory, 0o711);
  const options: LocalProviderOptions = {
    dataDirectory,
    agentCommand: (directory) => ({ program: process.execPath, args: [standIn, directory] }),
    controlUrlFile: join(dataDirectory, 'control-url'),
    serverUser: null,
    logger: pino({ level: 'silent' }),
    ...overrides,
  };
  const provider = createLocalProvider(options);
  const directoryOf = ({ clusterId, instanceId }: InstanceRef) =>
    join(dataDirectory, 'clusters', clusterId, instanceId);
  const claimsIn = async (name: string) => readdir(join(dataDirectory, name)).catch(() => []);
  return {
    provider,
    options,
    dataDirectory,
    directoryOf,
    claimsIn,
    hosts: () => readFile(join(dataDirectory, 'hosts'), 'utf8'),
    countProcesses: async ({ instanceId }: InstanceRef) =>
      (await listProcesses()).filter((entry) => entry.instanceId === instanceId).length,
    untilServing: async (instance: InstanceRef) => {
      const pidFile = join(directoryOf(instance), 'server.pid');
      const serverRuns = () => existsSync(pidFile) && processIsRunning(Number(readFileSync(pidFile, 'utf8')));
      await expect.poll(serverRuns, { timeout: 10_000, interval: 20 }).toBe(true);
    },
    nothingLeft: async (clusterId: string) => {
      const claims = await Promise.all(
        (await claimsIn('networks')).map((name) => readFile(join(dataDirectory, 'networks', name), 'utf8')),
      );
      return !existsSync(join(dataDirectory, 'clusters', clusterId)) && !claims.includes(clusterId);
    },
    async close() {
      for (const clusterId of await claimsIn('clusters')) await provider.destroyNetwork(clusterId);
      await rm(dataDirectory, { recursive: true, force: true });
    },
  };
}
