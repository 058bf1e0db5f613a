import { z } from 'zod';
import { acceptsWrites, changeableStatuses, freeStatuses } from '#domain/clusterStatus.ts';
import type { DomainError } from '#domain/errors.ts';
import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import { InstanceStatusError } from '#domain/instanceErrors.ts';
import { asServing, hasServer, isBeingWorkedOn, isOutOfReach } from '#domain/instanceStatus.ts';
import { wantedPrimary } from '#domain/promotion.ts';
import { StepFailure } from '#domain/stepFailure.ts';
import type { Engine } from '#engines/engine.ts';
import { minuteMs } from '#lib/time/durations.ts';
import { clusterIsReady, notOfCluster } from './blockers.ts';
import { clusterIdSchema } from './inputs.ts';
import { placed } from './instanceSteps.ts';
import { liftFence } from './liftFence.ts';
import { defineOperation, type PlannedStep, type RunContext, type StepContext } from './operation.ts';
import { untilWithin } from './untilWithin.ts';
import { planSurvey, planVerify, survey, surveyStep, verifyCluster, verifyStep } from './verifyCluster.ts';

/** A replica that does not follow its primary this long after its restart will not do so by itself. */
const followsWithinMs = minuteMs;

const restartStep = ({ id }: Pick<InstanceFacts, 'id'>) => `restart:${id}`;

export const restartStrategies = ['ROLLING', 'ALL_AT_ONCE'] as const;

const inputSchema = z.strictObject({
  clusterId: clusterIdSchema,
  strategy: z.enum(restartStrategies).nullish(),
  /** Null: every instance. */
  instanceIds: z
    .array(z.uuid())
    .min(1, 'must name at least one instance')
    .refine((ids) => new Set(ids).size === ids.length, 'must name each instance once')
    .nullish(),
  /** Also of a cluster that is DOWN. */
  force: z.boolean().nullish(),
});

export type RestartClusterInput = z.infer<typeof inputSchema>;

/** Restarts servers: one after the other, the primary last, each serving and following again before the next; or all at once. */
export const restartCluster = defineOperation<RestartClusterInput>({
  kind: 'RESTART_CLUSTER',
  permission: 'cluster:restart',
  input: inputSchema,
  deadlineMs: 60 * minuteMs,
  subject: { kind: 'EXISTING', clusterId: ({ clusterId }) => clusterId },
  blockers: ({ cluster }) => [...clusterIsReady(cluster, freeStatuses), ...nobodyIsWorkedOn(cluster)],
  inputBlockers: ({ cluster }, input) => [
    ...(input.force ? [] : clusterIsReady(cluster, changeableStatuses, 'With "force" it is possible all the same.')),
    ...chosenCanRestart(cluster, input),
  ],
  plan: ({ cluster, engine }, input) => [
    planSurvey,
    ...engine.restartOrder({ ...cluster, instances: chosen(cluster, input) }).map(planRestart),
    planVerify,
  ],
  run: async ({ cluster, planned, step }, { strategy }) => {
    const order = inPlannedOrder(cluster, planned);
    const ids = order.map(({ id }) => id);
    const seen = await step(surveyStep, (context) => survey(context, ids));
    const restartOne = (instance: InstanceFacts) =>
      step(restartStep(instance), (context) => restart(context, instance, { alone: strategy !== 'ALL_AT_ONCE' }));
    const restarted = await (strategy === 'ALL_AT_ONCE' ? allAtOnce : oneByOne)(order, restartOne);
    const { verified } = await step(verifyStep, (context) => verifyCluster(context, seen));
    return { instances: restarted, verified };
  },
  lifecycle: { onSuccess: null, onFailure: null },
  pointOfNoReturn: null,
});

const chosen = ({ instances }: ClusterFacts, { instanceIds }: RestartClusterInput): InstanceFacts[] =>
  instances.filter(({ id }) => instanceIds?.includes(id) ?? true);

function nobodyIsWorkedOn({ currentOperation, instances }: ClusterFacts): DomainError[] {
  if (currentOperation) return [];
  const why = 'An operation that ended without settling it left it so: drop it, or delete the cluster.';
  return instances.filter(isBeingWorkedOn).map((instance) => new InstanceStatusError(instance, why));
}

