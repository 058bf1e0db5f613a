import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DomainError } from '#domain/errors.ts';
import type { ClusterFacts } from '#domain/facts.ts';
import { StepFailure } from '#domain/stepFailure.ts';
import type { OperationKind } from '#generated/prisma/enums.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import { type AcceptOptions, accept } from '#operations/accept.ts';
import { allowedActions } from '#operations/allowedActions.ts';
import { loadOneClusterFacts } from '#operations/clusterFacts.ts';
import { createCluster } from '#operations/createCluster.ts';
import { clusterActions, definitionOf } from '#operations/definitions.ts';
import { deleteCluster } from '#operations/deleteCluster.ts';
import { dropInstances } from '#operations/dropInstances.ts';
import type { OperationDefinition } from '#operations/operation.ts';
import { planOperation } from '#operations/planOperation.ts';
import { promoteInstance } from '#operations/promoteInstance.ts';
import { runOperation } from '#operations/runOperation.ts';
import { settleCluster } from '#operations/settleCluster.ts';
import { updateCluster } from '#operations/updateCluster.ts';
import { updateProject } from '#operations/updateProject.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';
import { storeDigest } from '../support/storeDigest.ts';

const once: AcceptOptions = { idempotencyKey: null, expectedVersion: null };
const orders = { name: 'orders', engine: 'fake', instanceCount: 2 };
const never = new AbortController().signal;

let grove: TestOperations;
beforeAll(async () => {
  grove = await createTestOperations({ working: false });
});
afterAll(() => grove.close());

type Actor = Awaited<ReturnType<TestOperations['createActor']>>;

/** A dry run, after which the store must be as it was, and of which nobody must have heard. */
async function plan<Input>(
  actor: Actor,
  definition: OperationDefinition<Input>,
  input: object,
  options: AcceptOptions = once,
) {
  const before = await storeDigest(grove.deps.db);
  let heard = 0;
  const unsubscribe = grove.deps.bus.subscribe(`events:${actor.projectId}`, () => {
    heard += 1;
  });
  try {
    return await planOperation(grove.deps, actor, definition, input, options);
  } finally {
    expect(await storeDigest(grove.deps.db)).toEqual(before);
    expect(heard).toBe(0);
    unsubscribe();
  }
}

async function builtCluster(input: object = {}): Promise<{ actor: Actor; clusterId: string }> {
  const actor = await grove.createActor();
  const { clusterId, operationId } = await accept(grove.deps, actor, createCluster, { ...orders, ...input }, once);
  await runOperation(grove.deps, operationId, never);
  return { actor, clusterId };
}

const stepNames = async (operationId: string) =>
  (await grove.deps.db.operationStep.findMany({ where: { operationId }, orderBy: { position: 'asc' } })).map(
    ({ name }) => name,
  );

const codesOf = (blockers: readonly DomainError[]) => blockers.map(({ code }) => code);

/** The throw-away cluster of a verification has another name each time. */
const unnamed = (step: string) => step.replace(/verify-[0-9a-f]{16}/, 'verify');

type InputOf = (clusterId: string) => object | Promise<object>;

async function idOf(clusterId: string, name: string): Promise<string> {
  return (await grove.deps.db.instance.findFirstOrThrow({ where: { clusterId, name, removedAt: null } })).id;
}

const backupOf = async (clusterId: string) =>
  (await grove.deps.db.backup.findFirstOrThrow({ where: { clusterId } })).id;

/** One that is gone from its group, as a primary that was fenced off. */
async function strayOf(clusterId: string): Promise<string> {
  const id = await idOf(clusterId, 'orders-3');
  await grove.machines.observe(id, { serving: false, stopped: true, role: 'PRIMARY' });
  await settleCluster(grove.deps, clusterId);
  return id;
}

