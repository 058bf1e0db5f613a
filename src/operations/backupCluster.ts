import { z } from 'zod';
import { BackupNameTakenError } from '#domain/backupErrors.ts';
import type { BackupPartFacts } from '#domain/backupFacts.ts';
import { acceptsChanges, changeableStatuses } from '#domain/clusterStatus.ts';
import { ClusterStatusError } from '#domain/errors.ts';
import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import { canBeBackedUp } from '#domain/instanceStatus.ts';
import { StepFailure } from '#domain/stepFailure.ts';
import type { BackedUpPart } from '#engines/engine.ts';
import type { Change } from '#events/transact.ts';
import { hourMs } from '#lib/time/durations.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import { violatedConstraint } from '#store/violatedConstraint.ts';
import { clusterIsFree, clusterIsThere } from './blockers.ts';
import { checkStoredPart } from './checkStoredPart.ts';
import { clusterIdSchema, nameSchema } from './inputs.ts';
import { defineOperation, type Facts, type OperationDefinition, type StepContext } from './operation.ts';
import { settleBackup } from './settleBackup.ts';
import { takeBackBackup } from './takeBackBackup.ts';

/** An instance whose agent is silent, or whose server does not serve, for this long is lost to the backup. */
const lostAfterMs = 10_000;

const completeStep = 'complete';
const backupStep = ({ id }: InstanceFacts) => `backup:${id}`;
const checkStep = ({ id }: InstanceFacts) => `check:${id}`;

const inputSchema = z.strictObject({ clusterId: clusterIdSchema, name: nameSchema.nullish() });

export type BackupClusterInput = z.infer<typeof inputSchema>;

/** Copies every instance of a serving cluster into the backup store. Writes go on meanwhile. */
export const backupCluster = defineOperation<BackupClusterInput>({
  kind: 'BACKUP_CLUSTER',
  permission: 'backup:create',
  input: inputSchema,
  deadlineMs: 6 * hourMs,
  subject: { kind: 'EXISTING', clusterId: ({ clusterId }) => clusterId },
  blockers: ({ cluster }) => {
    const held = [...clusterIsThere(cluster), ...clusterIsFree(cluster)];
    return held.length > 0 ? held : isServing(cluster);
  },
  quota: () => ({ BACKUPS: 1 }),
  accept: assertNameFree,
  record: recordBackup,
  notRetryable: 'a backup that failed keeps no files; take another one',
  plan: ({ cluster: { instances } }) => [
    ...instances.map((instance) => ({
      key: backupStep(instance),
      name: `back up ${instance.name}`,
      instanceId: instance.id,
    })),
    ...instances.map((instance) => ({
      key: checkStep(instance),
      name: `read the backup of ${instance.name} back`,
      instanceId: instance.id,
    })),
    { key: completeStep, name: 'complete the backup', instanceId: null },
  ],
  run: async ({ cluster, step }) => {
    await Promise.all(
      cluster.instances.map(async (instance) => {
        await step(backupStep(instance), (context) => backUpInstance(context, instance));
        await step(checkStep(instance), (context) => checkPart(context, instance));
      }),
    );
    return await step(completeStep, complete);
  },
  cleanUp: takeBackBackup,
  lifecycle: { onSuccess: null, onFailure: null },
  pointOfNoReturn: completeStep,
});

const isServing = ({ name, status }: ClusterFacts) =>
  acceptsChanges(status) ? [] : [new ClusterStatusError(name, status, changeableStatuses)];

/** Where the part of an instance lies in the backup store. */
const locationOf = (clusterId: string, backupId: string, instanceId: string): string =>
  `${clusterId}/${backupId}/${instanceId}.tar.zst`;

async function assertNameFree({ tx }: Change, { cluster }: Facts, { name }: BackupClusterInput): Promise<void> {
  if (name == null) return;
  const where = { clusterId: cluster.id, name, deletedAt: null };
  if (await tx.backup.findFirst({ where, select: { id: true } })) throw new BackupNameTakenError(name, cluster.name);
}

async function recordBackup(
  { tx, record }: Change,
  { operationId, actor, now }: Parameters<NonNullable<OperationDefinition<BackupClusterInput>['record']>>[1],
  { cluster }: Facts,
  input: BackupClusterInput,
): Promise<void> {
  const scheduled = actor.kind === 'SYSTEM';
  const name = input.name ?? nameFor(scheduled, now);
  const { id: clusterId, projectId, engine, engineVersion, instances, size } = cluster;
  try {
    const { id } = await tx.backup.create({
      data: {
        ...{ projectId, clusterId, clusterName: cluster.name, name, engine, engineVersion, ...size },
        ...{ operationId, requestedBy: actor, scheduled, createdAt: now, statusChangedAt: now },
        instanceCount: instances.length,
        parts: { create: instances.map((instance) => ({ instanceId: instance.id, instanceName: instance.name })) },
      },
      select: { id: true },
    });
    const payload = { cluster: cluster.name, backup: name, backupId: id };
    record({ type: 'BACKUP_STATUS_CHANGED', clusterId, operationId, toStatus: 'PENDING', payload });
  } catch (error) {
    if (violatedConstraint(error) === 'backup_name_taken') throw new BackupNameTakenError(name, cluster.name);
    throw error;
  }
}

