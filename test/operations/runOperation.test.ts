import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { StepFailure } from '#domain/stepFailure.ts';
import { accept } from '#operations/accept.ts';
import { cancelOperation } from '#operations/cancelOperation.ts';
import { createCluster } from '#operations/createCluster.ts';
import { deleteCluster } from '#operations/deleteCluster.ts';
import { retryOperation } from '#operations/retryOperation.ts';
import { runOperation } from '#operations/runOperation.ts';
import { updateCluster } from '#operations/updateCluster.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';

const options = { idempotencyKey: null, expectedVersion: null };
const never = new AbortController().signal;

let grove: TestOperations;
beforeEach(async () => {
  grove = await createTestOperations({ working: false });
});
afterEach(() => grove.close());

async function acceptedCreate() {
  const actor = await grove.createActor();
  const accepted = await accept(
    grove.deps,
    actor,
    createCluster,
    { name: 'orders', engine: 'fake', instanceCount: 2 },
    options,
  );
  return { actor, ...accepted };
}

async function activeCluster() {
  const created = await acceptedCreate();
  await runOperation(grove.deps, created.operationId, never);
  return created;
}

/** What PostgreSQL says to a session that it ends. */
const storeLost = () => Object.assign(new Error('terminating connection'), { code: '57P01' });

const operation = (id: string) =>
  grove.deps.db.operation.findUniqueOrThrow({ where: { id }, include: { steps: { orderBy: { position: 'asc' } } } });
const cluster = (id: string) =>
  grove.deps.db.cluster.findUniqueOrThrow({ where: { id }, include: { instances: { orderBy: { name: 'asc' } } } });

