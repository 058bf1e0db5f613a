import { z } from 'zod';
import { acceptsChanges, changeableStatuses, isLeaving } from '#domain/clusterStatus.ts';
import { ClusterStatusError, type DomainError } from '#domain/errors.ts';
import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import { clusterIsFree, clusterIsThere } from './blockers.ts';
import { accessRulesSchema, clusterIdSchema } from './inputs.ts';
import { defineOperation, type StepContext } from './operation.ts';
import { nobodyMayConnect, sessionsEnd } from './warnings.ts';

const minuteMs = 60_000;
const inForceStep = 'in-force';
const accessStep = ({ id }: InstanceFacts) => `access:${id}`;

const changes = <T>(value: T | null | undefined): value is T => value !== null && value !== undefined;

const inputSchema = z
  .strictObject({
    clusterId: clusterIdSchema,
    accessRules: accessRulesSchema.nullish(),
    deletionProtection: z.boolean().nullish(),
  })
  .refine(
    ({ accessRules, deletionProtection }) => changes(accessRules) || changes(deletionProtection),
    'must say what to change: accessRules, deletionProtection or both',
  );

export type UpdateClusterInput = z.infer<typeof inputSchema>;

/** Changes who may connect (on the running servers) and whether the cluster may be deleted. What is not given stays. */
export const updateCluster = defineOperation<UpdateClusterInput>({
  kind: 'UPDATE_CLUSTER',
  permission: 'cluster:update',
  inputPermissions: ({ deletionProtection }) => (changes(deletionProtection) ? ['cluster:protect'] : []),
  input: inputSchema,
  deadlineMs: 5 * minuteMs,
  subject: { kind: 'EXISTING', clusterId: ({ clusterId }) => clusterId },
  blockers: ({ cluster }) => [...clusterIsThere(cluster), ...clusterIsFree(cluster), ...isStaying(cluster)],
  inputBlockers: ({ cluster }, { accessRules }) => (changes(accessRules) ? isServing(cluster) : []),
  warnings: ({ cluster }, { accessRules }) =>
    changes(accessRules) ? [...nobodyMayConnect(cluster, accessRules), ...sessionsEnd(cluster, accessRules)] : [],
  accept: async ({ tx, record }, { cluster }, { accessRules, deletionProtection }) => {
    const data = {
      ...(changes(accessRules) ? { accessRules, accessRulesInForce: false } : {}),
      ...(changes(deletionProtection) ? { deletionProtection } : {}),
    };
    await tx.cluster.update({ where: { id: cluster.id }, data });
    record({ type: 'CLUSTER_UPDATED', clusterId: cluster.id, payload: { cluster: cluster.name, ...data } });
  },
  plan: ({ cluster }, { accessRules }) =>
    changes(accessRules)
      ? [
          ...cluster.instances.map((instance) => ({
            key: accessStep(instance),
            name: `apply the access rules on ${instance.name}`,
            instanceId: instance.id,
          })),
          { key: inForceStep, name: 'record that the access rules are in force', instanceId: null },
        ]
      : [],
  run: async ({ cluster, step }) => {
    await Promise.all(
      cluster.instances.map((instance) =>
        step(accessStep(instance), async (context) => {
          await context.engine.applyAccess(context, instance);
          return null;
        }),
      ),
    );
    await step(inForceStep, recordInForce);
    return {};
  },
  lifecycle: { onSuccess: null, onFailure: null },
  pointOfNoReturn: null,
});

async function recordInForce({ cluster, change }: StepContext): Promise<null> {
  await change(({ tx }) => tx.cluster.update({ where: { id: cluster.id }, data: { accessRulesInForce: true } }));
  return null;
}

const isStaying = ({ name, status, lifecycle }: ClusterFacts): DomainError[] =>
  isLeaving(lifecycle) ? [new ClusterStatusError(name, status, changeableStatuses)] : [];

const isServing = ({ name, status }: ClusterFacts): DomainError[] =>
  acceptsChanges(status) ? [] : [new ClusterStatusError(name, status, changeableStatuses)];
