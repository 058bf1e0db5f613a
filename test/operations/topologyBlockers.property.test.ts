import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { acceptsWrites } from '#domain/clusterStatus.ts';
import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import { isBeingWorkedOn } from '#domain/instanceStatus.ts';
import { isFormerPrimary } from '#domain/promotion.ts';
import type { Engine } from '#engines/engine.ts';
import type { ClusterStatus, HealthLevel, InstanceActivity, InstanceStatus } from '#generated/prisma/enums.ts';
import { addInstances } from '#operations/addInstances.ts';
import { dropInstances } from '#operations/dropInstances.ts';
import type { OperationDefinition } from '#operations/operation.ts';
import { restartCluster } from '#operations/restartCluster.ts';

const size = { cpuMillis: 1000, memoryMiB: 512, storageGiB: 10 };
const engine = {
  name: 'fake',
  displayName: 'Fake',
  size: { minimum: 1, maximum: 6, oddOnly: false },
} as Engine;

const statuses: ClusterStatus[] = ['BUILDING', 'BUSY', 'ACTIVE', 'DEGRADED', 'DOWN', 'ERROR', 'DELETING', 'DELETED'];
const levels: HealthLevel[] = ['HEALTHY', 'DEGRADED', 'DOWN', 'UNKNOWN'];
const instanceStates: [InstanceActivity, InstanceStatus][] = [
  ['NONE', 'ACTIVE'],
  ['NONE', 'DOWN'],
  ['NONE', 'STOPPED'],
  ['NONE', 'UNREACHABLE'],
  ['FAILED', 'ERROR'],
  ['RESTARTING', 'RESTARTING'],
];

const anyInstance = fc.record({
  state: fc.constantFrom(...instanceStates),
  role: fc.constantFrom('PRIMARY' as const, 'REPLICA' as const, null),
  seen: fc.boolean(),
});

/** A cluster as the store may hold it; its first instance is the primary. */
const anyCluster = fc
  .record({
    status: fc.constantFrom(...statuses),
    healthLevel: fc.constantFrom(...levels),
    instances: fc.array(anyInstance, { minLength: 1, maxLength: 7 }),
  })
  .map(
    ({ status, healthLevel, instances }): ClusterFacts => ({
      ...{ id: 'c', projectId: 'p', name: 'orders', version: 1, engine: 'fake', engineVersion: '1', provider: 'fake' },
      ...{ size, network: null, accessRules: [], deletionProtection: false, primaryInstanceId: 'i1' },
      synchronous: false,
      failover: { mode: 'MANUAL', maxLagBytes: 0, detectAfterSeconds: 3 },
      lifecycle: lifecycleOf(status),
      status,
      healthLevel,
      currentOperation:
        status === 'BUSY' || status === 'BUILDING' ? { id: 'o', kind: 'UPDATE_CLUSTER', status: 'RUNNING' } : null,
      instances: instances.map(({ state: [activity, instanceStatus], role, seen }, index) =>
        instanceOf(`i${index + 1}`, { activity, status: instanceStatus, role, seen }),
      ),
    }),
  );

function lifecycleOf(status: ClusterStatus): ClusterFacts['lifecycle'] {
  if (status === 'BUILDING' || status === 'DELETING' || status === 'DELETED') return status;
  return status === 'ERROR' ? 'FAILED' : 'LIVE';
}

function instanceOf(
  id: string,
  state: Pick<InstanceFacts, 'activity' | 'status' | 'role'> & { seen: boolean },
): InstanceFacts {
  const { seen, ...rest } = state;
  const observation = {
    at: '',
    serving: true,
    reason: null,
    stopped: false,
    startedAt: null,
    connections: null,
    followerStates: [],
    lastPosition: null,
  };
  return {
    ...{ id, name: id, size, provider: 'fake', statusReason: null, address: null, port: null, dnsName: null },
    ...rest,
    ...{ statusChangedAt: new Date(0), observedAt: null, agentLostAt: null, fencedAt: null },
    observation: seen
      ? { ...observation, role: rest.role, storageUsedBytes: null, replication: null, engine: {} }
      : null,
  };
}

function refusals<Input>(definition: OperationDefinition<Input>, cluster: ClusterFacts, input: Input): string[] {
  const facts = { cluster, engine };
  return [...definition.blockers(facts), ...(definition.inputBlockers?.(facts, input) ?? [])].map(({ code }) => code);
}

