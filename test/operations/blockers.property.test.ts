import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DomainError } from '#domain/errors.ts';
import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import { isHealthy, wantedPrimary } from '#domain/promotion.ts';
import type { Engine } from '#engines/engine.ts';
import type { ClusterStatus, InstanceStatus, OperationKind } from '#generated/prisma/enums.ts';
import { backupCluster } from '#operations/backupCluster.ts';
import { deleteBackup } from '#operations/deleteBackup.ts';
import { deleteCluster } from '#operations/deleteCluster.ts';
import type { Facts, OperationDefinition } from '#operations/operation.ts';
import { rejoinInstance } from '#operations/rejoinInstance.ts';
import { updateCluster } from '#operations/updateCluster.ts';
import { clusterFacts, instanceFacts, observation } from '../support/facts.ts';

/** An engine in which whoever has the data of a primary, and is not the primary, has lost its place. */
const stray = (cluster: ClusterFacts, { id, observation }: InstanceFacts) =>
  id !== wantedPrimary(cluster)?.id && observation?.role === 'PRIMARY' ? 'it has the data of a primary' : null;
const engines = [
  { displayName: 'Fake', promotion: { stray } } as unknown as Engine,
  { displayName: 'Still', promotion: null } as Engine,
];

const statuses: ClusterStatus[] = ['BUILDING', 'BUSY', 'ACTIVE', 'DEGRADED', 'DOWN', 'ERROR', 'DELETING', 'DELETED'];
const holders: OperationKind[] = ['UPDATE_CLUSTER', 'RESTART_CLUSTER', 'DELETE_BACKUP'];

function lifecycleOf(status: ClusterStatus): ClusterFacts['lifecycle'] {
  if (status === 'BUILDING' || status === 'DELETING' || status === 'DELETED') return status;
  return status === 'ERROR' ? 'FAILED' : 'LIVE';
}

/** Mostly the first: what is accepted asks for much at once. */
const mostly = <T>(usual: T, ...others: T[]) => fc.constantFrom(usual, usual, usual, usual, ...others);

const anyInstance = fc.record({
  status: mostly<InstanceStatus>('ACTIVE', 'DOWN', 'UNREACHABLE', 'ERROR'),
  role: fc.constantFrom('PRIMARY' as const, 'REPLICA' as const),
  serving: mostly(true, false),
  isLost: mostly(false, true),
  isFenced: mostly(false, true),
});

/** A cluster as the store may hold it. Any may be held: by its own making or removal, or by a removal of one of its backups. */
const anyCluster = fc
  .record({
    status: mostly<ClusterStatus>('ACTIVE', ...statuses),
    holder: mostly(null, ...holders),
    deletionProtection: fc.boolean(),
    instances: fc.array(anyInstance, { minLength: 1, maxLength: 4 }),
    primary: fc.option(fc.constantFrom('i1', 'i2')),
  })
  .map(({ status, holder, deletionProtection, instances, primary }) =>
    clusterFacts({
      ...{ status, deletionProtection, primaryInstanceId: primary, lifecycle: lifecycleOf(status) },
      currentOperation: holder === null ? null : { id: 'o', kind: holder, status: 'RUNNING' },
      instances: instances.map(({ status: instanceStatus, role, serving, isLost, isFenced }, index) =>
        instanceFacts({
          ...{ id: `i${index + 1}`, status: instanceStatus, role, observation: observation({ serving, role }) },
          ...{ agentLostAt: isLost ? new Date(0) : null, fencedAt: isFenced ? new Date(0) : null },
        }),
      ),
    }),
  );
const anyFacts: fc.Arbitrary<Facts> = fc.record({ cluster: anyCluster, engine: fc.constantFrom(...engines) });

type Subject = { definition: OperationDefinition<never>; input: fc.Arbitrary<object> };
const subjectOf = <Input extends object>(
  definition: OperationDefinition<Input>,
  input: fc.Arbitrary<Input>,
): Subject => ({ definition: definition as unknown as OperationDefinition<never>, input });

const clusterId = fc.constant('c');
const optionally = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });
const rule = { cidr: '10.0.0.0/8', description: null };
const anyRules = optionally(fc.array(fc.constant(rule), { maxLength: 2 }));
const subjects: Record<string, Subject> = {
  updateCluster: subjectOf(
    updateCluster,
    fc.record({
      clusterId,
      accessRules: anyRules,
      deletionProtection: optionally(fc.boolean()),
      synchronous: optionally(fc.boolean()),
    }),
  ),
  deleteCluster: subjectOf(deleteCluster, fc.record({ clusterId })),
  backupCluster: subjectOf(backupCluster, fc.record({ clusterId, name: optionally(fc.constant('nightly')) })),
  deleteBackup: subjectOf(deleteBackup, fc.record({ clusterId, backupId: fc.constant('b') })),
  rejoinInstance: subjectOf(
    rejoinInstance,
    fc.record({ clusterId, instanceId: fc.constantFrom('i1', 'i2', 'i3', 'i9') }),
  ),
};

