import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import type { Observation } from '#domain/observation.ts';

/** Facts of a healthy cluster and its instances, for tests of pure rules. */

export function observation(parts: Partial<Observation> = {}): Observation {
  return {
    at: '2026-01-01T00:00:00.000Z',
    serving: true,
    reason: null,
    role: null,
    stopped: false,
    startedAt: null,
    connections: 0,
    storageUsedBytes: 0,
    replication: null,
    followerStates: [],
    lastPosition: null,
    engine: {},
    ...parts,
  };
}

export function instanceFacts(parts: Partial<InstanceFacts> = {}): InstanceFacts {
  return {
    id: 'i',
    name: parts.id ?? 'i',
    size: { cpuMillis: 1000, memoryMiB: 512, storageGiB: 10 },
    provider: 'local',
    activity: 'NONE',
    status: 'ACTIVE',
    statusReason: null,
    statusChangedAt: new Date(0),
    role: null,
    address: parts.id ?? 'i',
    port: 5432,
    dnsName: null,
    observedAt: new Date(0),
    observation: observation(),
    agentLostAt: null,
    fencedAt: null,
    ...parts,
  };
}

export function clusterFacts(parts: Partial<ClusterFacts> = {}): ClusterFacts {
  return {
    id: 'c',
    projectId: 'project',
    name: 'orders',
    version: 1,
    engine: 'postgresql',
    engineVersion: '18',
    provider: 'local',
    lifecycle: 'LIVE',
    status: 'ACTIVE',
    healthLevel: 'HEALTHY',
    size: { cpuMillis: 1000, memoryMiB: 512, storageGiB: 10 },
    primaryInstanceId: null,
    network: null,
    accessRules: [],
    deletionProtection: false,
    synchronous: false,
    failover: { mode: 'AUTOMATIC', maxLagBytes: 16 * 2 ** 20, detectAfterSeconds: 3 },
    currentOperation: null,
    instances: [],
    ...parts,
  };
}