const serves = ({ status }: ClusterFacts) => status === 'ACTIVE' || status === 'DEGRADED';
const mayServe = ({ status, observation }: InstanceFacts) =>
  status === 'ACTIVE' || (status !== 'UNREACHABLE' && observation?.serving === true);
const isFree = (cluster: ClusterFacts) => serves(cluster) || cluster.status === 'DOWN';

describe('what speaks against a change of the instances', () => {
  test('adding is accepted exactly where a serving cluster stays within its engine’s rule, with free names and one size', () => {
    const wanted = fc.array(
      fc.record({
        name: fc.constantFrom('i1', 'i2', 'a', 'b', 'c', null),
        size: fc.constantFrom(size, { ...size, memoryMiB: 1024 }, null),
      }),
      { minLength: 1, maxLength: 3 },
    );
    fc.assert(
      fc.property(anyCluster, wanted, (cluster, instances) => {
        const taken = cluster.instances.map(({ name }) => name);
        const fits =
          serves(cluster) &&
          cluster.instances.length + instances.length <= 6 &&
          instances.every((instance) => instance.name === null || !taken.includes(instance.name)) &&
          instances.every((instance) => (instance.size ?? size).memoryMiB === 512);
        expect(refusals(addInstances, cluster, { clusterId: 'c', instances }).length === 0).toBe(fits);
      }),
    );
  });

  test('what a drop leaves has the primary, enough instances, and the last copies of a cluster that accepts no writes', () => {
    fc.assert(
      fc.property(anyCluster, fc.uniqueArray(fc.integer({ min: 1, max: 8 }), { minLength: 1 }), (cluster, numbers) => {
        const instanceIds = numbers.map((number) => `i${number}`);
        const codes = refusals(dropInstances, cluster, { clusterId: 'c', instanceIds });
        const leaving = cluster.instances.filter(({ id }) => instanceIds.includes(id));
        const writing = cluster.instances
          .filter(({ observation }) => observation?.serving && observation.role === 'PRIMARY')
          .map(({ id }) => id);
        const primaries = writing.includes('i1') ? ['i1'] : ['i1', ...writing];
        const accepted =
          isFree(cluster) &&
          leaving.length === instanceIds.length &&
          !instanceIds.some((id) => primaries.includes(id)) &&
          (acceptsWrites(cluster.healthLevel) ||
            !leaving.some((instance) => mayServe(instance) || isFormerPrimary(cluster, instance)));
        expect(codes.length === 0).toBe(accepted);
        if (leaving.length < instanceIds.length && isFree(cluster) && cluster.instances.length > 1)
          expect(codes).toEqual(['NOT_FOUND']);
      }),
    );
  });

  test('a restart is accepted exactly where nobody works on the cluster and each of the chosen has a server within reach', () => {
    const choice = fc.option(fc.uniqueArray(fc.integer({ min: 1, max: 8 }), { minLength: 1 }));
    fc.assert(
      fc.property(anyCluster, choice, fc.boolean(), (cluster, numbers, force) => {
        const instanceIds = numbers?.map((number) => `i${number}`) ?? null;
        const codes = refusals(restartCluster, cluster, { clusterId: 'c', instanceIds, force });
        const subjects = cluster.instances.filter(({ id }) => instanceIds?.includes(id) ?? true);
        const accepted =
          (force ? isFree(cluster) : serves(cluster)) &&
          !cluster.instances.some(isBeingWorkedOn) &&
          subjects.length === (instanceIds ?? subjects).length &&
          subjects.every(({ status, observation }) => status !== 'UNREACHABLE' && observation?.role != null);
        expect(codes.length === 0).toBe(accepted);
      }),
    );
  });

  test('a cluster that is held is refused with its holder, whatever else speaks against it', () => {
    fc.assert(
      fc.property(anyCluster, (cluster) => {
        fc.pre(cluster.currentOperation !== null);
        for (const definition of [addInstances, dropInstances, restartCluster]) {
          const [first] = definition.blockers({ cluster, engine });
          expect(first).toMatchObject({ code: 'CLUSTER_BUSY', operationId: 'o' });
        }
      }),
    );
  });
});