const all = ({ definition }: Subject, facts: Facts, input: object): DomainError[] => [
  ...definition.blockers(facts),
  ...(definition.inputBlockers?.(facts, input as never) ?? []),
];

describe.each(Object.entries(subjects))('what speaks against %s', (name, subject) => {
  const request = fc.record({ facts: anyFacts, input: subject.input });

  test('names the holder of a cluster that is held, whatever else is so and whatever is asked for', () => {
    fc.assert(
      fc.property(request, ({ facts, input }) => {
        const { currentOperation, status } = facts.cluster;
        fc.pre(currentOperation !== null);
        // Of one that is gone only its backups are left.
        const [first] = all(subject, facts, input);
        if (status === 'DELETED' && name !== 'deleteBackup') expect(first).toMatchObject({ code: 'NOT_FOUND' });
        else expect(first).toMatchObject({ code: 'CLUSTER_BUSY', operationId: 'o' });
      }),
    );
  });

  test('is told once, changes no facts, and is the same when asked again', () => {
    fc.assert(
      fc.property(request, ({ facts, input }) => {
        const before = structuredClone(facts.cluster);
        const told = subject.definition.blockers(facts).map((blocker) => JSON.stringify(blocker));
        expect(new Set(told).size).toBe(told.length);
        expect(all(subject, facts, input)).toEqual(all(subject, facts, input));
        expect(facts.cluster).toEqual(before);
      }),
    );
  });
});

/** An accepted request is one that nothing speaks against. */
function isAcceptedWhere<Input extends object>(
  definition: OperationDefinition<Input>,
  input: fc.Arbitrary<Input>,
  expected: (facts: Facts, input: Input) => boolean,
): void {
  const subject = subjectOf(definition, input);
  fc.assert(
    fc.property(anyFacts, input, (facts, asked) => {
      expect(all(subject, facts, asked).length === 0).toBe(expected(facts, asked));
    }),
    { numRuns: 2000 },
  );
}

const isFree = ({ currentOperation }: ClusterFacts) => currentOperation === null;
const serves = ({ status }: ClusterFacts) => status === 'ACTIVE' || status === 'DEGRADED';

describe('is accepted exactly where nobody holds the cluster and', () => {
  test('it serves, or stays and no server is to be told: updateCluster', () => {
    const input = fc.record({
      clusterId,
      accessRules: anyRules,
      synchronous: optionally(fc.boolean()),
      deletionProtection: fc.boolean(),
    });
    isAcceptedWhere(updateCluster, input, ({ cluster }, { accessRules, synchronous }) => {
      const tellsServers = accessRules !== null || synchronous !== null;
      const stays = cluster.status !== 'DELETING' && cluster.status !== 'DELETED';
      return isFree(cluster) && (tellsServers ? serves(cluster) : stays);
    });
  });

  test('it is there and not protected, whatever its health: deleteCluster', () => {
    isAcceptedWhere(
      deleteCluster,
      fc.record({ clusterId }),
      ({ cluster }) => isFree(cluster) && cluster.status !== 'DELETED' && !cluster.deletionProtection,
    );
  });

  test('it serves: backupCluster', () => {
    isAcceptedWhere(backupCluster, fc.record({ clusterId }), ({ cluster }) => isFree(cluster) && serves(cluster));
  });

  test('nothing more, though it be deleted: deleteBackup', () => {
    const input = fc.record({ clusterId, backupId: fc.constant('b') });
    isAcceptedWhere(deleteBackup, input, ({ cluster }) => isFree(cluster));
  });

  test('it serves, its primary is healthy, and the instance does not follow that yet: rejoinInstance', () => {
    const input = fc.record({ clusterId, instanceId: fc.constantFrom('i1', 'i2', 'i3', 'i9') });
    isAcceptedWhere(rejoinInstance, input, ({ cluster, engine }, { instanceId }) => {
      const primary = wantedPrimary(cluster);
      const instance = cluster.instances.find(({ id }) => id === instanceId);
      if (!primary || !instance || instance.id === primary.id || engine.promotion === null) return false;
      const follows = isHealthy(instance) && instance.role !== 'PRIMARY';
      return isFree(cluster) && serves(cluster) && isHealthy(primary) && !follows;
    });
  });
});
