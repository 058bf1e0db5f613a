import { z } from 'zod';
import { changeableStatuses } from '#domain/clusterStatus.ts';
import { type DomainError, NameTakenError } from '#domain/errors.ts';
import { instancesDemand } from '#domain/quota.ts';
import { equalSizes, instanceCountAllowed } from '#domain/topology.ts';
import type { Change } from '#events/transact.ts';
import { hourMs } from '#lib/time/durations.ts';
import { clusterIsReady } from './blockers.ts';
import { clusterIdSchema, countOrInstances, newInstancesSchema } from './inputs.ts';
import { join, joinStep, planJoin, planProvision, provision, provisionStep } from './instanceSteps.ts';
import { type NamedInstance, nameInstances } from './nameInstances.ts';
import { defineOperation, type Facts, type RunContext } from './operation.ts';
import { planSurvey, planVerify, survey, surveyStep, verifyCluster, verifyStep } from './verifyCluster.ts';

const inputSchema = z
  .strictObject({
    clusterId: clusterIdSchema,
    count: z.int().min(1, 'must be at least 1').nullish(),
    /** Instead of `count`: an entry an instance. */
    instances: newInstancesSchema.min(1, 'must have at least one entry').nullish(),
  })
  .superRefine(countOrInstances('count'));

export type AddInstancesInput = z.infer<typeof inputSchema>;

/** Makes a cluster larger: new instances are made on its network, join it in parallel and hold its data. */
export const addInstances = defineOperation<AddInstancesInput>({
  kind: 'ADD_INSTANCES',
  permission: 'cluster:scale',
  input: inputSchema,
  // A copy of much data takes long.
  deadlineMs: 6 * hourMs,
  subject: { kind: 'EXISTING', clusterId: ({ clusterId }) => clusterId },
  blockers: ({ cluster, engine }) => [
    ...clusterIsReady(cluster, changeableStatuses),
    ...(cluster.instances.length < engine.size.maximum
      ? []
      : instanceCountAllowed(engine, cluster.instances.length + 1)),
  ],
  inputBlockers: ({ cluster, engine }, input) => [
    ...miscount({ cluster, engine }, input),
    ...equalSizes(engine, [cluster, ...(input.instances ?? []).flatMap(({ size }) => (size ? { size } : []))]),
    ...namesAreFree(cluster, input),
  ],
  // No list is made of more instances than a cluster can have: the number is anybody's.
  quota: (facts, input) =>
    miscount(facts, input).length > 0 ? {} : instancesDemand(newInstances(facts.cluster, input)),
  accept: insertInstances,
  reopen: async ({ tx }, _facts, planned) => {
    await tx.instance.updateMany({
      where: { id: { in: instanceIdsOf(planned) }, activity: 'FAILED' },
      data: { activity: 'PENDING' },
    });
  },
  plan: ({ cluster }) => {
    const added = cluster.instances.filter(({ activity }) => activity === 'PENDING');
    return [planSurvey, ...added.map(planProvision), ...added.map(planJoin), planVerify];
  },
  run: async ({ cluster, planned, step }) => {
    const ids = instanceIdsOf(planned);
    const seen = await step(surveyStep, (context) => survey(context, ids));
    await Promise.all(
      cluster.instances
        .filter(({ id }) => ids.includes(id))
        .map(async (instance) => {
          await step(provisionStep(instance), (context) => provision(context, instance));
          await step(joinStep(instance), (context) => join(context, instance));
        }),
    );
    const { verified } = await step(verifyStep, (context) => verifyCluster(context, seen));
    return { instanceIds: ids, verified };
  },
  lifecycle: { onSuccess: null, onFailure: null },
  pointOfNoReturn: null,
});

const countOf = ({ count, instances }: AddInstancesInput): number => instances?.length ?? count ?? 0;

const miscount = ({ cluster, engine }: Facts, input: AddInstancesInput): DomainError[] =>
  instanceCountAllowed(engine, cluster.instances.length + countOf(input));

const instanceIdsOf = (planned: RunContext['planned']): string[] => [
  ...new Set(planned.flatMap(({ instanceId }) => instanceId ?? [])),
];

function namesAreFree({ name: cluster, instances }: Facts['cluster'], input: AddInstancesInput): DomainError[] {
  const taken = new Set(instances.map(({ name }) => name));
  const clashes = (input.instances ?? []).flatMap(({ name }) => (name && taken.has(name) ? name : []));
  return clashes.map((name) => new NameTakenError(name, `another instance of cluster "${cluster}"`));
}

function newInstances({ name, instances, size }: Facts['cluster'], input: AddInstancesInput): NamedInstance[] {
  const wanted = input.instances ?? Array.from({ length: countOf(input) }, () => ({}));
  return nameInstances(wanted, { cluster: name, taken: instances.map((instance) => instance.name), size });
}

async function insertInstances({ tx }: Change, { cluster }: Facts, input: AddInstancesInput): Promise<void> {
  const added = newInstances(cluster, input);
  await tx.instance.createMany({
    data: added.map(({ name, size }) => ({
      projectId: cluster.projectId,
      clusterId: cluster.id,
      name,
      ...size,
      provider: cluster.provider,
    })),
  });
  await tx.cluster.update({
    where: { id: cluster.id },
    data: { instanceCount: cluster.instances.length + added.length },
  });
}
