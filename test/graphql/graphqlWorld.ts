import { type ExecutionResult, execute, parse, subscribe, validate } from 'graphql';
import { expect } from 'vitest';
import { authenticate } from '#auth/authenticate.ts';
import { createApiKey } from '#auth/createApiKey.ts';
import type { Actor, Role } from '#domain/actor.ts';
import type { Observation } from '#domain/observation.ts';
import { createFeed, type Feed } from '#events/feed.ts';
import type { FeedOptions } from '#events/subscription.ts';
import type { Prisma } from '#generated/prisma/client.ts';
import { createContext } from '#graphql/context.ts';
import { type IdType, toGlobalId } from '#graphql/globalId.ts';
import { buildSchema } from '#graphql/schema.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import { createDatabase } from '#store/database.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';

export type Variables = Record<string, unknown>;
export type Answer = {
  // biome-ignore lint/suspicious/noExplicitAny: an answer has the shape of its document, and each test asserts it
  data?: any;
  errors?: { message: string; extensions: Record<string, unknown>; path?: unknown }[];
};

export type GraphqlWorld = {
  operations: TestOperations;
  feed: Feed;
  /** A project of its own with a key of this role. */
  createActor(role?: Role): Promise<Actor>;
  ask(actor: Actor | null, document: string, variables?: Variables): Promise<Answer>;
  /** As `ask`, and tells the SQL statements that it took. */
  count(actor: Actor, document: string, variables?: Variables): Promise<{ answer: Answer; statements: string[] }>;
  /** Over the world's feed, or the one given. */
  subscribe(actor: Actor | null, document: string, variables?: Variables, from?: Feed): Promise<Stream>;
  close(): Promise<void>;
};

const schema = buildSchema();

/** The API over a real store and a real feed; the machines are fake. */
export async function createGraphqlWorld(
  options: { working?: boolean; feed?: Partial<FeedOptions> } = {},
): Promise<GraphqlWorld> {
  const operations = await createTestOperations({ working: options.working ?? false });
  const { deps } = operations;
  // As in the product it looks through connections of its own: what it asks is not counted.
  const looks = createDatabase(operations.url, { poolSize: 2 });
  const feed = await createFeed({ ...deps, db: looks, options: options.feed ?? {} });
  const statements: string[] = [];
  deps.db.$on('query' as never, ((event: { query: string }) => statements.push(event.query)) as never);
  const argsOf = (actor: Actor | null, source: string, variables: Variables, from = feed) => {
    const document = parse(source);
    expect(validate(schema, document)).toEqual([]);
    return {
      schema,
      document,
      variableValues: variables,
      contextValue: createContext({ operations: deps, feed: from }, actor),
    };
  };
  const ask: GraphqlWorld['ask'] = async (actor, source, variables = {}) =>
    plain(await execute(argsOf(actor, source, variables)));
  return {
    operations,
    feed,
    async createActor(role = 'ADMIN') {
      const project = await deps.db.project.create({ data: { name: crypto.randomUUID() } });
      const maker: Actor = { kind: 'SYSTEM', projectId: project.id, name: 'test' };
      const { plain: key } = await createApiKey(deps, maker, { name: 'test key', role, expiresAt: null });
      return assertPresent(await authenticate(deps, key), 'actor');
    },
    ask,
    async count(actor, source, variables) {
      statements.length = 0;
      const answer = await ask(actor, source, variables);
      await deps.db.$queryRaw`SELECT 'the end'`;
      const ofThis = statements.filter((statement) => !/^(BEGIN|COMMIT|SELECT 'the end')/.test(statement));
      return { answer, statements: ofThis };
    },
    async subscribe(actor, source, variables = {}, from = feed) {
      const result = await subscribe(argsOf(actor, source, variables, from));
      return new Stream(Symbol.asyncIterator in result ? result : [result]);
    },
    async close() {
      await feed.close();
      await looks.$disconnect();
      await operations.close();
    },
  };
}

/** A subscription that is read by hand. */
export class Stream {
  readonly #results: AsyncIterator<ExecutionResult> | Iterator<ExecutionResult>;
  constructor(results: AsyncIterable<ExecutionResult> | Iterable<ExecutionResult>) {
    this.#results = Symbol.asyncIterator in results ? results[Symbol.asyncIterator]() : results[Symbol.iterator]();
  }

  /** The next answer. Null: the stream has ended. */
  async next(): Promise<Answer | null> {
    const result = await this.#results.next();
    return result.done ? null : plain(result.value);
  }

  async end(): Promise<void> {
    await this.#results.return?.();
  }
}

const plain = (result: unknown): Answer => JSON.parse(JSON.stringify(result)) as Answer;

type ClusterData = Partial<Omit<Prisma.ClusterUncheckedCreateInput, 'instances' | 'projectId'>>;

export const at = (seconds: number): Date => new Date(Date.UTC(2026, 0, 1) + seconds * 1000);