/** What a cluster of two is asked for, one after the other, until it is gone. A kind that is forgotten is a type error. */
const inputsOfEachKind = {
  CREATE_CLUSTER: [() => ({ ...orders, name: 'others' })],
  UPDATE_CLUSTER: [
    (clusterId) => ({ clusterId, accessRules: [{ cidr: '10.0.0.0/8' }] }),
    (clusterId) => ({ clusterId, synchronous: true, accessRules: [] }),
    (clusterId) => ({ clusterId, deletionProtection: false, synchronous: false }),
  ],
  ADD_INSTANCES: [(clusterId) => ({ clusterId, count: 2 })],
  RESTART_CLUSTER: [(clusterId) => ({ clusterId }), (clusterId) => ({ clusterId, strategy: 'ALL_AT_ONCE' })],
  PROMOTE_INSTANCE: [
    (clusterId) => ({ clusterId, mode: 'PLANNED' }),
    async (clusterId) => {
      await grove.machines.observe(await idOf(clusterId, 'orders-2'), { serving: false, role: 'PRIMARY' });
      await settleCluster(grove.deps, clusterId);
      return { clusterId, mode: 'FAILOVER', instanceId: await idOf(clusterId, 'orders-1') };
    },
  ],
  REJOIN_INSTANCE: [async (clusterId) => ({ clusterId, instanceId: await strayOf(clusterId) })],
  DROP_INSTANCES: [
    async (clusterId) => ({
      clusterId,
      instanceIds: [await idOf(clusterId, 'orders-3'), await idOf(clusterId, 'orders-4')],
    }),
  ],
  BACKUP_CLUSTER: [(clusterId) => ({ clusterId, name: 'nightly' })],
  RESTORE_CLUSTER: [async (clusterId) => ({ name: 'copy', backupId: await backupOf(clusterId) })],
  VERIFY_BACKUP: [async (clusterId) => ({ backupId: await backupOf(clusterId) })],
  DELETE_BACKUP: [async (clusterId) => ({ clusterId, backupId: await backupOf(clusterId) })],
  DELETE_CLUSTER: [(clusterId) => ({ clusterId })],
} satisfies Record<OperationKind, readonly InputOf[]>;

