import { z } from 'zod';
import { acceptsWrites, freeStatuses } from '#domain/clusterStatus.ts';
import type { DomainError } from '#domain/errors.ts';
import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import { InstanceStatusError, MinimumInstancesError, PrimaryNotDroppableError } from '#domain/instanceErrors.ts';
import { hadServer, isDeparting, isServing } from '#domain/instanceStatus.ts';
import { isFormerPrimary, isThere, wantedPrimary } from '#domain/promotion.ts';
import { givenBack, instancesDemand } from '#domain/quota.ts';
import { StepFailure } from '#domain/stepFailure.ts';
import { instanceCountAllowed } from '#domain/topology.ts';
import { Prisma } from '#generated/prisma/client.ts';
import { minuteMs } from '#lib/time/durations.ts';
import type { Transaction } from '#store/database.ts';
import { answeringWithin } from './answered.ts';
import { clusterIsReady, notOfCluster } from './blockers.ts';
import { loadOneClusterFacts } from './clusterFacts.ts';
import { clusterIdSchema } from './inputs.ts';
import { type CleanUpContext, defineOperation, type Facts, type PlannedStep, type StepContext } from './operation.ts';
import { planRemove, removeInstance, removeStep } from './removeInstance.ts';
import { planSurvey, planVerify, survey, surveyStep, verifyCluster, verifyStep } from './verifyCluster.ts';
import { singleInstance } from './warnings.ts';

const primaryAnswersWithinMs = 5000;

const drainStep = ({ id }: Pick<InstanceFacts, 'id'>) => `drain:${id}`;

const inputSchema = z.strictObject({
  clusterId: clusterIdSchema,
  instanceIds: z
    .array(z.uuid())
    .min(1, 'must name at least one instance')
    .refine((ids) => new Set(ids).size === ids.length, 'must name each instance once'),
});

export type DropInstancesInput = z.infer<typeof inputSchema>;

/** Takes instances out of a cluster and releases all that they have. They may be ill, or not answer at all. */
export const dropInstances = defineOperation<DropInstancesInput>({
  kind: 'DROP_INSTANCES',
  permission: 'cluster:scale',
  input: inputSchema,
  deadlineMs: 30 * minuteMs,
  subject: { kind: 'EXISTING', clusterId: ({ clusterId }) => clusterId },
  blockers: (facts) => [...clusterIsReady(facts.cluster, freeStatuses), ...minimumRemains(facts, 1)],
  inputBlockers: (facts, input) => {
    const leaving = leavingOf(facts.cluster, input);
    if (leaving.length < input.instanceIds.length) return [notOfCluster(facts.cluster)];
    return [
      ...leaving.filter((instance) => isPrimary(facts.cluster, instance)).map((it) => new PrimaryNotDroppableError(it)),
      ...minimumRemains(facts, leaving.length),
      ...remainderIsOdd(facts, leaving.length),
      ...leaving.flatMap((instance) => isNoLastCopy(facts.cluster, instance)),
    ];
  },
  quota: ({ cluster }, input) => givenBack(instancesDemand(leavingOf(cluster, input))),
  warnings: ({ cluster }, { instanceIds }) =>
    singleInstance({ ...cluster, instances: cluster.instances.filter(({ id }) => !instanceIds.includes(id)) }),
  plan: ({ cluster }, input) => {
    const leaving = leavingOf(cluster, input);
    return [planSurvey, ...leaving.map(planDrain), ...leaving.map(planRemove), planVerify];
  },
  run: async ({ step }, { instanceIds }) => {
    const seen = await step(surveyStep, (context) => survey(context, instanceIds));
    await Promise.all(
      instanceIds.map(async (id) => {
        await step(drainStep({ id }), (context) => drain(context, id, instanceIds));
        await step(removeStep({ id }), (context) => remove(context, id));
      }),
    );
    const { verified } = await step(verifyStep, (context) => verifyCluster(context, seen));
    return { instanceIds, verified };
  },
  reopen: async (_change, { cluster }, _planned, { input }) => {
    const [blocker] = leavingOf(cluster, input).flatMap((instance) => isNoLastCopy(cluster, instance));
    if (blocker) throw blocker;
  },
  cleanUp: waitForThoseThatStay,
  lifecycle: { onSuccess: null, onFailure: null },
  pointOfNoReturn: null,
});

const leavingOf = ({ instances }: ClusterFacts, { instanceIds }: DropInstancesInput): InstanceFacts[] =>
  instances.filter(({ id }) => instanceIds.includes(id));

/** The one that is wanted; and one that takes writes while that does not, as when a promotion broke off. */
function isPrimary({ primaryInstanceId, instances }: ClusterFacts, instance: InstanceFacts): boolean {
  if (instance.id === primaryInstanceId) return true;
  const wanted = instances.find(({ id }) => id === primaryInstanceId);
  return takesWrites(instance) && !(wanted && takesWrites(wanted));
}

const takesWrites = ({ observation }: InstanceFacts): boolean =>
  observation?.serving === true && observation.role === 'PRIMARY';

/** Of an engine that wants it so. More than its maximum may remain: that is one step towards fewer. */
function remainderIsOdd({ cluster, engine }: Facts, leaving: number): DomainError[] {
  const faults = instanceCountAllowed(engine, cluster.instances.length - leaving);
  return faults.filter(({ rule }) => rule === 'ODD_INSTANCE_COUNT');
}