describe('running an operation', () => {
  test('that fails for good ends visibly, with the reason where one looks for it, and can be retried from the failed step', async () => {
    const { actor, operationId, clusterId } = await acceptedCreate();
    grove.machines.interfere(async (call) => {
      if (call === 'join orders-2') throw new StepFailure('DISK_FULL', 'The disk of orders-2 is full.');
    });
    await runOperation(grove.deps, operationId, never);
    expect(await operation(operationId)).toMatchObject({
      status: 'FAILED',
      error: { code: 'DISK_FULL', message: 'The disk of orders-2 is full.', step: 'join orders-2', retryable: false },
    });
    const failed = await cluster(clusterId);
    expect(failed).toMatchObject({
      status: 'ERROR',
      statusReason: 'CREATE_CLUSTER failed: The disk of orders-2 is full.',
    });
    expect(failed.instances.map(({ status }) => status)).toEqual(['ACTIVE', 'ERROR']);

    grove.machines.interfere(async () => {});
    const before = grove.machines.calls.length;
    await retryOperation(grove.deps, actor, { operationId });
    expect(await cluster(clusterId)).toMatchObject({ status: 'BUILDING' });
    await runOperation(grove.deps, operationId, never);
    expect(grove.machines.calls.slice(before)).toEqual(['join orders-2', 'verify']);
    expect(await operation(operationId)).toMatchObject({
      status: 'SUCCEEDED',
      stepsDone: 6,
      error: null,
      ending: null,
    });
    expect(await cluster(clusterId)).toMatchObject({ status: 'ACTIVE', statusReason: null });
  });

  test('tries a step again whose failure says that this may help', async () => {
    const { operationId } = await acceptedCreate();
    let failures = 2;
    grove.machines.interfere(async (call) => {
      if (call === 'bootstrap orders-1' && failures-- > 0)
        throw new StepFailure('SLOW', 'Not yet.', { retryable: true });
    });
    await runOperation(grove.deps, operationId, never);
    const { status, steps } = await operation(operationId);
    expect(status).toBe('SUCCEEDED');
    expect(steps.find(({ name }) => name === 'bootstrap orders-1')).toMatchObject({ attempt: 3, status: 'SUCCEEDED' });
  });

  test('masks a bug, and tells its id', async () => {
    const { operationId } = await acceptedCreate();
    grove.machines.interfere(async (call) => {
      if (call === 'verify') throw new TypeError('x is not a function');
    });
    await runOperation(grove.deps, operationId, never);
    expect((await operation(operationId)).error).toMatchObject({
      code: 'INTERNAL',
      message: expect.stringMatching(/^Internal error [0-9a-f-]{36}$/),
    });
  });

  test('goes on where a worker that stopped left it: what was done is not done again', async () => {
    const { operationId } = await acceptedCreate();
    const stopping = new AbortController();
    grove.machines.interfere(async (call, signal) => {
      if (call !== 'join orders-2') return;
      stopping.abort();
      signal.throwIfAborted();
    });
    await expect(runOperation(grove.deps, operationId, stopping.signal)).rejects.toThrow('The worker is stopping');
    expect(await operation(operationId)).toMatchObject({ status: 'RUNNING', attempt: 1 });
    grove.machines.interfere(async () => {});
    const before = grove.machines.calls.length;
    await runOperation(grove.deps, operationId, never);
    expect(grove.machines.calls.slice(before)).toEqual(['join orders-2', 'verify']);
    expect(await operation(operationId)).toMatchObject({ status: 'SUCCEEDED', attempt: 2 });
  });

  test('goes on by itself when the store is back', async () => {
    const { operationId } = await acceptedCreate();
    let losses = 2;
    grove.machines.interfere(async (call) => {
      if (call === 'join orders-2' && losses-- > 0) throw storeLost();
    });
    await runOperation(grove.deps, operationId, never);
    expect(await operation(operationId)).toMatchObject({ status: 'SUCCEEDED', attempt: 3 });
    expect(grove.machines.calls.filter((call) => call === 'bootstrap orders-1')).toHaveLength(1);
  });

  test('waits for the store no longer than its worker may', async () => {
    const { operationId } = await acceptedCreate();
    const stopping = new AbortController();
    grove.machines.interfere(async (call) => {
      if (call !== 'join orders-2') return;
      setTimeout(() => stopping.abort(), 50);
      throw storeLost();
    });
    await expect(runOperation(grove.deps, operationId, stopping.signal)).rejects.toThrow('aborted');
    expect(await operation(operationId)).toMatchObject({ status: 'RUNNING', attempt: 1 });
  });

  test('of a worker that was overtaken writes no more', async () => {
    const { operationId, clusterId } = await acceptedCreate();
    grove.machines.interfere(async (call) => {
      if (call !== 'network') return;
      await grove.deps.db.operation.update({ where: { id: operationId }, data: { attempt: { increment: 1 } } });
    });
    await runOperation(grove.deps, operationId, never);
    expect(await operation(operationId)).toMatchObject({ status: 'RUNNING', stepsDone: 0 });
    expect(await cluster(clusterId)).toMatchObject({ networkCidr: null });
  });

  test('ends at its deadline and says what it was waiting for', async () => {
    const { operationId } = await acceptedCreate();
    await grove.deps.db.operation.update({
      where: { id: operationId },
      data: { deadlineAt: new Date(Date.now() + 500) },
    });
    grove.machines.interfere((call, signal) =>
      call === 'bootstrap orders-1'
        ? new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
        : Promise.resolve(),
    );
    await runOperation(grove.deps, operationId, never);
    expect(await operation(operationId)).toMatchObject({ status: 'FAILED', error: { code: 'DEADLINE_PASSED' } });
  });

  test('stops at the next step border when it is cancelled, and leaves the cluster as it is', async () => {
    const { actor, operationId, clusterId } = await acceptedCreate();
    grove.machines.interfere(async (call) => {
      if (call === 'bootstrap orders-1') await cancelOperation(grove.deps, actor, { operationId });
    });
    await runOperation(grove.deps, operationId, never);
    const { status, steps } = await operation(operationId);
    expect(status).toBe('CANCELLED');
    expect(steps.at(-1)).toMatchObject({ name: 'verify the cluster', status: 'SKIPPED' });
    expect(await cluster(clusterId)).toMatchObject({ status: 'ERROR', statusReason: 'CREATE_CLUSTER was cancelled' });
  });

  test('stops a step that goes on for too long after it was cancelled', async () => {
    const { actor, operationId } = await acceptedCreate();
    grove.machines.interfere(async (call, signal) => {
      if (call !== 'bootstrap orders-1') return;
      await cancelOperation(grove.deps, actor, { operationId });
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    });
    await runOperation(grove.deps, operationId, never);
    expect(await operation(operationId)).toMatchObject({ status: 'CANCELLED' });
  });

  test('ends at its deadline even if a machine hears no signal', async () => {
    const { operationId } = await acceptedCreate();
    await grove.deps.db.operation.update({
      where: { id: operationId },
      data: { deadlineAt: new Date(Date.now() + 500) },
    });
    grove.machines.interfere((call) => (call === 'provision orders-1' ? new Promise(() => {}) : Promise.resolve()));
    await runOperation(grove.deps, operationId, never);
    expect(await operation(operationId)).toMatchObject({ status: 'FAILED', error: { code: 'DEADLINE_PASSED' } });
  });

  test('lets the steps beside the one that saw the cancellation reach their end', async () => {
    const { actor, operationId } = await acceptedCreate();
    grove.machines.interfere(async (call, signal) => {
      if (call !== 'provision orders-1') return;
      await cancelOperation(grove.deps, actor, { operationId });
      // The other step's border sees it meanwhile.
      await expect
        .poll(() => grove.machines.calls.length)
        .toBeGreaterThan(1)
        .catch(() => {});
      signal.throwIfAborted();
    });
    await runOperation(grove.deps, operationId, never);
    const { status, steps } = await operation(operationId);
    expect(status).toBe('CANCELLED');
    expect(steps.find(({ name }) => name === 'provision orders-1')).toMatchObject({ status: 'SUCCEEDED' });
  });

  test('that was cancelled before a worker took it up ends as CANCELLED, by the table', async () => {
    const { actor, operationId, clusterId } = await acceptedCreate();
    await cancelOperation(grove.deps, actor, { operationId });
    await runOperation(grove.deps, operationId, never);
    const events = await grove.deps.db.event.findMany({
      where: { operationId, type: 'OPERATION_STATUS_CHANGED' },
      orderBy: { seq: 'asc' },
    });
    expect(events.map(({ toStatus }) => toStatus)).toEqual(['QUEUED', 'CANCELLING', 'CANCELLED']);
    expect(await cluster(clusterId)).toMatchObject({ status: 'ERROR' });
    expect(grove.machines.calls).toEqual([]);
  });

  test('ends even if its failure cannot be settled', async () => {
    const { operationId } = await acceptedCreate();
    const { health } = grove.machines.engine;
    grove.machines.interfere(async (call) => {
      if (call !== 'bootstrap orders-1') return;
      grove.machines.engine.health = () => {
        throw new Error('a rule is broken');
      };
      throw new StepFailure('BROKEN', 'It is broken.');
    });
    await runOperation(grove.deps, operationId, never);
    grove.machines.engine.health = health;
    expect(await operation(operationId)).toMatchObject({ status: 'FAILED', error: { code: 'BROKEN' } });
  });
});