function chosenCanRestart(cluster: ClusterFacts, input: RestartClusterInput): DomainError[] {
  const subjects = chosen(cluster, input);
  if (input.instanceIds && subjects.length < input.instanceIds.length) return [notOfCluster(cluster)];
  return subjects.flatMap((instance) => {
    const others = 'Leave it out by naming the others in instanceIds, or drop it.';
    if (isOutOfReach(instance)) return [new InstanceStatusError(instance, `Nobody can restart it. ${others}`)];
    if (!hasServer(instance)) return [new InstanceStatusError(instance, `${withoutServer(instance)} ${others}`)];
    return [];
  });
}

const withoutServer = ({ statusReason }: InstanceFacts): string =>
  ['It has no server to restart.', statusReason].filter((said) => said !== null).join(' ');

const planRestart = (instance: InstanceFacts): PlannedStep => ({
  key: restartStep(instance),
  name: `restart ${instance.name}`,
  instanceId: instance.id,
});

/** As it was decided at first: roles may be seen otherwise while servers restart. */
function inPlannedOrder({ instances }: ClusterFacts, planned: RunContext['planned']): InstanceFacts[] {
  return planned.flatMap(({ instanceId }) => instances.find(({ id }) => id === instanceId) ?? []);
}

type Restarted = { instanceId: string; downMs: number | null };
type RestartOne = (instance: InstanceFacts) => Promise<Restarted>;

async function oneByOne(order: readonly InstanceFacts[], restartOne: RestartOne): Promise<Restarted[]> {
  const restarted: Restarted[] = [];
  for (const instance of order) restarted.push(await restartOne(instance));
  return restarted;
}

const allAtOnce = (order: readonly InstanceFacts[], restartOne: RestartOne): Promise<Restarted[]> =>
  Promise.all(order.map(restartOne));

/**
 * A worker that resumes asks for the same restart, which is done once: the agent's answer says when the server that it started began,
 * and only what was observed of that server counts.
 */
async function restart(
  context: StepContext,
  subject: InstanceFacts,
  { alone }: { alone: boolean },
): Promise<Restarted> {
  const { id, name } = subject;
  await context.setActivity([subject], 'RESTARTING');
  // A failover that elected nobody may have left it so, with no other to fail over to.
  if (subject.fencedAt !== null && wantedPrimary(context.cluster)?.id === id) await liftFence(context, id);
  const { startedAt, downMs } = await context.engine.restart(context, placed(context, subject));
  await context.until(`${name} to report that it serves again`, ({ instances }) =>
    instances.some((instance) => instance.id === id && servesSince(instance, startedAt)),
  );
  if (alone) await follows(context, subject);
  await context.setActivity([subject], 'NONE');
  return { instanceId: id, downMs };
}

function servesSince({ observation }: InstanceFacts, startedAt: string): boolean {
  if (!observation?.serving || observation.startedAt === null) return false;
  return Date.parse(observation.startedAt) >= Date.parse(startedAt);
}

/** It takes part in the group again as far as its engine can tell; where nothing accepts writes there is nobody to follow. */
async function follows(context: StepContext, { id, name }: InstanceFacts): Promise<void> {
  await untilWithin(context, {
    what: `${name} to follow its primary again`,
    withinMs: followsWithinMs,
    isReached: (cluster) => {
      const { level, reasons } = healthAfter(context, cluster, id);
      return !acceptsWrites(level) || !reasons.some(({ instanceId }) => instanceId === id);
    },
    failure: (cluster) => {
      const reason = healthAfter(context, cluster, id).reasons.find(({ instanceId }) => instanceId === id)?.message;
      return new StepFailure('NOT_FOLLOWING', `${name} serves again but is not well: ${reason ?? 'not known why'}`);
    },
  });
}

/** The health of the cluster as it were if the instance's restart had ended. */
function healthAfter({ engine }: { engine: Engine }, cluster: ClusterFacts, id: string) {
  const instances = cluster.instances.map((instance) => (instance.id === id ? asServing(instance) : instance));
  return engine.health({ ...cluster, instances });
}
