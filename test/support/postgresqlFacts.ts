import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import { promoteBlockers } from '#engines/postgresql/promotion.ts';
import { clusterFacts, instanceFacts, observation } from './facts.ts';

/** Facts of PostgreSQL instances, for tests of the rules of promotion. */

const engineFacts = (timeline: number, lsn: string, inRecovery: boolean) => ({
  ...{ version: '18.4', inRecovery, timeline, currentLsn: lsn, maxConnections: 64, systemIdentifier: '1' },
  ...{
    receivedLsn: inRecovery ? lsn : null,
    replayedLsn: inRecovery ? lsn : null,
    databaseSizeBytes: 0,
    replicas: [],
    slots: [],
  },
});

export const primary = (lsn = '0/1000', parts: Partial<InstanceFacts> = {}) =>
  instanceFacts({
    id: 'p',
    role: 'PRIMARY',
    observation: observation({
      ...{ role: 'PRIMARY', serving: parts.status === undefined || parts.status === 'ACTIVE' },
      ...{ lastPosition: { timeline: 1, lsn }, engine: engineFacts(1, lsn, false) },
    }),
    ...parts,
  });
export const replica = (
  id: string,
  { timeline = 1, lsn = '0/1000', state = 'streaming' as string | null, ...parts }: ReplicaParts = {},
) =>
  instanceFacts({
    id,
    role: 'REPLICA',
    observation: observation({
      role: 'REPLICA',
      replication: { upstream: 'p:5432', state, lagBytes: 0, lagSeconds: 0, position: lsn },
      engine: engineFacts(timeline, lsn, true),
    }),
    ...parts,
  });
type ReplicaParts = Partial<InstanceFacts> & { timeline?: number; lsn?: string; state?: string | null };

export const gone = { status: 'DOWN' as const, agentLostAt: new Date(0) };
export const group = (instances: InstanceFacts[], parts: Partial<ClusterFacts> = {}) =>
  clusterFacts({ instances, primaryInstanceId: 'p', ...parts });
export const former = instanceFacts({
  id: 'f',
  role: 'PRIMARY',
  fencedAt: new Date(),
  observation: observation({ role: 'PRIMARY', serving: false, lastPosition: { timeline: 1, lsn: '0/900' } }),
});
export const codes = (cluster: ClusterFacts, request: Partial<Parameters<typeof promoteBlockers>[1]>) =>
  promoteBlockers(cluster, { mode: 'PLANNED', target: null, maxLagBytes: 1000, acceptDataLoss: false, ...request }).map(
    (error) => ('reason' in error ? error.reason : error.code),
  );
