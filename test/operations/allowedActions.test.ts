import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DomainError } from '#domain/errors.ts';
import type { ClusterFacts } from '#domain/facts.ts';
import { isFormerPrimary, isHealthy, wantedPrimary } from '#domain/promotion.ts';
import { StepFailure } from '#domain/stepFailure.ts';
import type { Operation } from '#generated/prisma/client.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import { accept } from '#operations/accept.ts';
import { allowedActions } from '#operations/allowedActions.ts';
import { cancelOperation } from '#operations/cancelOperation.ts';
import { loadOneClusterFacts } from '#operations/clusterFacts.ts';
import { createCluster } from '#operations/createCluster.ts';
import { clusterActions, definitionOf } from '#operations/definitions.ts';
import type { Facts } from '#operations/operation.ts';
import { retryOperation } from '#operations/retryOperation.ts';
import { runOperation } from '#operations/runOperation.ts';
import { settleCluster } from '#operations/settleCluster.ts';
import { updateCluster } from '#operations/updateCluster.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';

const options = { idempotencyKey: null, expectedVersion: null };
const never = new AbortController().signal;
const mutations = [
  'UPDATE_CLUSTER',
  'DELETE_CLUSTER',
  'ADD_INSTANCES',
  'DROP_INSTANCES',
  'RESTART_CLUSTER',
  'BACKUP_CLUSTER',
  'PROMOTE_INSTANCE',
  'REJOIN_INSTANCE',
] as const;
type Mutation = (typeof mutations)[number];

let grove: TestOperations;
beforeAll(async () => {
  grove = await createTestOperations({ working: false });
});
afterAll(() => grove.close());

type Subject = { actor: Awaited<ReturnType<TestOperations['createActor']>>; clusterId: string };

async function newCluster(): Promise<Subject> {
  const actor = await grove.createActor();
  const input = { name: 'orders', engine: 'fake', instanceCount: 2 };
  const { clusterId } = await accept(grove.deps, actor, createCluster, input, options);
  return { actor, clusterId };
}

async function factsOf({ clusterId }: Subject) {
  const cluster = assertPresent(await loadOneClusterFacts(grove.deps.db, { id: clusterId }), 'cluster');
  return { cluster, engine: grove.machines.engine };
}

/** What is told to be possible is what is accepted; what is told to stand in the way is what it is refused with. */
async function attempt(subject: Subject, mutation: Mutation): Promise<void> {
  if (mutation === 'REJOIN_INSTANCE') await loseItsPlace(subject);
  const facts = await factsOf(subject);
  const told = allowedActions(facts).find(({ action }) => action === mutation);
  const input = { clusterId: subject.clusterId, ...harmlessInput(mutation, facts.cluster) };
  const answer = await answerOf(accept(grove.deps, subject.actor, definitionOf(mutation), input, options));
  const [blocker] = assertPresent(told, `action ${mutation}`).blockers;
  if (blocker) expect(answer).toEqual(blocker.toJSON());
  else expect(answer).toHaveProperty('operationId');
}

/** What it is accepted as, or the error that it is refused with. */
const answerOf = (accepting: Promise<object>): Promise<object> =>
  accepting.catch((error: unknown) => {
    if (!(error instanceof DomainError)) throw error;
    return error.toJSON();
  });

/** A replica that follows cannot be brought back: one must have data of its own first. */
async function loseItsPlace(subject: Subject): Promise<void> {
  const { instances, primaryInstanceId } = (await factsOf(subject)).cluster;
  const replica = instances.find(({ id, observation }) => id !== primaryInstanceId && observation !== null);
  if (!replica) return;
  await grove.machines.observe(replica.id, { serving: false, role: 'PRIMARY' });
  await settleCluster(grove.deps, subject.clusterId);
}