describe('deleteCluster', () => {
  test('removes everything, keeps the record and frees the name', async () => {
    const { actor, clusterId } = await activeCluster();
    const { operationId } = await accept(grove.deps, actor, deleteCluster, { clusterId }, options);
    await runOperation(grove.deps, operationId, never);
    expect(grove.machines.calls.slice(-3).sort()).toEqual(['destroy network', 'destroy orders-1', 'destroy orders-2']);
    const gone = await cluster(clusterId);
    expect(gone).toMatchObject({ status: 'DELETED', networkCidr: null });
    expect(gone.instances.map(({ status, address }) => ({ status, address }))).toEqual([
      { status: 'REMOVED', address: null },
      { status: 'REMOVED', address: null },
    ]);
    await accept(grove.deps, actor, createCluster, { name: 'orders', engine: 'fake', instanceCount: 1 }, options);
    await expect(accept(grove.deps, actor, deleteCluster, { clusterId }, options)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  test('ends what the agents were told to do and can do no more', async () => {
    const { actor, operationId: creation, clusterId } = await activeCluster();
    const id = crypto.randomUUID();
    const instanceId = (await cluster(clusterId)).instances[0]?.id ?? '';
    const told = { operationId: creation, stepKey: 'verify', kind: 'restore', payload: {} };
    await grove.deps.db.agentCommand.create({ data: { ...told, id, instanceId } });
    const { operationId } = await accept(grove.deps, actor, deleteCluster, { clusterId }, options);
    await runOperation(grove.deps, operationId, never);
    expect(await grove.deps.db.agentCommand.findUnique({ where: { id } })).toMatchObject({
      status: 'FAILED',
      error: { code: 'INSTANCE_REMOVED' },
      finishedAt: expect.any(Date),
    });
  });

  test('can be tried again when it failed, and is possible from ERROR', async () => {
    const { actor, clusterId } = await activeCluster();
    grove.machines.interfere(async (call) => {
      if (call === 'destroy orders-2') throw new StepFailure('STUCK', 'It does not stop.');
    });
    const { operationId } = await accept(grove.deps, actor, deleteCluster, { clusterId }, options);
    await runOperation(grove.deps, operationId, never);
    expect(await cluster(clusterId)).toMatchObject({
      status: 'ERROR',
      statusReason: 'DELETE_CLUSTER failed: It does not stop.',
    });
    grove.machines.interfere(async () => {});
    const again = await accept(grove.deps, actor, deleteCluster, { clusterId }, options);
    await runOperation(grove.deps, again.operationId, never);
    expect(await cluster(clusterId)).toMatchObject({ status: 'DELETED' });
  });

  test('ends the step of an instance that a dead worker had removed, and could not record', async () => {
    const { actor, clusterId } = await activeCluster();
    const { operationId } = await accept(grove.deps, actor, deleteCluster, { clusterId }, options);
    const dying = new AbortController();
    grove.machines.interfere(async (call, signal) => {
      if (call !== 'destroy orders-2') return;
      await expect.poll(async () => (await cluster(clusterId)).instances[0]?.status).toBe('REMOVED');
      dying.abort();
      signal.throwIfAborted();
      await new Promise(() => {});
    });
    await expect(runOperation(grove.deps, operationId, dying.signal)).rejects.toThrow('The worker is stopping');
    const removed = (await operation(operationId)).steps.find(({ name }) => name === 'remove orders-1');
    await grove.deps.db.operationStep.update({
      where: { operationId_key: { operationId, key: removed?.key ?? '' } },
      data: { status: 'RUNNING', finishedAt: null },
    });
    grove.machines.interfere(async () => {});
    await runOperation(grove.deps, operationId, never);
    const { status, steps } = await operation(operationId);
    expect([status, ...steps.map((step) => step.status)]).toEqual(Array(4).fill('SUCCEEDED'));
  });

  test('that is cancelled before it begins has changed nothing', async () => {
    const { actor, clusterId } = await activeCluster();
    const { operationId } = await accept(grove.deps, actor, deleteCluster, { clusterId }, options);
    await cancelOperation(grove.deps, actor, { operationId });
    await runOperation(grove.deps, operationId, never);
    expect(await operation(operationId)).toMatchObject({ status: 'CANCELLED' });
    const after = await cluster(clusterId);
    expect([after.status, ...after.instances.map(({ status }) => status)]).toEqual(['ACTIVE', 'ACTIVE', 'ACTIVE']);
  });

  test('goes on after it was cancelled half-way, as a new deletion and as a retry', async () => {
    const { actor, clusterId } = await activeCluster();
    const { operationId } = await accept(grove.deps, actor, deleteCluster, { clusterId }, options);
    grove.machines.interfere(async (call) => {
      if (call === 'destroy orders-1') await cancelOperation(grove.deps, actor, { operationId });
    });
    await runOperation(grove.deps, operationId, never);
    expect(await operation(operationId)).toMatchObject({ status: 'CANCELLED' });
    expect(await cluster(clusterId)).toMatchObject({ status: 'ERROR' });
    grove.machines.interfere(async () => {});
    await retryOperation(grove.deps, actor, { operationId });
    await runOperation(grove.deps, operationId, never);
    expect(await cluster(clusterId)).toMatchObject({ status: 'DELETED' });
  });

  test('is refused while the cluster is protected', async () => {
    const { actor, clusterId } = await activeCluster();
    await accept(grove.deps, actor, updateCluster, { clusterId, deletionProtection: true }, options);
    await expect(accept(grove.deps, actor, deleteCluster, { clusterId }, options)).rejects.toMatchObject({
      code: 'DELETION_PROTECTED',
    });
  });

  test('cannot be cancelled once the network is being removed', async () => {
    const { actor, clusterId } = await activeCluster();
    const { operationId } = await accept(grove.deps, actor, deleteCluster, { clusterId }, options);
    grove.machines.interfere(async (call) => {
      if (call === 'destroy network') {
        await expect(cancelOperation(grove.deps, actor, { operationId })).rejects.toMatchObject({
          code: 'OPERATION_NOT_CANCELLABLE',
        });
      }
    });
    await runOperation(grove.deps, operationId, never);
    expect(await operation(operationId)).toMatchObject({ status: 'SUCCEEDED' });
  });
});

describe('updateCluster', () => {
  test('applies access rules on every server and raises the version', async () => {
    const { actor, clusterId } = await activeCluster();
    const accessRules = [{ cidr: '10.0.0.0/8', description: null }];
    const { operationId } = await accept(
      grove.deps,
      actor,
      updateCluster,
      { clusterId, accessRules },
      { ...options, expectedVersion: 1 },
    );
    expect(await cluster(clusterId)).toMatchObject({ status: 'BUSY', version: 2, accessRules });
    await runOperation(grove.deps, operationId, never);
    expect(grove.machines.calls.slice(-2).sort()).toEqual(['access orders-1', 'access orders-2']);
    expect(await cluster(clusterId)).toMatchObject({ status: 'ACTIVE' });
  });

  test('that fails says that its access rules are not in force, until it is retried', async () => {
    const { actor, clusterId } = await activeCluster();
    grove.machines.interfere(async (call) => {
      if (call === 'access orders-2') throw new StepFailure('REFUSED', 'It was refused.');
    });
    const accessRules = [{ cidr: '10.0.0.0/8' }];
    const { operationId } = await accept(grove.deps, actor, updateCluster, { clusterId, accessRules }, options);
    await runOperation(grove.deps, operationId, never);
    expect(await cluster(clusterId)).toMatchObject({ status: 'ACTIVE', accessRulesInForce: false });
    grove.machines.interfere(async () => {});
    await retryOperation(grove.deps, actor, { operationId });
    await runOperation(grove.deps, operationId, never);
    expect(await cluster(clusterId)).toMatchObject({ status: 'ACTIVE', accessRulesInForce: true });
  });

  test('is refused without a change', async () => {
    const { actor, clusterId } = await activeCluster();
    await expect(accept(grove.deps, actor, updateCluster, { clusterId }, options)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    });
  });

  test('needs an ADMIN to change the protection, and nothing else of a machine', async () => {
    const { actor, clusterId } = await activeCluster();
    const operator = { ...actor, role: 'OPERATOR' as const };
    await expect(
      accept(grove.deps, operator, updateCluster, { clusterId, deletionProtection: true }, options),
    ).rejects.toMatchObject({ code: 'FORBIDDEN' });
    const { operationId } = await accept(
      grove.deps,
      actor,
      updateCluster,
      { clusterId, deletionProtection: true },
      options,
    );
    expect(await operation(operationId)).toMatchObject({ status: 'SUCCEEDED', stepsTotal: 0 });
  });

  test('is refused on a stale version, with the current one', async () => {
    const { actor, clusterId } = await activeCluster();
    await expect(
      accept(
        grove.deps,
        actor,
        updateCluster,
        { clusterId, deletionProtection: false },
        { ...options, expectedVersion: 7 },
      ),
    ).rejects.toMatchObject({ code: 'STALE_VERSION', currentVersion: 1 });
  });
});

describe('the door', () => {
  test('lets one of twenty that race for a cluster in, and tells the others who it was', async () => {
    const { actor, clusterId } = await activeCluster();
    const accessRules = [{ cidr: '10.0.0.0/8' }];
    const tries = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) =>
        index % 2 === 0
          ? accept(grove.deps, actor, updateCluster, { clusterId, accessRules }, options)
          : accept(grove.deps, actor, deleteCluster, { clusterId }, options),
      ),
    );
    const winners = tries.flatMap((attempt) => (attempt.status === 'fulfilled' ? [attempt.value] : []));
    expect(winners).toHaveLength(1);
    for (const attempt of tries) {
      if (attempt.status === 'rejected') {
        expect(attempt.reason).toMatchObject({ code: 'CLUSTER_BUSY', operationId: winners[0]?.operationId });
      }
    }
  });

  test('does not tell a foreign cluster from one that is not there', async () => {
    const { clusterId } = await activeCluster();
    const stranger = await grove.createActor();
    const refusals = await Promise.allSettled(
      [clusterId, crypto.randomUUID()].map((id) =>
        accept(grove.deps, stranger, deleteCluster, { clusterId: id }, options),
      ),
    );
    const [foreign, absent] = refusals.map((refusal) =>
      refusal.status === 'rejected' ? String(refusal.reason) : 'accepted',
    );
    expect(foreign).toContain('does not exist');
    expect(foreign).toBe(absent);
  });
});