function minimumRemains({ cluster, engine }: Facts, leaving: number): DomainError[] {
  const { minimum } = engine.size;
  const remaining = cluster.instances.length - leaving;
  return remaining < minimum ? [new MinimumInstancesError(cluster.name, { minimum, remaining })] : [];
}

/**
 * While nothing accepts writes, a server that serves, or a former primary that was stopped, may hold the only whole copy of the data:
 * it is promoted, not dropped. In a synchronous cluster so may one that is not seen: the last acknowledged write is on one of them, and
 * nobody knows on which.
 */
function isNoLastCopy(cluster: ClusterFacts, instance: InstanceFacts): InstanceStatusError[] {
  const { healthLevel, synchronous } = cluster;
  if (acceptsWrites(healthLevel)) return [];
  if (isFormerPrimary(cluster, instance)) {
    const why =
      'It was the primary before, and while no instance is known to accept writes it may hold the only whole copy of the data.';
    const wayOut =
      'Go back to it (promoteInstance with FAILOVER and acceptDataLoss), promote another, or delete the cluster.';
    return [new InstanceStatusError(instance, `${why} ${wayOut}`)];
  }
  if (mayServe(instance)) {
    const why =
      'While no instance is known to accept writes, one that serves may hold the only whole copy of the data.';
    return [new InstanceStatusError(instance, `${why} Promote it, or drop those that do not serve.`)];
  }
  if (!synchronous || !hadServer(instance)) return [];
  const unseen =
    'In a synchronous cluster without a primary it may hold acknowledged writes that no other instance has.';
  return [new InstanceStatusError(instance, `${unseen} Bring it back, or promote another with acceptDataLoss first.`)];
}

/** Also one that an operation works on, or failed on: its server may serve all the same. */
const mayServe = (instance: InstanceFacts): boolean =>
  isServing(instance) || isThere({ ...instance, activity: 'NONE' });

const planDrain = (instance: InstanceFacts): PlannedStep => ({
  key: drainStep(instance),
  name: `drain ${instance.name}`,
  instanceId: instance.id,
});

/**
 * The instance has left the group, and its server does not run. One that is not known to serve is stopped through the provider
 * before anything else: were it only silent, it would go on serving what the group no longer holds.
 */
async function drain(context: StepContext, id: string, leavingIds: readonly string[]): Promise<null> {
  const { cluster, engine, setActivity } = context;
  const leaving = cluster.instances.find((instance) => instance.id === id);
  if (!leaving) return null;
  await setActivity([leaving], 'DRAINING', ({ tx }) => failIfLastCopy(tx, cluster.id, leaving));
  const rest = { ...context, cluster: withDeparting(cluster, leavingIds) };
  // Before it is fenced: where it cannot be let go, it must be able to come back.
  await engine.release(rest, leaving);
  if (!isServing(leaving)) await fence(context, leaving);
  await engine.leave(rest, leaving);
  await fence(context, leaving);
  return null;
}

/**
 * The primary may be gone since the drop was accepted. Judged under the cluster's lock, from its health as it has just been settled, and
 * once more at each try: one that is restarted is back by then. As the instance was when the step began, since by now it is DRAINING.
 */
async function failIfLastCopy(tx: Transaction, clusterId: string, leaving: InstanceFacts): Promise<void> {
  const now = await loadOneClusterFacts(tx, { id: clusterId });
  const found = now?.instances.find(({ id }) => id === leaving.id);
  if (!now || !found) return;
  const [blocker] = isNoLastCopy(now, { ...found, status: leaving.status });
  if (blocker) throw new StepFailure('LAST_COPY', blocker.message, { retryable: true });
}

/**
 * Of a synchronous cluster: one that was being let go stays, so commits wait for it as before. Where the primary does not answer soon it
 * may be lost, and a failover must not wait; it does what it was told when it is back.
 */
async function waitForThoseThatStay(context: CleanUpContext): Promise<null> {
  const { cluster, engine } = context;
  const primary = wantedPrimary(cluster);
  if (!cluster.synchronous || !primary || !isThere(primary) || !cluster.instances.some(isDeparting)) return null;
  const staying = cluster.instances.map((instance) => ({ ...instance, activity: 'NONE' as const }));
  const patient = answeringWithin(context, () => primaryAnswersWithinMs);
  await engine.applySynchronous({ ...patient, cluster: { ...cluster, instances: staying } });
  return null;
}

/** Those beside it leave too, whether or not their own step has begun: nothing may rely on them. */
const withDeparting = (cluster: ClusterFacts, ids: readonly string[]): ClusterFacts => ({
  ...cluster,
  instances: cluster.instances.map((instance) =>
    ids.includes(instance.id) ? { ...instance, activity: 'DRAINING' } : instance,
  ),
});

/** Nothing of the instance runs, and its agent is let in no more, so that nobody starts it again. It is as if never seen. */
async function fence({ cluster, provider, change }: StepContext, { id }: InstanceFacts): Promise<void> {
  await change(({ tx }) => tx.instance.update({ where: { id }, data: { agentTokenHash: null } }));
  await provider.stopInstance({ clusterId: cluster.id, instanceId: id });
  const unseen = { observation: Prisma.DbNull, observedAt: null, serving: null };
  await change(({ tx }) => tx.instance.update({ where: { id }, data: unseen }));
}

async function remove(context: StepContext, id: string): Promise<null> {
  const { cluster } = context;
  return await removeInstance(context, { id }, async ({ tx }) => {
    const instanceCount = await tx.instance.count({ where: { clusterId: cluster.id, removedAt: null } });
    await tx.cluster.update({ where: { id: cluster.id }, data: { instanceCount } });
  });
}