/** An input that nothing speaks against by itself. */
function harmlessInput(mutation: Mutation, cluster: ClusterFacts): object {
  const { deletionProtection, primaryInstanceId, instances } = cluster;
  const replicas = instances.filter(({ id }) => id !== primaryInstanceId);
  switch (mutation) {
    case 'UPDATE_CLUSTER':
      return { deletionProtection };
    case 'ADD_INSTANCES':
      return { count: 1 };
    case 'DROP_INSTANCES':
      return { instanceIds: [replicas[0]?.id ?? crypto.randomUUID()] };
    case 'PROMOTE_INSTANCE':
      return harmlessPromotion(cluster);
    case 'REJOIN_INSTANCE':
      return { instanceId: replicas[0]?.id ?? crypto.randomUUID() };
    case 'RESTART_CLUSTER':
      return { instanceIds: [primaryInstanceId ?? crypto.randomUUID()] };
    case 'DELETE_CLUSTER':
    case 'BACKUP_CLUSTER':
      return {};
  }
}

/** As the primary's state asks for; of a former primary where no replica is left. */
function harmlessPromotion(cluster: ClusterFacts): object {
  const primary = wantedPrimary(cluster);
  const mode = primary && isHealthy(primary) ? 'PLANNED' : 'FAILOVER';
  if (mode === 'PLANNED') return { mode };
  const replicaIsFit = cluster.instances.some((instance) => instance.id !== primary?.id && isHealthy(instance));
  const former = cluster.instances.find((instance) => isFormerPrimary(cluster, instance));
  return replicaIsFit ? { mode } : { mode, acceptDataLoss: true, instanceId: former?.id ?? null };
}

/** The operation that was asked for last is cancelled, or not, as the docs have it. */
async function attemptCancel(subject: Subject): Promise<void> {
  const operation = await lastOperation(subject);
  const answer = await answerOf(cancelOperation(grove.deps, subject.actor, { operationId: operation.id }));
  if (operation.finishedAt === null)
    expect(answer).toEqual({ operationId: operation.id, clusterId: subject.clusterId });
  else expect(answer).toMatchObject({ code: 'OPERATION_NOT_CANCELLABLE' });
}

/** As attemptCancel, of a retry. */
async function attemptRetry(subject: Subject): Promise<void> {
  const operation = await lastOperation(subject);
  const facts = await factsOf(subject);
  const answer = await answerOf(retryOperation(grove.deps, subject.actor, { operationId: operation.id }));
  expect(answer).toMatchObject(retryOf(operation, facts));
}

function retryOf({ id, kind, status, clusterVersion, input }: Operation, facts: Facts): object {
  const refused = { code: 'OPERATION_NOT_RETRYABLE' };
  if (status !== 'FAILED' && status !== 'CANCELLED') return refused;
  const { currentOperation, version } = facts.cluster;
  if (currentOperation) return { code: 'CLUSTER_BUSY' };
  if (version !== clusterVersion || kind === 'BACKUP_CLUSTER') return refused;
  if (kind !== 'PROMOTE_INSTANCE') return { operationId: id };
  // Here they fail with their first call, before anybody is told, and so are refused as new ones.
  const { blockers, inputBlockers } = definitionOf(kind);
  const [blocker] = [...blockers(facts), ...(inputBlockers?.(facts, input) ?? [])];
  return blocker?.toJSON() ?? { operationId: id };
}

const lastOperation = ({ clusterId }: Subject) =>
  grove.deps.db.operation.findFirstOrThrow({ where: { clusterId }, orderBy: [{ createdAt: 'desc' }, { id: 'desc' }] });

/** What may happen to a cluster between two looks at it. */
const happenings = {
  async run(subject: Subject) {
    await runHeld(subject);
  },
  async fail(subject: Subject) {
    grove.machines.interfere(() => Promise.reject(new StepFailure('BROKEN', 'The machine is broken.')));
    await runHeld(subject);
    grove.machines.interfere(async () => {});
  },
  protect: (subject: Subject) => change(subject, { deletionProtection: true }),
  unprotect: (subject: Subject) => change(subject, { deletionProtection: false }),
  restrict: (subject: Subject) => change(subject, { accessRules: [{ cidr: '10.0.0.0/8' }] }),
  cancel: (subject: Subject) => attemptCancel(subject),
  retry: (subject: Subject) => attemptRetry(subject),
  'server dies': (subject: Subject) => observe(subject, false),
  'server comes back': (subject: Subject) => observe(subject, true),
};

