import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { type DomainError, EngineUnavailableError, NameTakenError } from '#domain/errors.ts';
import type { InstanceSize } from '#domain/facts.ts';
import { defaultInstanceSize } from '#domain/limits.ts';
import { instancesDemand } from '#domain/quota.ts';
import { equalSizes, instanceCountAllowed } from '#domain/topology.ts';
import type { Engine } from '#engines/engine.ts';
import type { Change } from '#events/transact.ts';
import { Prisma } from '#generated/prisma/client.ts';
import { minuteMs } from '#lib/time/durations.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import type { Transaction } from '#store/database.ts';
import { violatedConstraint } from '#store/violatedConstraint.ts';
import { buildCluster, planBuild } from './buildCluster.ts';
import {
  accessRulesSchema,
  backupPolicyOf,
  backupPolicySchema,
  countOrInstances,
  engineNameSchema,
  engineVersionSchema,
  failoverColumns,
  failoverSchema,
  instanceSizeSchema,
  nameSchema,
  newInstancesSchema,
} from './inputs.ts';
import { type NamedInstance, nameInstances } from './nameInstances.ts';
import { type CreationContext, defineOperation } from './operation.ts';
import { nobodyMayConnect, nobodyToWaitFor, singleInstance } from './warnings.ts';

const inputSchema = z
  .strictObject({
    name: nameSchema,
    engine: engineNameSchema,
    /** Null: the newest version that is available. */
    engineVersion: engineVersionSchema.nullish(),
    instanceCount: z.int().nullish(),
    /** Instead of `instanceCount`: an entry an instance. */
    instances: newInstancesSchema.nullish(),
    size: instanceSizeSchema.nullish(),
    accessRules: accessRulesSchema.nullish(),
    deletionProtection: z.boolean().nullish(),
    synchronous: z.boolean().nullish(),
    failover: failoverSchema.nullish(),
    backupPolicy: backupPolicySchema.nullish(),
  })
  .superRefine(countOrInstances('instanceCount'));

export type CreateClusterInput = z.infer<typeof inputSchema>;

/** Makes a cluster: its network, an instance with an agent for each one asked for, one body of data on them all. */
export const createCluster = defineOperation<CreateClusterInput>({
  kind: 'CREATE_CLUSTER',
  permission: 'cluster:create',
  input: inputSchema,
  deadlineMs: 30 * minuteMs,
  subject: { kind: 'NEW', blockers: creationBlockers, create },
  blockers: () => [],
  quota: ({ cluster }) => instancesDemand(cluster.instances),
  warnings: ({ cluster }) => [
    ...singleInstance(cluster),
    ...nobodyToWaitFor(cluster, cluster.synchronous),
    ...nobodyMayConnect(cluster, cluster.accessRules),
  ],
  reopen: async ({ tx }, { cluster }) => {
    await tx.instance.updateMany({
      where: { clusterId: cluster.id, activity: 'FAILED' },
      data: { activity: 'PENDING' },
    });
    await tx.cluster.update({ where: { id: cluster.id }, data: { lifecycle: 'BUILDING' } });
  },
  plan: ({ cluster }) => planBuild(cluster),
  run: ({ cluster, step }) => buildCluster(cluster, step),
  lifecycle: { onSuccess: 'LIVE', onFailure: 'FAILED' },
  pointOfNoReturn: null,
});

/** Where nobody said who may connect: this host only. */
const defaultAccessRules = [{ cidr: '127.0.0.0/8', description: 'This host' }];

async function creationBlockers(
  tx: Transaction,
  { projectId, engines }: CreationContext,
  input: CreateClusterInput,
): Promise<DomainError[]> {
  const { engine, blockers } = chooseEngine(engines, input);
  const where = { projectId, name: input.name, deletedAt: null };
  const taken = await tx.cluster.findFirst({ where, select: { id: true } });
  return [
    ...blockers,
    ...(engine ? topologyBlockers(engine, input) : []),
    ...(taken ? [new NameTakenError(input.name)] : []),
  ];
}

