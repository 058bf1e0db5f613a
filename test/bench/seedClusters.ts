import { defaultInstanceSize } from '#domain/limits.ts';
import type { Observation } from '#domain/observation.ts';
import type { PostgresObservation } from '#engines/postgresql/observation.ts';
import type { Prisma } from '#generated/prisma/client.ts';
import type { Database } from '#store/database.ts';

const instancesEach = 3;

/** Clusters as operations and agents would have left them in the store. No machine is behind them. */
export async function seedClusters(db: Database, projectId: string, count: number): Promise<void> {
  for (let number = 1; number <= count; number += 1) await seedCluster(db, projectId, number);
}

async function seedCluster(db: Database, projectId: string, number: number): Promise<void> {
  const name = `cluster-${String(number).padStart(2, '0')}`;
  const addresses = Array.from({ length: instancesEach }, (_, index) => `127.64.${number}.${index + 2}`);
  const cluster = await db.cluster.create({
    data: {
      projectId,
      name,
      engine: 'postgresql',
      engineVersion: '18',
      provider: 'local',
      lifecycle: 'LIVE',
      status: 'ACTIVE',
      healthLevel: 'HEALTHY',
      healthChangedAt: new Date(),
      instanceCount: instancesEach,
      ...defaultInstanceSize,
      networkCidr: `127.64.${number}.0/28`,
      accessRules: [{ cidr: '127.0.0.0/8', description: 'This host' }],
    },
  });
  await db.instance.createMany({
    data: addresses.map((address, index) => ({
      projectId,
      clusterId: cluster.id,
      name: `${name}-${index + 1}`,
      ...defaultInstanceSize,
      provider: 'local',
      activity: 'NONE',
      status: 'ACTIVE',
      address,
      port: 5432,
      dnsName: `${name}-${index + 1}.${name}.default.grove`,
      role: index === 0 ? 'PRIMARY' : 'REPLICA',
      serving: true,
      observedAt: new Date(),
      agentVersion: '0.1.0',
      observation: observation(name, addresses, index) satisfies Observation as Prisma.InputJsonObject,
    })),
  });
}

function observation(name: string, addresses: readonly string[], index: number): Observation {
  const now = new Date().toISOString();
  return {
    at: now,
    serving: true,
    reason: null,
    role: index === 0 ? 'PRIMARY' : 'REPLICA',
    stopped: false,
    startedAt: now,
    connections: 17,
    storageUsedBytes: 41_287_680_512,
    replication:
      index === 0
        ? null
        : {
            upstream: `${addresses[0]}:5432`,
            state: 'streaming',
            lagBytes: 1024,
            lagSeconds: 0.002,
            position: '2A/5F01C8D8',
          },
    followerStates: index === 0 ? ['streaming', 'streaming'] : [],
    lastPosition: { timeline: 1, lsn: '2A/5F01C8D8' },
    engine: postgresObservation(name, index) as unknown as Observation['engine'],
  };
}

function postgresObservation(name: string, index: number): PostgresObservation {
  const replicas = [2, 3].map((number) => `${name}-${number}`);
  return {
    version: '18.4',
    inRecovery: index > 0,
    timeline: 1,
    currentLsn: '2A/5F01C8D8',
    receivedLsn: index === 0 ? null : '2A/5F01CCD8',
    replayedLsn: index === 0 ? null : '2A/5F01C8D8',
    databaseSizeBytes: 39_874_510_848,
    maxConnections: 64,
    systemIdentifier: '7551984312654923011',
    replicas:
      index > 0
        ? []
        : replicas.map((applicationName) => ({
            applicationName,
            state: 'streaming',
            lagBytes: 1024,
            syncState: 'async',
          })),
    slots:
      index > 0
        ? []
        : replicas.map((slot) => ({
            name: slot.replaceAll('-', '_'),
            active: true,
            walStatus: 'reserved',
            retainedBytes: 1024,
          })),
  };
}