/** E.g. "manual-20260131-235959-123", in UTC. */
function nameFor(scheduled: boolean, now: Date): string {
  const [date = '', time = ''] = now.toISOString().replaceAll(/[-:Z]/g, '').split('T');
  return `${scheduled ? 'scheduled' : 'manual'}-${date}-${time.replace('.', '-')}`;
}

type Part = Pick<BackupPartFacts, 'id' | 'location' | 'bytes' | 'sha256'> & { backupId: string };

async function partOf({ change, operationId }: StepContext, { id: instanceId }: InstanceFacts): Promise<Part> {
  return await change(async ({ tx }) => {
    const { bytes, ...part } = await tx.instanceBackup.findFirstOrThrow({
      where: { instanceId, backup: { operationId } },
    });
    return { ...part, bytes: bytes === null ? null : Number(bytes) };
  });
}

async function backUpInstance(context: StepContext, instance: InstanceFacts): Promise<null> {
  const { cluster, engine, backups, change, operationId, setActivity } = context;
  const now = assertPresent(
    cluster.instances.find(({ id }) => id === instance.id),
    `instance ${instance.name}`,
  );
  if (!canBeBackedUp(now.status)) throw cannotBeBackedUp(now);
  const part = await partOf(context, instance);
  const location = locationOf(cluster.id, part.backupId, instance.id);
  await setActivity([instance], 'BACKING_UP', async (inside, startedAt) => {
    await inside.tx.instanceBackup.update({ where: { id: part.id }, data: { status: 'RUNNING', startedAt, location } });
    await settleBackup(inside, part.backupId, { now: startedAt, operationId });
  });
  const stored = await unlessLost(context, now, engine.backUp(context, now, { store: backups.place, key: location }));
  await change(({ tx }) => tx.instanceBackup.update({ where: { id: part.id }, data: stored }));
  await setActivity([instance], 'NONE');
  return null;
}

function cannotBeBackedUp({ name, status, statusReason }: InstanceFacts): StepFailure {
  const why = statusReason === null ? '' : `: ${statusReason.replace(/\.$/, '')}`;
  return new StepFailure(
    'INSTANCE_NOT_SERVING',
    `${name} cannot be backed up, since it is ${status}${why}. A backup has a part of every instance: bring it back, or drop it.`,
  );
}

/** A backup must not hold its cluster for hours when an instance dies: others may have to do something about that. */
async function unlessLost(
  { clock, until }: StepContext,
  { id, name }: InstanceFacts,
  backingUp: Promise<BackedUpPart>,
): Promise<BackedUpPart> {
  let ended = false;
  let servedAt = performance.now();
  const lost = until(`${name} to be copied`, ({ instances }) => {
    const seen = instances.find((instance) => instance.id === id);
    const age = clock.now().getTime() - (seen?.observedAt?.getTime() ?? 0);
    if (seen?.observation?.serving === true && age < lostAfterMs) servedAt = performance.now();
    return ended || performance.now() - servedAt > lostAfterMs;
  }).then(() => {
    if (!ended) throw new StepFailure('INSTANCE_LOST', `${name} stopped serving while it was backed up.`);
  });
  lost.catch(() => {});
  try {
    return await Promise.race([backingUp, lost.then(() => backingUp)]);
  } finally {
    ended = true;
  }
}

async function checkPart(context: StepContext, instance: InstanceFacts): Promise<null> {
  const part = await partOf(context, instance);
  context.waitingFor(`the backup of ${instance.name} to be read back`);
  await checkStoredPart(context, instance.name, part);
  context.waitingFor(null);
  return null;
}

async function complete({ clock, change, operationId }: StepContext): Promise<{ backupId: string }> {
  return await change(async (inside) => {
    const { id: backupId } = await inside.tx.backup.findUniqueOrThrow({ where: { operationId } });
    const now = clock.now();
    await inside.tx.instanceBackup.updateMany({ where: { backupId }, data: { status: 'COMPLETED', finishedAt: now } });
    await settleBackup(inside, backupId, { now, operationId });
    return { backupId };
  });
}