/** A cluster as an operation would have left it, with as many instances as told; the first is the primary. */
export async function insertCluster(
  { operations }: Pick<GraphqlWorld, 'operations'>,
  { projectId }: Actor,
  {
    instances = 0,
    observation,
    ...data
  }: ClusterData & { instances?: number; observation?: Partial<Observation> } = {},
): Promise<{ id: string; globalId: string; instanceIds: string[] }> {
  const { db } = operations.deps;
  const name = data.name ?? `c${crypto.randomUUID()}`;
  const size = { cpuMillis: 1000, memoryMiB: 512, storageGiB: 10 };
  const times = { createdAt: at(0), statusChangedAt: at(1), updatedAt: at(2) };
  const { id } = await db.cluster.create({
    data: {
      engine: 'fake',
      engineVersion: '2',
      provider: 'fake',
      lifecycle: 'LIVE',
      status: 'ACTIVE',
      instanceCount: instances,
      accessRules: [{ cidr: '127.0.0.0/8', description: 'This host' }],
      ...size,
      ...times,
      ...data,
      name,
      projectId,
    },
  });
  const instanceIds: string[] = [];
  for (let number = 1; number <= instances; number += 1) {
    const role = number === 1 ? 'PRIMARY' : 'REPLICA';
    const instance = await db.instance.create({
      data: {
        projectId,
        clusterId: id,
        name: `${name}-${number}`,
        ...size,
        provider: 'fake',
        activity: 'NONE',
        status: 'ACTIVE',
        statusChangedAt: at(1),
        createdAt: at(0),
        address: `10.0.0.${number}`,
        port: 5432,
        dnsName: `${name}-${number}.test`,
        role,
        observedAt: at(3),
        agentVersion: '0.1.0',
        observation: { ...serving, role, ...observation } as Prisma.InputJsonObject,
      },
    });
    instanceIds.push(instance.id);
  }
  await db.cluster.update({ where: { id }, data: { primaryInstanceId: instanceIds[0] ?? null, updatedAt: at(2) } });
  return { id, globalId: toGlobalId('Cluster', id), instanceIds };
}

const serving: Observation = {
  at: at(3).toISOString(),
  serving: true,
  reason: null,
  role: null,
  stopped: false,
  startedAt: at(1).toISOString(),
  connections: 3,
  storageUsedBytes: 40_000_000_000,
  replication: null,
  followerStates: [],
  lastPosition: null,
  engine: {},
};

/** An operation on a cluster; unfinished unless `finishedAt` is given. */
export async function insertOperation(
  { operations }: Pick<GraphqlWorld, 'operations'>,
  { projectId }: Actor,
  clusterId: string,
  data: Partial<Prisma.OperationUncheckedCreateInput> = {},
): Promise<{ id: string; globalId: string }> {
  const { id } = await operations.deps.db.operation.create({
    data: {
      projectId,
      clusterId,
      kind: 'CREATE_CLUSTER',
      status: 'RUNNING',
      input: {},
      clusterVersion: 1,
      inputHash: new Uint8Array(32),
      requestedBy: { kind: 'SYSTEM', projectId, name: 'test' },
      stepsTotal: 2,
      stepsDone: 1,
      createdAt: at(0),
      deadlineAt: at(600),
      ...data,
    },
  });
  return { id, globalId: toGlobalId('Operation', id) };
}

/** A completed backup of a cluster, with a part for each instance. */
export async function insertBackup(
  world: GraphqlWorld,
  actor: Actor,
  cluster: { id: string; instanceIds: string[] },
  data: Partial<Prisma.BackupUncheckedCreateInput> = {},
): Promise<{ id: string; globalId: string }> {
  const { projectId } = actor;
  const times = { createdAt: at(10), finishedAt: at(12), deadlineAt: at(600) };
  const operation = { kind: 'BACKUP_CLUSTER', status: 'SUCCEEDED', ...times } as const;
  const { id: operationId } = await insertOperation(world, actor, cluster.id, operation);
  const { id } = await world.operations.deps.db.backup.create({
    data: {
      ...{ projectId, clusterId: cluster.id, clusterName: 'orders', name: 'secret-backup', operationId },
      ...{ engine: 'fake', engineVersion: '2', cpuMillis: 1000, memoryMiB: 512, storageGiB: 10 },
      ...{ status: 'COMPLETED', statusChangedAt: at(12), createdAt: at(10), startedAt: at(11), finishedAt: at(12) },
      instanceCount: cluster.instanceIds.length,
      requestedBy: { kind: 'SYSTEM', projectId, name: 'test' },
      parts: {
        create: cluster.instanceIds.map((instanceId, index) => ({
          ...{ instanceId, instanceName: `orders-${index + 1}`, status: 'COMPLETED', location: `c/b/${index}` },
          ...{
            bytes: 1000n,
            dataBytes: 4000n,
            sha256: 'ab'.repeat(32),
            startPosition: '0/1',
            endPosition: '0/2',
            timeline: 1,
          },
        })),
      },
      ...data,
    },
  });
  return { id, globalId: toGlobalId('Backup', id) };
}

/** The same text for the same id or cursor of an answer, so that whole answers can be compared. */
export function normalised(answer: Answer, names: Record<string, string> = {}): unknown {
  const text = JSON.stringify(answer, null, 2);
  return JSON.parse(Object.entries(names).reduce((result, [value, name]) => result.replaceAll(value, name), text));
}

export const globalId = (type: IdType, id: string): string => toGlobalId(type, id);
