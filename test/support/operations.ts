import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { openBackupStore } from '#backups/openBackupStore.ts';
import type { Actor } from '#domain/actor.ts';
import { isFinished } from '#domain/operationStatus.ts';
import { createInProcessBus } from '#events/inProcessBus.ts';
import { lookUntil } from '#events/lookUntil.ts';
import type { Operation } from '#generated/prisma/client.ts';
import { createJobs } from '#jobs/jobs.ts';
import { createSecretBox } from '#lib/secrets/secretBox.ts';
import { systemClock } from '#lib/time/clock.ts';
import type { OperationDeps } from '#operations/deps.ts';
import { runOperation } from '#operations/runOperation.ts';
import { createFakeMachines, type FakeMachines } from './fakeMachines.ts';
import { createTestDatabase } from './postgres.ts';

export type TestOperations = {
  deps: OperationDeps;
  /** Of the store. */
  url: string;
  machines: FakeMachines;
  /** An ADMIN of the project of its own that each call makes. */
  createActor(role?: 'VIEWER' | 'OPERATOR' | 'ADMIN'): Promise<Actor & { kind: 'API_KEY' }>;
  /** Waits for the operation's end. */
  ended(operationId: string): Promise<Operation>;
  close(): Promise<void>;
};

/** Everything that operations need: a real store and job queue, and machines that are fake. */
export async function createTestOperations({
  working = true,
  concurrency = 4,
}: {
  working?: boolean;
  concurrency?: number;
} = {}): Promise<TestOperations> {
  const { db, url, close: closeDatabase } = await createTestDatabase();
  const logger = pino({ level: 'silent' });
  const bus = createInProcessBus();
  const jobs = await createJobs({ url, logger, concurrency });
  const directory = await mkdtemp(join(tmpdir(), 'grove-test-backups-'));
  const place = { kind: 'DIRECTORY', path: directory } as const;
  const backups = { place, store: openBackupStore({ place, credentials: null }) };
  const machines = createFakeMachines({ db, bus, backups: backups.store });
  const startedAt = new Date();
  const deps: OperationDeps = {
    db,
    bus,
    jobs,
    logger,
    clock: systemClock,
    engines: { fake: machines.engine },
    providers: { fake: machines.provider },
    defaultProvider: 'fake',
    agents: { sendTo: () => () => Promise.reject(new Error('There are no agents here')) },
    backups,
    secrets: createSecretBox(new Uint8Array(32)),
    silence: () => ({ now: new Date(), leaseMs: 60_000, listeningSince: startedAt }),
    quotaDefaults: { INSTANCES: 1000, STORAGE_GIB: 100_000, BACKUPS: 1000 },
    workerId: 'test',
    webhookNetworks: ['127.0.0.0/8'],
    timing: { cancelGraceMs: 100, stepRetryMs: 5, stepAttempts: 3, agentHangsMs: 200, agentSilentMs: 600 },
  };
  const stopping = new AbortController();
  if (working) {
    await jobs.workOperations(({ operationId }, signal) =>
      runOperation(deps, operationId, AbortSignal.any([signal, stopping.signal])),
    );
  }
  return {
    deps,
    url,
    machines,
    async createActor(role = 'ADMIN') {
      const project = await db.project.create({ data: { name: crypto.randomUUID() } });
      return { kind: 'API_KEY', projectId: project.id, keyId: crypto.randomUUID(), name: 'test', role };
    },
    async ended(operationId) {
      const { projectId } = await db.operation.findUniqueOrThrow({ where: { id: operationId } });
      const look = { topics: [`events:${projectId}` as const], signal: AbortSignal.timeout(20_000) };
      return await lookUntil(bus, look, async () => {
        const operation = await db.operation.findUniqueOrThrow({ where: { id: operationId } });
        return isFinished(operation.status) ? operation : null;
      });
    },
    async close() {
      stopping.abort();
      await jobs.stop();
      await bus.close();
      await closeDatabase();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
