import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AcceptOptions, accept } from '#operations/accept.ts';
import { type CreateClusterInput, createCluster } from '#operations/createCluster.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';

const once: AcceptOptions = { idempotencyKey: null, expectedVersion: null };
const orders = { name: 'orders', engine: 'fake', instanceCount: 3 };

let grove: TestOperations;
beforeAll(async () => {
  grove = await createTestOperations();
});
afterAll(() => grove.close());

const create = async (actor: Awaited<ReturnType<TestOperations['createActor']>>, input: object, options = once) =>
  accept(grove.deps, actor, createCluster, input, options);

describe('createCluster', () => {
  test('builds the cluster step by step, each transition an event, in dense order', async () => {
    const actor = await grove.createActor();
    const { clusterId, operationId } = await create(actor, orders);
    const operation = await grove.ended(operationId);
    expect(operation).toMatchObject({
      status: 'SUCCEEDED',
      error: null,
      stepsDone: 8,
      stepsTotal: 8,
      waitingFor: null,
    });
    const cluster = await grove.deps.db.cluster.findUniqueOrThrow({
      where: { id: clusterId },
      include: { instances: { orderBy: { name: 'asc' } } },
    });
    expect(cluster).toMatchObject({ status: 'ACTIVE', healthLevel: 'HEALTHY', version: 1 });
    expect(cluster.instances.map(({ name, status, role }) => ({ name, status, role }))).toEqual([
      { name: 'orders-1', status: 'ACTIVE', role: 'PRIMARY' },
      { name: 'orders-2', status: 'ACTIVE', role: 'REPLICA' },
      { name: 'orders-3', status: 'ACTIVE', role: 'REPLICA' },
    ]);
    const events = await grove.deps.db.event.findMany({
      where: { projectId: actor.projectId },
      orderBy: { seq: 'asc' },
    });
    expect(events.map(({ seq }) => Number(seq))).toEqual(events.map((_, index) => index + 1));
    const ofCluster = events.filter(({ type }) => type === 'CLUSTER_STATUS_CHANGED');
    expect(ofCluster.map(({ fromStatus, toStatus }) => `${fromStatus ?? ''}→${toStatus}`)).toEqual([
      '→BUILDING',
      'BUILDING→ACTIVE',
    ]);
    const ofFirst = events.filter(
      ({ type, instanceId }) => type === 'INSTANCE_STATUS_CHANGED' && instanceId === cluster.instances[1]?.id,
    );
    expect(ofFirst.map(({ fromStatus, toStatus }) => `${fromStatus ?? ''}→${toStatus}`)).toEqual([
      '→PENDING',
      'PENDING→PROVISIONING',
      'PROVISIONING→SYNCING',
      'SYNCING→ACTIVE',
    ]);
  });

  test.each([
    ['too many instances', { ...orders, instanceCount: 17 }, { code: 'TOPOLOGY', rule: 'INSTANCE_COUNT', maximum: 16 }],
    ['no instance', { ...orders, instanceCount: 0 }, { code: 'TOPOLOGY', rule: 'INSTANCE_COUNT', minimum: 1 }],
    ['an unknown engine', { ...orders, engine: 'oracle' }, { code: 'ENGINE_UNAVAILABLE' }],
    [
      'an engine named like a property of objects',
      { ...orders, engine: 'constructor' },
      { code: 'ENGINE_UNAVAILABLE' },
    ],
    ['an unknown version', { ...orders, engineVersion: '9' }, { code: 'ENGINE_UNAVAILABLE' }],
    [
      'a version that is not here',
      { ...orders, engineVersion: '1' },
      { code: 'ENGINE_UNAVAILABLE', reason: 'Install it.' },
    ],
    ['a bad name', { ...orders, name: '-x' }, { code: 'INVALID_INPUT', fields: [{ path: 'name' }] }],
    [
      'a bad network',
      { ...orders, accessRules: [{ cidr: '10.0.0.0/33' }] },
      { code: 'INVALID_INPUT', fields: [{ path: 'accessRules.0.cidr' }] },
    ],
    [
      'unequal sizes',
      {
        name: 'orders',
        engine: 'fake',
        instances: [
          { size: { cpuMillis: 1000, memoryMiB: 512, storageGiB: 1 } },
          { size: { cpuMillis: 2000, memoryMiB: 512, storageGiB: 1 } },
        ],
      },
      { code: 'TOPOLOGY', rule: 'EQUAL_SIZES' },
    ],
    [
      'two instances of one name',
      { name: 'orders', engine: 'fake', instances: [{ name: 'a' }, { name: 'a' }] },
      { code: 'INVALID_INPUT' },
    ],
    ['neither count nor instances', { name: 'orders', engine: 'fake' }, { code: 'INVALID_INPUT' }],
  ])('refuses %s and leaves nothing behind', async (_what, input, error) => {
    const actor = await grove.createActor();
    const calls = grove.machines.calls.length;
    await expect(create(actor, input)).rejects.toMatchObject(error);
    const where = { projectId: actor.projectId };
    const { db } = grove.deps;
    expect([
      await db.cluster.count({ where }),
      await db.instance.count({ where }),
      await db.operation.count({ where }),
    ]).toEqual([0, 0, 0]);
    expect(await db.project.findUniqueOrThrow({ where: { id: actor.projectId } })).toMatchObject({ eventSeq: 0n });
    expect(grove.machines.calls.length).toBe(calls);
  });

  test('gives a name to one of several that ask for it at once', async () => {
    const actor = await grove.createActor();
    const tries = await Promise.allSettled(Array.from({ length: 5 }, () => create(actor, orders)));
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const failed of tries) {
      if (failed.status === 'rejected')
        expect(failed.reason).toMatchObject({ code: 'NAME_TAKEN', takenName: 'orders' });
    }
    expect(await grove.deps.db.cluster.count({ where: { projectId: actor.projectId } })).toBe(1);
  });

  test('answers the same request with the same key from its record, at once too, and refuses another with it', async () => {
    const actor = await grove.createActor();
    const options = { ...once, idempotencyKey: 'first' };
    const [one, two] = await Promise.all([create(actor, orders, options), create(actor, orders, options)]);
    expect(two).toEqual(one);
    expect(await create(actor, orders, options)).toEqual(one);
    await expect(create(actor, { ...orders, name: 'other' }, options)).rejects.toMatchObject({
      code: 'IDEMPOTENCY_CONFLICT',
    });
  });

  test('needs an OPERATOR', async () => {
    await expect(create(await grove.createActor('VIEWER'), orders)).rejects.toMatchObject({
      code: 'FORBIDDEN',
      requiredRole: 'OPERATOR',
    });
  });
});