async function runHeld(subject: Subject): Promise<void> {
  const { currentOperation } = (await factsOf(subject)).cluster;
  if (currentOperation) await runOperation(grove.deps, currentOperation.id, never);
}

/** Where it is refused, the cluster is as before. */
async function change({ actor, clusterId }: Subject, input: object): Promise<void> {
  await accept(grove.deps, actor, updateCluster, { clusterId, ...input }, options).catch((error: unknown) => {
    if (!(error instanceof DomainError)) throw error;
  });
}

async function observe(subject: Subject, serving: boolean): Promise<void> {
  for (const { id } of (await factsOf(subject)).cluster.instances) {
    await grove.machines.observe(id, { serving, role: 'PRIMARY', startedAt: new Date().toISOString() });
  }
  await settleCluster(grove.deps, subject.clusterId);
}

type Happening = keyof typeof happenings;
const situations: [string, Happening[], string][] = [
  ['is being built', [], 'BUILDING'],
  ['is active', ['run'], 'ACTIVE'],
  ['is protected', ['run', 'protect'], 'ACTIVE'],
  ['is busy', ['run', 'restrict'], 'BUSY'],
  ['is busy and protected', ['run', 'protect', 'restrict'], 'BUSY'],
  ['has lost its server', ['run', 'server dies'], 'DEGRADED'],
  ['could not be built', ['fail'], 'ERROR'],
];

describe('allowedActions', () => {
  test('has every action that there is on a cluster', () => {
    expect([...clusterActions].sort()).toEqual([...mutations].sort());
  });

  test.each(situations)('agrees with the mutations on a cluster that %s', async (_what, history, status) => {
    for (const mutation of mutations) {
      const subject = await newCluster();
      for (const happening of history) await happenings[happening](subject);
      expect((await factsOf(subject)).cluster.status).toBe(status);
      await attempt(subject, mutation);
    }
  });

  test.each([
    ['is being deleted', [], 'DELETING'],
    ['could not be deleted', ['fail'], 'ERROR'],
    ['is deleted', ['run'], 'DELETED'],
  ] as [string, Happening[], string][])('agrees with them on one that %s', async (_what, history, status) => {
    for (const mutation of mutations) {
      const subject = await newCluster();
      await happenings.run(subject);
      await attempt(subject, 'DELETE_CLUSTER');
      for (const happening of history) await happenings[happening](subject);
      expect((await factsOf(subject)).cluster.status).toBe(status);
      await attempt(subject, mutation);
    }
  });

  test.each([
    ['waits', []],
    ['is asked to stop', ['cancel']],
    ['has been cancelled', ['cancel', 'run']],
    ['has failed', ['fail']],
    ['has ended well', ['run']],
    ['has failed and is overtaken by a change', ['fail', 'protect']],
  ] as [string, Happening[]][])(
    'what is said of cancelling and retrying holds for one that %s',
    async (_what, history) => {
      for (const mutation of mutations) {
        const subject = await newCluster();
        await happenings.run(subject);
        await attempt(subject, mutation);
        for (const happening of history) await happenings[happening](subject);
        await attemptCancel(subject);
        await attemptRetry(subject);
      }
    },
  );

  test('agrees with them whatever has happened before', async () => {
    const step = fc.constantFrom(...(Object.keys(happenings) as Happening[]), ...mutations);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 10 }), async (history) => {
        const subject = await newCluster();
        for (const what of history) {
          if (what in happenings) await happenings[what as Happening](subject);
          else await attempt(subject, what as Mutation);
        }
        for (const mutation of mutations) await attempt(subject, mutation);
      }),
      { numRuns: 25, interruptAfterTimeLimit: 20_000 },
    );
  }, 60_000);
});
