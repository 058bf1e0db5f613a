import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { EngineUnavailableError, InvalidInputError, NameTakenError } from '#domain/errors.ts';
import type { InstanceSize } from '#domain/facts.ts';
import { defaultInstanceSize } from '#domain/limits.ts';
import { equalSizes, instanceCountAllowed } from '#domain/topology.ts';
import type { Engine } from '#engines/engine.ts';
import type { Change } from '#events/transact.ts';
import { Prisma } from '#generated/prisma/client.ts';
import { assertPresent } from '#lib/assertPresent.ts';
import { violatedConstraint } from '#store/violatedConstraint.ts';
import { buildCluster, planBuild } from './buildCluster.ts';
import {
  accessRulesSchema,
  backupPolicyOf,
  backupPolicySchema,
  instanceNameSchema,
  instanceSizeSchema,
  nameSchema,
} from './inputs.ts';
import { type CreationContext, defineOperation } from './operation.ts';

const minuteMs = 60_000;

const inputSchema = z.strictObject({
  name: nameSchema,
  engine: z.string().min(1, 'must name an engine'),
  /** Null: the newest version that is available. */
  engineVersion: z.string().nullish(),
  instanceCount: z.int().nullish(),
  /** Instead of `instanceCount`: an entry an instance. */
  instances: z
    .array(z.strictObject({ name: instanceNameSchema.nullish(), size: instanceSizeSchema.nullish() }))
    .nullish(),
  size: instanceSizeSchema.nullish(),
  accessRules: accessRulesSchema.nullish(),
  deletionProtection: z.boolean().nullish(),
  backupPolicy: backupPolicySchema.nullish(),
});

export type CreateClusterInput = z.infer<typeof inputSchema>;

/** Makes a cluster: its network, an instance with an agent for each one asked for, one body of data on them all. */
export const createCluster = defineOperation<CreateClusterInput>({
  kind: 'CREATE_CLUSTER',
  permission: 'cluster:create',
  input: inputSchema,
  deadlineMs: 30 * minuteMs,
  subject: { kind: 'NEW', create },
  blockers: () => [],
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

async function create(change: Change, context: CreationContext, input: CreateClusterInput): Promise<string> {
  const { engine, version } = chooseEngine(context.engines, input);
  const [miscount] = instanceCountAllowed(engine, wantedCount(input));
  if (miscount) throw miscount;
  const instances = wantedInstances(input);
  const [fault] = equalSizes(engine, instances);
  if (fault) throw fault;
  const { size } = assertPresent(instances[0], 'first instance');
  const { id } = await insertCluster(change, context, input, { engine, version, size, count: instances.length });
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

function chooseEngine(
  engines: Readonly<Record<string, Engine>>,
  { engine: name, engineVersion }: CreateClusterInput,
): { engine: Engine; version: string } {
  const engine = Object.hasOwn(engines, name) ? engines[name] : undefined;
  if (!engine) {
    throw new EngineUnavailableError(name, null, `the engines are ${Object.keys(engines).join(', ')}.`);
  }
  const known = engine.versions();
  const wanted = engineVersion ?? known.find(({ available }) => available)?.version ?? known[0]?.version ?? '';
  const found = known.find(({ version }) => version === wanted);
  if (!found) {
    const versions = known.map(({ version }) => version).join(', ');
    throw new EngineUnavailableError(name, wanted, `the known versions are ${versions}.`);
  }
  if (!found.available) throw new EngineUnavailableError(name, wanted, found.unavailableReason ?? 'it was not found.');
  return { engine, version: found.version };
}

type WantedInstance = { name: string; size: InstanceSize };

/** How many instances are asked for, one way or the other. */
function wantedCount({ instanceCount, instances }: CreateClusterInput): number {
  const counts = [instanceCount ?? [], instances?.length ?? []].flat();
  const [count] = counts;
  if (count !== undefined && counts.length === 1) return count;
  throw new InvalidInputError([{ path: 'instanceCount', message: 'must be given, or instances instead of it' }]);
}

/** The instances asked for, each with a name: its own, or the first free one of `<cluster>-1`, `<cluster>-2`, … */
function wantedInstances({ name, instanceCount, instances, size }: CreateClusterInput): WantedInstance[] {
  const anonymous: { name?: string; size?: InstanceSize }[] = Array.from({ length: instanceCount ?? 0 }, () => ({}));
  const wanted = instances ?? anonymous;
  const taken = new Set(wanted.flatMap((instance) => instance.name ?? []));
  const named = wanted.filter((instance) => instance.name);
  if (taken.size !== named.length) {
    throw new InvalidInputError([{ path: 'instances', message: 'Two instances have the same name.' }]);
  }
  let number = 0;
  const nextName = (): string => {
    do number += 1;
    while (taken.has(`${name}-${number}`));
    return `${name}-${number}`;
  };
  return wanted.map((instance) => ({
    name: instance.name ?? nextName(),
    size: instance.size ?? size ?? defaultInstanceSize,
  }));
}

/** The row of a new cluster, with secrets of its own. */
export async function insertCluster(
  { tx }: Change,
  { projectId, providerName, secrets }: CreationContext,
  input: Pick<CreateClusterInput, 'name' | 'accessRules' | 'deletionProtection' | 'backupPolicy'> & {
    restoredFromId?: string;
  },
  { engine, version, size, count }: { engine: Engine; version: string; size: InstanceSize; count: number },
): Promise<{ id: string }> {
  try {
    return await tx.cluster.create({
      data: {
        projectId,
        name: input.name,
        engine: engine.name,
        engineVersion: version,
        provider: providerName,
        instanceCount: count,
        ...size,
        accessRules: input.accessRules ?? defaultAccessRules,
        deletionProtection: input.deletionProtection ?? false,
        restoredFromId: input.restoredFromId ?? null,
        ...(input.backupPolicy ? { backupPolicy: backupPolicyOf(input.backupPolicy) ?? Prisma.DbNull } : {}),
        secrets: {
          create: engine.secretNames.map((name) => ({
            name,
            keyId: secrets.keyId,
            ciphertext: secrets.seal(randomBytes(24).toString('base64url')),
          })),
        },
      },
      select: { id: true },
    });
  } catch (error) {
    if (violatedConstraint(error) === 'cluster_name_taken') throw new NameTakenError(input.name);
    throw error;
  }
}
