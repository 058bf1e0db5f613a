import type { BackupFacts, BackupPartFacts } from '#domain/backupFacts.ts';
import type { ClusterFacts, InstanceFacts, InstanceSize } from '#domain/facts.ts';
import { restoreBlockers, restoreRequestBlockers, withoutFaults } from '#domain/restoreBlockers.ts';
import type { Engine, StoredPart } from '#engines/engine.ts';
import type { Change } from '#events/transact.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import { lockBackup } from './backupFacts.ts';
import { createNetwork } from './buildCluster.ts';
import { type CreateClusterInput, insertCluster } from './createCluster.ts';
import { becomeActive, placed, planProvision, provision, provisionStep } from './instanceSteps.ts';
import type { CreationContext, Facts, PlannedStep, RunStep, StepContext } from './operation.ts';
import { findParts, noteFault } from './partFaults.ts';
import { planVerify, verifyCluster, verifyStep } from './verifyCluster.ts';

const partsStep = 'parts';
const networkStep = 'network';
const restoreStep = ({ id }: InstanceFacts) => `restore:${id}`;
const leadStep = ({ id }: InstanceFacts) => `lead:${id}`;
const followStep = ({ id }: InstanceFacts) => `follow:${id}`;

/** What is asked of a restore. What is left out is as in the backup. */
type WantedRestore = { backupId: string } & Pick<
  CreateClusterInput,
  'name' | 'instanceCount' | 'engineVersion' | 'size' | 'accessRules' | 'deletionProtection'
>;

/**
 * The rows of a cluster that is made of a backup. Throws why the backup cannot be restored so.
 * @param faults whether what is known to be wrong with its parts bars it; `LOOK_AGAIN`: it does not
 */
export async function createFromBackup(
  change: Change,
  context: CreationContext,
  input: WantedRestore,
  faults: 'BAR' | 'LOOK_AGAIN' = 'BAR',
): Promise<string> {
  const { tx } = change;
  const backup = await lockBackup(tx, input.backupId, context.projectId);
  const engine = context.engines[backup.engine] ?? null;
  const judged = faults === 'BAR' ? backup : withoutFaults(backup);
  const [blocker] = [
    ...restoreBlockers(judged, engine?.versions() ?? null),
    ...restoreRequestBlockers(backup, {
      instanceCount: input.instanceCount ?? null,
      engineVersion: input.engineVersion ?? null,
      size: input.size ?? null,
    }),
  ];
  if (blocker) throw blocker;
  const { id } = await insertCluster(
    change,
    context,
    { ...input, restoredFromId: backup.id },
    {
      engine: assertPresent(engine, 'engine'),
      version: backup.engineVersion,
      size: input.size ?? backup.size,
      count: backup.instanceCount,
    },
  );
  const primaryInstanceId = await insertInstances(change, context, { id, name: input.name, backup, engine, input });
  await tx.cluster.update({ where: { id }, data: { primaryInstanceId } });
  return id;
}

type NewCluster = {
  id: string;
  name: string;
  backup: BackupFacts;
  engine: Engine | null;
  input: { size?: InstanceSize | null | undefined };
};

/** One for each part. Answers which is to lead: the one whose part reaches furthest. */
async function insertInstances(
  { tx }: Change,
  { projectId, providerName }: CreationContext,
  { id: clusterId, name, backup, engine, input }: NewCluster,
): Promise<string> {
  const parts = backup.parts.map((part) => ({ ...part, endPosition: part.endPosition ?? '0/0' }));
  const furthest = assertPresent(engine, 'engine').furthest(parts);
  let leader = '';
  for (const [index, part] of parts.entries()) {
    const { id } = await tx.instance.create({
      data: {
        ...{ projectId, clusterId, name: `${name}-${index + 1}`, provider: providerName, restoredFromId: part.id },
        ...(input.size ?? backup.size),
      },
      select: { id: true },
    });
    if (part === furthest) leader = id;
  }
  return leader;
}

/** In the transaction of a retry. */
export async function reopenRestore({ tx }: Change, { cluster }: Facts): Promise<void> {
  const { id: clusterId } = cluster;
  await tx.instance.updateMany({ where: { clusterId, activity: 'FAILED' }, data: { activity: 'PENDING' } });
  await tx.cluster.update({ where: { id: clusterId }, data: { lifecycle: 'BUILDING' } });
}