describe('what speaks against a creation', () => {
  const small = { cpuMillis: 1000, memoryMiB: 512, storageGiB: 10 };
  const large = { ...small, memoryMiB: 1024 };
  const sizes = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.integer({ min: 0, max: 18 }).map((count) => Array.from({ length: count }, () => small)),
    },
    fc.array(fc.constantFrom(small, large), { minLength: 1, maxLength: 18 }),
  );
  const anyInput = fc.record({
    name: fc.constantFrom('taken', 'free', 'once-taken', 'of-another'),
    engine: fc.constantFrom('fake', 'fake', 'fake', 'toString'),
    engineVersion: fc.constantFrom(null, '2', '1', '9'),
    instances: sizes.map((all) => all.map((size) => ({ size }))),
  });

  test('is all of it, and nothing else: an engine or version that is not there, their number and sizes, their name', async () => {
    const { deps } = grove;
    const actor = await grove.createActor();
    const create = async (asking: typeof actor, name: string) =>
      (await accept(deps, asking, createCluster, { name, engine: 'fake', instanceCount: 1 }, once)).clusterId;
    await create(actor, 'taken');
    await create(await grove.createActor(), 'of-another');
    const gone = await create(actor, 'once-taken');
    await deps.db.cluster.update({ where: { id: gone }, data: { lifecycle: 'DELETED', deletedAt: new Date() } });
    const context = { projectId: actor.projectId, engines: deps.engines, providerName: 'fake', secrets: deps.secrets };
    const { subject } = createCluster;
    if (subject.kind !== 'NEW') throw new Error('createCluster makes a new cluster');
    const codesOf = async (input: CreateClusterInput) =>
      (await deps.db.$transaction(async (tx) => subject.blockers?.(tx, context, input)))?.map(({ code }) => code);
    await fc.assert(
      fc.asyncProperty(anyInput, async (input) => {
        const { name, engine, engineVersion, instances } = input;
        const isKnown = engine === 'fake';
        const isThere = isKnown && (engineVersion === null || engineVersion === '2');
        const fits =
          instances.length >= 1 && instances.length <= 16 && new Set(instances.map(({ size }) => size)).size === 1;
        expect(await codesOf(input)).toEqual([
          ...(isThere ? [] : ['ENGINE_UNAVAILABLE']),
          ...(isKnown && !fits ? ['TOPOLOGY'] : []),
          ...(name === 'taken' ? ['NAME_TAKEN'] : []),
        ]);
      }),
    );
  });
});
