import { z } from 'zod';
import { acceptsChanges, changeableStatuses, isLeaving } from '#domain/clusterStatus.ts';
import { ClusterStatusError, type DomainError } from '#domain/errors.ts';
import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import type { Warning } from '#domain/warning.ts';
import { Prisma } from '#generated/prisma/client.ts';
import { minuteMs } from '#lib/time/durations.ts';
import { isGiven } from '#lib/values/isGiven.ts';
import { clusterIsFree, clusterIsThere } from './blockers.ts';
import {
  accessRulesSchema,
  backupPolicyOf,
  backupPolicySchema,
  clusterIdSchema,
  failoverColumns,
  failoverSchema,
} from './inputs.ts';
import { defineOperation, type PlannedStep, type RunContext, type StepContext } from './operation.ts';
import { nobodyMayConnect, nobodyToWaitFor, sessionsEnd } from './warnings.ts';

const inForceStep = 'in-force';
const synchronousStep = 'synchronous';
const accessStep = ({ id }: InstanceFacts) => `access:${id}`;

const inputSchema = z
  .strictObject({
    clusterId: clusterIdSchema,
    accessRules: accessRulesSchema.nullish(),
    deletionProtection: z.boolean().nullish(),
    synchronous: z.boolean().nullish(),
    failover: failoverSchema.nullish(),
    backupPolicy: backupPolicySchema.nullish(),
  })
  .refine(
    ({ clusterId, ...wanted }) => Object.values(wanted).some(isGiven),
    'must say what to change: accessRules, deletionProtection, synchronous, failover, backupPolicy, or several of these',
  );

export type UpdateClusterInput = z.infer<typeof inputSchema>;

const protection = { field: 'deletionProtection', permission: 'cluster:protect' } as const;

/** Changes who may connect and what commits wait for (on the running servers), and how the cluster is guarded. What is not given stays. */
export const updateCluster = defineOperation<UpdateClusterInput>({
  kind: 'UPDATE_CLUSTER',
  permission: 'cluster:update',
  inputPermissions: ({ deletionProtection }) => (isGiven(deletionProtection) ? [protection] : []),
  input: inputSchema,
  deadlineMs: 5 * minuteMs,
  subject: { kind: 'EXISTING', clusterId: ({ clusterId }) => clusterId },
  blockers: ({ cluster }) => [...clusterIsThere(cluster), ...clusterIsFree(cluster), ...isStaying(cluster)],
  inputBlockers: ({ cluster }, { accessRules, synchronous }) =>
    isGiven(accessRules) || isGiven(synchronous) ? isServing(cluster) : [],
  warnings: ({ cluster }, { accessRules, synchronous }) => [
    ...(synchronous === true ? alreadySynchronous(cluster) : []),
    ...nobodyToWaitFor(cluster, synchronous ?? false),
    ...(isGiven(accessRules) ? [...nobodyMayConnect(cluster, accessRules), ...sessionsEnd(cluster, accessRules)] : []),
  ],
  accept: async (change, { cluster }, input) => {
    const { accessRules, deletionProtection, synchronous, failover, backupPolicy } = input;
    const guarded = isGiven(deletionProtection) ? { deletionProtection } : {};
    const rules = isGiven(accessRules) ? { accessRules } : {};
    const data = {
      ...guarded,
      ...(isGiven(accessRules) ? { accessRules, accessRulesInForce: false } : {}),
      // Said of the cluster only while it is true: not before every commit waits, and not after one may not.
      ...(synchronous === false ? { synchronous } : {}),
      ...failoverColumns(failover),
    };
    const policy = isGiven(backupPolicy) ? { backupPolicy: backupPolicyOf(backupPolicy) } : {};
    const stored = policy.backupPolicy === null ? { backupPolicy: Prisma.DbNull } : policy;
    await change.tx.cluster.update({ where: { id: cluster.id }, data: { ...data, ...(stored as object) } });
    const payload = {
      cluster: cluster.name,
      ...rules,
      ...(isGiven(accessRules) ? { accessRulesInForce: false } : {}),
      ...guarded,
      ...(isGiven(synchronous) ? { synchronous } : {}),
      ...policy,
      ...(isGiven(failover) ? { failover: JSON.parse(JSON.stringify(failover)) } : {}),
    };
    change.record({ type: 'CLUSTER_UPDATED', clusterId: cluster.id, payload });
  },
  plan: ({ cluster }, { accessRules, synchronous }) => [
    // What is not synchronous may still wait, after a change that failed: that is told to the primary each time.
    ...(isGiven(synchronous) && !(synchronous && cluster.synchronous) ? [planSynchronous] : []),
    ...(isGiven(accessRules) ? planAccess(cluster) : []),
  ],
  run: async (context, { accessRules, synchronous }) => {
    const applied = context.planned.some(({ key }) => key === synchronousStep);
    if (isGiven(synchronous) && applied)
      await context.step(synchronousStep, (step) => applySynchronous(step, synchronous));
    if (isGiven(accessRules)) await applyAccess(context);
    return {};
  },
  lifecycle: { onSuccess: null, onFailure: null },
  pointOfNoReturn: null,
});

const alreadySynchronous = ({ synchronous }: ClusterFacts): Warning[] =>
  synchronous
    ? [{ code: 'NO_EFFECT', message: 'synchronous changes nothing: the cluster is synchronous already.' }]
    : [];

const planSynchronous: PlannedStep = {
  key: synchronousStep,
  name: 'tell the primary what commits wait for',
  instanceId: null,
};

async function applySynchronous(context: StepContext, synchronous: boolean): Promise<null> {
  const { cluster, engine, change } = context;
  await engine.applySynchronous({ ...context, cluster: { ...cluster, synchronous } });
  await change(({ tx }) => tx.cluster.update({ where: { id: cluster.id }, data: { synchronous } }));
  return null;
}

const planAccess = ({ instances }: ClusterFacts): PlannedStep[] => [
  ...instances.map((instance) => ({
    key: accessStep(instance),
    name: `apply the access rules on ${instance.name}`,
    instanceId: instance.id,
  })),
  { key: inForceStep, name: 'record that the access rules are in force', instanceId: null },
];

async function applyAccess({ cluster, step }: RunContext): Promise<void> {
  await Promise.all(
    cluster.instances.map((instance) =>
      step(accessStep(instance), async (context) => {
        await context.engine.applyAccess(context, instance);
        return null;
      }),
    ),
  );
  await step(inForceStep, recordInForce);
}

async function recordInForce({ cluster, change }: StepContext): Promise<null> {
  await change(({ tx }) => tx.cluster.update({ where: { id: cluster.id }, data: { accessRulesInForce: true } }));
  return null;
}

const isStaying = ({ name, status, lifecycle }: ClusterFacts): DomainError[] =>
  isLeaving(lifecycle) ? [new ClusterStatusError(name, status, changeableStatuses)] : [];

const isServing = ({ name, status }: ClusterFacts): DomainError[] =>
  acceptsChanges(status) ? [] : [new ClusterStatusError(name, status, changeableStatuses)];
