import type { AccessRule, ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import type { Observation } from '#domain/observation.ts';
import type { Prisma } from '#generated/prisma/client.ts';
import type { ReadDatabase } from '#store/database.ts';

const clusterWithInstances = {
  instances: { where: { removedAt: null }, orderBy: { name: 'asc' } },
  operations: { where: { finishedAt: null }, select: { id: true, kind: true, status: true }, take: 1 },
} as const satisfies Prisma.ClusterInclude;

type ClusterRow = Prisma.ClusterGetPayload<{ include: typeof clusterWithInstances }>;

/** Clusters as rules see them: with the instances that are not removed and the operation that holds each. */
export async function loadClusterFacts(
  db: Pick<ReadDatabase, 'cluster'>,
  where: Prisma.ClusterWhereInput,
): Promise<ClusterFacts[]> {
  const rows = await db.cluster.findMany({ where, include: clusterWithInstances });
  return rows.map(toClusterFacts);
}

/** As `loadClusterFacts`, for one cluster. Null: there is none such. */
export async function loadOneClusterFacts(
  db: Pick<ReadDatabase, 'cluster'>,
  where: Prisma.ClusterWhereInput,
): Promise<ClusterFacts | null> {
  return (await loadClusterFacts(db, where))[0] ?? null;
}

function toClusterFacts(row: ClusterRow): ClusterFacts {
  return {
    id: row.id,
    projectId: row.projectId,
    name: row.name,
    version: row.version,
    engine: row.engine,
    engineVersion: row.engineVersion,
    provider: row.provider,
    lifecycle: row.lifecycle,
    status: row.status,
    healthLevel: row.healthLevel,
    size: { cpuMillis: row.cpuMillis, memoryMiB: row.memoryMiB, storageGiB: row.storageGiB },
    primaryInstanceId: row.primaryInstanceId,
    network: row.networkCidr === null ? null : { cidr: row.networkCidr, peers: row.networkPeers as string[] },
    accessRules: row.accessRules as AccessRule[],
    deletionProtection: row.deletionProtection,
    synchronous: row.synchronous,
    failover: {
      mode: row.failoverMode,
      maxLagBytes: Number(row.failoverMaxLagBytes),
      detectAfterSeconds: row.failoverDetectAfterSeconds,
    },
    currentOperation: row.operations[0] ?? null,
    instances: row.instances.map(toInstanceFacts),
  };
}

function toInstanceFacts(row: ClusterRow['instances'][number]): InstanceFacts {
  return {
    id: row.id,
    name: row.name,
    size: { cpuMillis: row.cpuMillis, memoryMiB: row.memoryMiB, storageGiB: row.storageGiB },
    provider: row.provider,
    activity: row.activity,
    status: row.status,
    statusReason: row.statusReason,
    statusChangedAt: row.statusChangedAt,
    role: row.role,
    address: row.address,
    port: row.port,
    dnsName: row.dnsName,
    observedAt: row.observedAt,
    observation: row.observation as Observation | null,
    agentLostAt: row.agentLostAt,
    fencedAt: row.fencedAt,
  };
}