async function create(change: Change, context: CreationContext, input: CreateClusterInput): Promise<string> {
  const { engine, version } = chooseEngine(context.engines, input);
  const instances = wantedInstances(input);
  const { size } = assertPresent(instances[0], 'first instance');
  const { id } = await insertCluster(change, context, input, {
    engine: assertPresent(engine, 'engine'),
    version: assertPresent(version, 'version'),
    size,
    count: instances.length,
  });
  await change.tx.instance.createMany({
    data: instances.map((instance) => ({
      projectId: context.projectId,
      clusterId: id,
      name: instance.name,
      ...instance.size,
      provider: context.providerName,
    })),
  });
  return id;
}

type Choice = { engine: Engine | null; version: string | null; blockers: EngineUnavailableError[] };

function chooseEngine(
  engines: Readonly<Record<string, Engine>>,
  { engine: name, engineVersion }: CreateClusterInput,
): Choice {
  const engine = Object.hasOwn(engines, name) ? engines[name] : undefined;
  if (!engine) {
    const reason = `the engines are ${Object.keys(engines).join(', ')}.`;
    return { engine: null, version: null, blockers: [new EngineUnavailableError(name, null, reason)] };
  }
  const known = engine.versions();
  const wanted = engineVersion ?? known.find(({ available }) => available)?.version ?? known[0]?.version ?? '';
  const found = known.find(({ version }) => version === wanted);
  if (!found) {
    const reason = `the known versions are ${known.map(({ version }) => version).join(', ')}.`;
    return { engine, version: null, blockers: [new EngineUnavailableError(name, wanted, reason)] };
  }
  const { version, available, unavailableReason } = found;
  if (available) return { engine, version, blockers: [] };
  const unavailable = new EngineUnavailableError(name, wanted, unavailableReason ?? 'it was not found.');
  return { engine, version, blockers: [unavailable] };
}

function topologyBlockers(engine: Engine, input: CreateClusterInput): DomainError[] {
  const miscount = instanceCountAllowed(engine, wantedCount(input));
  return miscount.length > 0 ? miscount : equalSizes(engine, wantedInstances(input));
}

/** How many instances are asked for, one way or the other. */
const wantedCount = ({ instanceCount, instances }: CreateClusterInput): number =>
  instances?.length ?? instanceCount ?? 0;

function wantedInstances({ name: cluster, instanceCount, instances, size }: CreateClusterInput): NamedInstance[] {
  const wanted = instances ?? Array.from({ length: instanceCount ?? 0 }, () => ({}));
  return nameInstances(wanted, { cluster, taken: [], size: size ?? defaultInstanceSize });
}

type NewCluster = Pick<
  CreateClusterInput,
  'name' | 'accessRules' | 'deletionProtection' | 'synchronous' | 'failover' | 'backupPolicy'
> & { restoredFromId?: string };

/** The row of a new cluster, with secrets of its own. */
export async function insertCluster(
  { tx }: Change,
  { projectId, providerName, secrets }: CreationContext,
  input: NewCluster,
  { engine, version, size, count }: { engine: Engine; version: string; size: InstanceSize; count: number },
): Promise<{ id: string }> {
  const data = {
    ...{
      projectId,
      engine: engine.name,
      engineVersion: version,
      provider: providerName,
      instanceCount: count,
      ...size,
    },
    ...wantedColumns(input),
    secrets: { create: engine.secretNames.map((name) => newSecret(secrets, name)) },
  };
  try {
    return await tx.cluster.create({ data, select: { id: true } });
  } catch (error) {
    if (violatedConstraint(error) === 'cluster_name_taken') throw new NameTakenError(input.name);
    throw error;
  }
}

function wantedColumns(input: NewCluster) {
  return {
    name: input.name,
    accessRules: input.accessRules ?? defaultAccessRules,
    deletionProtection: input.deletionProtection ?? false,
    synchronous: input.synchronous ?? false,
    ...failoverColumns(input.failover),
    restoredFromId: input.restoredFromId ?? null,
    ...(input.backupPolicy ? { backupPolicy: backupPolicyOf(input.backupPolicy) ?? Prisma.DbNull } : {}),
  };
}

function newSecret(secrets: CreationContext['secrets'], name: string) {
  return { name, keyId: secrets.keyId, ciphertext: secrets.seal(randomBytes(24).toString('base64url')) };
}