/** The steps that make a group of new instances one cluster with the data of a backup. */
export function planRestore(cluster: ClusterFacts): PlannedStep[] {
  const { instances } = cluster;
  const leader = leaderOf(cluster);
  const each = (key: (instance: InstanceFacts) => string, verb: string, some = instances) =>
    some.map((instance) => ({ key: key(instance), name: `${verb} ${instance.name}`, instanceId: instance.id }));
  return [
    { key: partsStep, name: 'find the parts of the backup', instanceId: null },
    { key: networkStep, name: 'create the network', instanceId: null },
    ...instances.map(planProvision),
    ...each(restoreStep, 'restore'),
    ...each(leadStep, 'make the primary of', [leader]),
    ...each(followStep, 'join', othersOf(cluster)),
    planVerify,
  ];
}

const leaderOf = ({ instances, primaryInstanceId }: ClusterFacts): InstanceFacts =>
  assertPresent(
    instances.find(({ id }) => id === primaryInstanceId),
    'the instance that is to lead',
  );

const othersOf = ({ instances, primaryInstanceId }: ClusterFacts): InstanceFacts[] =>
  instances.filter(({ id }) => id !== primaryInstanceId);

export type Restored = {
  primaryInstanceId: string;
  /** Instances whose own part could not catch up, so that they were copied from the primary. */
  seededAgain: { instanceId: string; reason: string }[];
};

/** Each instance gets its own part's data, all in parallel; the furthest leads, the others follow it; verified. */
export async function restoreInstances(cluster: ClusterFacts, step: RunStep): Promise<Restored> {
  const leader = leaderOf(cluster);
  await step(partsStep, findParts);
  await step(networkStep, createNetwork);
  const restored = async (instance: InstanceFacts) => {
    await step(provisionStep(instance), (context) => provision(context, instance));
    await step(restoreStep(instance), (context) => restoreInstance(context, instance));
  };
  const led = restored(leader).then(() => step(leadStep(leader), (context) => lead(context, leader)));
  const followed = othersOf(cluster).map(async (instance) => {
    await Promise.all([led, restored(instance)]);
    const { reason } = await step(followStep(instance), (context) => follow(context, instance));
    return reason === null ? [] : [{ instanceId: instance.id, reason }];
  });
  const [seededAgain] = await Promise.all([Promise.all(followed), led]);
  await step(verifyStep, (context) => verifyCluster(context));
  return { primaryInstanceId: leader.id, seededAgain: seededAgain.flat() };
}

async function restoreInstance(context: StepContext, instance: InstanceFacts): Promise<null> {
  await context.setActivity([instance], 'RESTORING');
  const part = await partFor(context, instance);
  await noteFault(context, part.id, () =>
    context.engine.restore(context, placed(context, instance), storedPart(context, part)),
  );
  return null;
}

async function lead(context: StepContext, instance: InstanceFacts): Promise<null> {
  const part = await partFor(context, instance);
  await context.setActivity([instance], 'RESTORING');
  await noteFault(context, part.id, () =>
    context.engine.lead(context, placed(context, instance), storedPart(context, part)),
  );
  await becomeActive(context, instance);
  return null;
}

async function follow(context: StepContext, instance: InstanceFacts): Promise<{ reason: string | null }> {
  const part = await partFor(context, instance);
  await context.setActivity([instance], 'SYNCING');
  const reason = await noteFault(context, part.id, () =>
    context.engine.follow(context, placed(context, instance), storedPart(context, part)),
  );
  await becomeActive(context, instance);
  return { reason };
}

type Part = Pick<BackupPartFacts, 'id' | 'instanceName' | 'location' | 'bytes' | 'sha256'>;

async function partFor({ change }: StepContext, { id, name }: InstanceFacts): Promise<Part> {
  return await change(async ({ tx }) => {
    const { restoredFrom } = await tx.instance.findUniqueOrThrow({
      where: { id },
      select: { restoredFrom: true },
    });
    const { bytes, ...part } = assertPresent(restoredFrom, `the part of ${name}`);
    return { ...part, bytes: bytes === null ? null : Number(bytes) };
  });
}

function storedPart({ backups: { place } }: StepContext, { location, bytes, sha256, instanceName }: Part): StoredPart {
  const what = `the part of ${instanceName}`;
  return {
    store: place,
    key: assertPresent(location, what),
    bytes: assertPresent(bytes, what),
    sha256: assertPresent(sha256, what),
  };
}