describe('a dry run', () => {
  test('of a creation tells its steps by name, its warnings and what it takes', async () => {
    const actor = await grove.createActor();
    expect(await plan(actor, createCluster, { ...orders, instanceCount: 1, accessRules: [] })).toEqual({
      kind: 'CREATE_CLUSTER',
      steps: [
        { name: 'create the network', instanceName: null },
        { name: 'provision orders-1', instanceName: 'orders-1' },
        { name: 'bootstrap orders-1', instanceName: 'orders-1' },
        { name: 'verify the cluster', instanceName: null },
      ],
      blockers: [],
      warnings: [
        expect.objectContaining({ code: 'NO_FAILOVER_TARGET' }),
        expect.objectContaining({ code: 'NOBODY_MAY_CONNECT' }),
      ],
      quota: [
        { resource: 'INSTANCES', used: 0, reserved: 0, limit: 1000, change: 1 },
        { resource: 'STORAGE_GIB', used: 0, reserved: 0, limit: 100_000, change: 10 },
      ],
    });
  });

  test('has the steps of the operation that is accepted then, of every kind', async () => {
    const actor = await grove.createActor();
    const planned = await plan(actor, createCluster, orders);
    const created = await accept(grove.deps, actor, createCluster, orders, once);
    expect(await stepNames(created.operationId)).toEqual(planned.steps.map(({ name }) => name));
    await runOperation(grove.deps, created.operationId, never);
    const { clusterId } = created;
    for (const [kind, inputs] of Object.entries(inputsOfEachKind) as [OperationKind, readonly InputOf[]][]) {
      for (const inputOf of inputs) {
        const input = { ...(await inputOf(clusterId)) };
        const { steps, blockers } = await plan(actor, definitionOf(kind), input);
        expect(blockers).toEqual([]);
        const { operationId } = await accept(grove.deps, actor, definitionOf(kind), input, once);
        expect((await stepNames(operationId)).map(unnamed)).toEqual(steps.map(({ name }) => unnamed(name)));
        await runOperation(grove.deps, operationId, never);
        const { status, error } = await grove.deps.db.operation.findUniqueOrThrow({ where: { id: operationId } });
        expect({ kind, status, error }).toEqual({ kind, status: 'SUCCEEDED', error: null });
      }
    }
  }, 120_000);

  test('of a change tells whom it shuts out', async () => {
    const { actor, clusterId } = await builtCluster();
    const warningsOf = async (accessRules: object[]) =>
      (await plan(actor, updateCluster, { clusterId, accessRules })).warnings.map(({ code }) => code);
    expect(await warningsOf([])).toEqual(['NOBODY_MAY_CONNECT', 'SESSIONS_END']);
    expect(await warningsOf([{ cidr: '10.0.0.0/8' }])).toEqual(['SESSIONS_END']);
    expect(await warningsOf([{ cidr: '127.0.0.0/8' }, { cidr: '10.0.0.0/8' }])).toEqual([]);
  });

  test('of a deletion tells that the data goes, and what comes free', async () => {
    const { actor, clusterId } = await builtCluster();
    const { steps, warnings, quota } = await plan(actor, deleteCluster, { clusterId });
    expect(steps.map(({ name }) => name)).toEqual(['remove orders-1', 'remove orders-2', 'remove the network']);
    expect(warnings).toEqual([expect.objectContaining({ code: 'DATA_LOSS' })]);
    expect(quota).toMatchObject([
      { resource: 'INSTANCES', used: 2, change: -2 },
      { resource: 'STORAGE_GIB', used: 20, change: -20 },
    ]);
  });

  test('tells all that blocks, not only the first, and then has no steps', async () => {
    const { actor, clusterId } = await builtCluster();
    await accept(grove.deps, actor, updateCluster, { clusterId, deletionProtection: true }, once);
    await accept(grove.deps, actor, updateCluster, { clusterId, accessRules: [] }, once);
    const { steps, blockers } = await plan(actor, deleteCluster, { clusterId }, { ...once, expectedVersion: 1 });
    expect(codesOf(blockers)).toEqual(['STALE_VERSION', 'CLUSTER_BUSY', 'DELETION_PROTECTED']);
    expect(steps).toEqual([]);
    const creation = await plan(actor, createCluster, { ...orders, engineVersion: '1', instanceCount: 17 });
    expect(codesOf(creation.blockers)).toEqual(['ENGINE_UNAVAILABLE', 'TOPOLOGY', 'NAME_TAKEN']);
  });

  test('tells once what stands against the cluster and against the input alike', async () => {
    const { actor, clusterId } = await builtCluster({ instanceCount: 1 });
    const [only] = await grove.deps.db.instance.findMany({ where: { clusterId } });
    const drop = await plan(actor, dropInstances, { clusterId, instanceIds: [only?.id] });
    expect(codesOf(drop.blockers)).toEqual(['MINIMUM_INSTANCES', 'PRIMARY_NOT_DROPPABLE']);
    const promotion = await plan(actor, promoteInstance, { clusterId, mode: 'PLANNED' });
    expect(codesOf(promotion.blockers)).toEqual(['INSTANCE_NOT_PROMOTABLE']);
  });

  test('of a promotion tells what it may cost, and what was accepted for nothing', async () => {
    const { actor, clusterId } = await builtCluster();
    const warningsOf = async (input: object) =>
      (await plan(actor, promoteInstance, { clusterId, ...input })).warnings.map(({ code }) => code);
    expect(await warningsOf({ mode: 'PLANNED' })).toEqual([]);
    expect(await warningsOf({ mode: 'PLANNED', acceptDataLoss: true })).toEqual(['NO_EFFECT']);
    expect(await warningsOf({ mode: 'FAILOVER' })).toEqual(['WRITES_MAY_BE_LOST']);
    expect(await warningsOf({ mode: 'FAILOVER', acceptDataLoss: true })).toEqual(['WRITES_MAY_BE_LOST']);
    await grove.deps.db.cluster.update({ where: { id: clusterId }, data: { synchronous: true } });
    expect(await warningsOf({ mode: 'FAILOVER' })).toEqual([]);
    await grove.deps.db.instance.updateMany({
      where: { clusterId, name: 'orders-2' },
      data: { agentLostAt: new Date() },
    });
    expect(await warningsOf({ mode: 'FAILOVER', acceptDataLoss: true })).toEqual(['WRITES_MAY_BE_LOST']);
  });

  test('tells that a cluster without a replica is synchronous in name only', async () => {
    const actor = await grove.createActor();
    const alone = { ...orders, instanceCount: 1, synchronous: true };
    const told = async (input: object) => (await plan(actor, createCluster, input)).warnings.map(({ code }) => code);
    expect(await told(alone)).toEqual(['NO_FAILOVER_TARGET', 'NO_EFFECT']);
    expect(await told({ ...alone, instanceCount: 2 })).toEqual([]);
    const one = await builtCluster({ instanceCount: 1 });
    const { warnings } = await plan(one.actor, updateCluster, { clusterId: one.clusterId, synchronous: true });
    expect(warnings).toEqual([
      {
        code: 'NO_EFFECT',
        message: 'Cluster "orders" has no replica: with synchronous its commits wait for nobody until it has one.',
      },
    ]);
  });

  test('tells that a cluster is synchronous already, and then nothing is done', async () => {
    const { actor, clusterId } = await builtCluster();
    await grove.deps.db.cluster.update({ where: { id: clusterId }, data: { synchronous: true } });
    const asked = { clusterId, synchronous: true };
    expect(await plan(actor, updateCluster, asked)).toMatchObject({ steps: [], warnings: [{ code: 'NO_EFFECT' }] });
    const { operationId } = await accept(grove.deps, actor, updateCluster, asked, once);
    const where = { id: operationId };
    expect(await grove.deps.db.operation.findUnique({ where })).toMatchObject({ status: 'SUCCEEDED', stepsTotal: 0 });
    const off = await plan(actor, updateCluster, { clusterId, synchronous: false });
    expect(off).toMatchObject({ steps: [{ name: 'tell the primary what commits wait for' }], warnings: [] });
  });

  test('of more than the project may have names each resource', async () => {
    const actor = await grove.createActor();
    await updateProject(grove.deps, actor, { quota: { instances: 1, storageGiB: 15 } });
    const { blockers, quota } = await plan(actor, createCluster, orders);
    expect(blockers.map((error) => ({ ...error }))).toEqual([
      { code: 'QUOTA_EXCEEDED', resource: 'INSTANCES', limit: 1, used: 0, requested: 2 },
      { code: 'QUOTA_EXCEEDED', resource: 'STORAGE_GIB', limit: 15, used: 0, requested: 20 },
    ]);
    expect(quota.map(({ change }) => change)).toEqual([2, 20]);
  });

  test('neither uses an idempotency key nor overlooks one', async () => {
    const actor = await grove.createActor();
    const options = { ...once, idempotencyKey: 'k1' };
    expect((await plan(actor, createCluster, orders, options)).blockers).toEqual([]);
    await accept(grove.deps, actor, createCluster, orders, options);
    expect(await plan(actor, createCluster, orders, options)).toMatchObject({
      steps: [],
      blockers: [],
      warnings: [{ code: 'ALREADY_ACCEPTED' }],
    });
    const other = await plan(actor, createCluster, { ...orders, name: 'other' }, options);
    expect(codesOf(other.blockers)).toEqual(['IDEMPOTENCY_CONFLICT']);
  });

  test('is refused as the change itself: to a role that may not, for faulty input, of what is not there', async () => {
    const { actor, clusterId } = await builtCluster();
    const viewer: Actor = { ...actor, role: 'VIEWER' };
    const operator: Actor = { ...actor, role: 'OPERATOR' };
    const forbidden = { code: 'FORBIDDEN' };
    await expect(plan(viewer, createCluster, orders)).rejects.toMatchObject(forbidden);
    await expect(plan(viewer, deleteCluster, { clusterId })).rejects.toMatchObject(forbidden);
    const protection = { clusterId, deletionProtection: true };
    await expect(plan(operator, updateCluster, protection)).rejects.toMatchObject(forbidden);
    await expect(plan(actor, createCluster, { ...orders, name: '-' })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    const stranger = await grove.createActor();
    await expect(plan(stranger, deleteCluster, { clusterId })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

/** What may happen to a cluster between two looks at it. */
const happenings = {
  run: async (clusterId: string) => {
    const held = await grove.deps.db.operation.findFirst({ where: { clusterId, finishedAt: null } });
    if (held) await runOperation(grove.deps, held.id, never);
  },
  fail: async (clusterId: string) => {
    grove.machines.interfere(() => Promise.reject(new StepFailure('BROKEN', 'The machine is broken.')));
    await happenings.run(clusterId);
    grove.machines.interfere(async () => {});
  },
};

test('a dry run and the request itself agree whatever has happened before', async () => {
  const inputs: Record<string, [OperationKind, (cluster: ClusterFacts) => object]> = {
    protect: ['UPDATE_CLUSTER', () => ({ deletionProtection: true })],
    unprotect: ['UPDATE_CLUSTER', () => ({ deletionProtection: false })],
    restrict: ['UPDATE_CLUSTER', () => ({ accessRules: [{ cidr: '10.0.0.0/8' }] })],
    grow: ['ADD_INSTANCES', () => ({ count: 1 })],
    shrink: ['DROP_INSTANCES', ({ instances }) => ({ instanceIds: [instances.at(-1)?.id ?? randomUUID()] })],
    restart: ['RESTART_CLUSTER', () => ({})],
    promote: ['PROMOTE_INSTANCE', () => ({ mode: 'PLANNED' })],
    rejoin: ['REJOIN_INSTANCE', ({ instances }) => ({ instanceId: instances.at(-1)?.id ?? randomUUID() })],
    backUp: ['BACKUP_CLUSTER', () => ({ name: `b-${randomUUID()}` })],
    remove: ['DELETE_CLUSTER', () => ({})],
  };
  expect(new Set(Object.values(inputs).map(([kind]) => kind))).toEqual(new Set(clusterActions));
  const what = fc.constantFrom(...Object.keys(happenings), ...Object.keys(inputs));
  await fc.assert(
    fc.asyncProperty(fc.array(what, { minLength: 3, maxLength: 8 }), async (history) => {
      const actor = await grove.createActor();
      const { clusterId } = await accept(grove.deps, actor, createCluster, orders, once);
      for (const name of [...history, ...Object.keys(inputs)]) {
        if (name in happenings) {
          await happenings[name as keyof typeof happenings](clusterId);
          continue;
        }
        const [kind, changeOf] = assertPresent(inputs[name], name);
        await agree(actor, clusterId, definitionOf(kind), changeOf);
      }
    }),
    { numRuns: 15, interruptAfterTimeLimit: 20_000 },
  );
}, 60_000);

async function agree(
  actor: Actor,
  clusterId: string,
  definition: OperationDefinition<unknown>,
  changeOf: (cluster: ClusterFacts) => object,
) {
  const cluster = assertPresent(await loadOneClusterFacts(grove.deps.db, { id: clusterId }), 'cluster');
  const input = { clusterId, ...changeOf(cluster) };
  const facts = { cluster, engine: grove.machines.engine };
  const told = assertPresent(
    allowedActions(facts).find(({ action }) => action === definition.kind),
    'action',
  );
  const { blockers, steps } = await plan(actor, definition, input);
  const ofInput = definition.inputBlockers?.(facts, definition.input.parse(input)) ?? [];
  const all = [...told.blockers, ...ofInput];
  expect(blockers).toEqual(
    all.filter(({ message }, position) => all.findIndex((it) => it.message === message) === position),
  );
  const [blocker] = blockers;
  const accepted = accept(grove.deps, actor, definition, input, once);
  if (blocker) {
    await expect(accepted).rejects.toEqual(blocker);
    expect(steps).toEqual([]);
  } else {
    expect(await stepNames((await accepted).operationId)).toEqual(steps.map(({ name }) => name));
  }
}
