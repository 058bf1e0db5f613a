import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { StepFailure } from '#domain/stepFailure.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import { accept } from '#operations/accept.ts';
import { backupCluster } from '#operations/backupCluster.ts';
import { cancelOperation } from '#operations/cancelOperation.ts';
import type { OperationDeps } from '#operations/deps.ts';
import { restoreCluster } from '#operations/restoreCluster.ts';
import { retryOperation } from '#operations/retryOperation.ts';
import { runOperation } from '#operations/runOperation.ts';
import { verifyBackup } from '#operations/verifyBackup.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';
import { activeCluster, clusterOf, eventsOf, never, once, operationOf, type TestCluster } from './clusterWorld.ts';

let grove: TestOperations;
beforeAll(async () => {
  grove = await createTestOperations({ working: false });
});
afterAll(() => grove.close());
afterEach(() => grove.machines.interfere(async () => {}));

type Accepted = { cluster: TestCluster; operationId: string; clusterId: string };

async function acceptedBackup(): Promise<Accepted> {
  const cluster = await activeCluster(grove, 2);
  return {
    cluster,
    ...(await accept(grove.deps, cluster.actor, backupCluster, { clusterId: cluster.clusterId }, once)),
  };
}

async function takenBackup() {
  const { cluster, operationId } = await acceptedBackup();
  await runOperation(grove.deps, operationId, never);
  const { id } = await grove.deps.db.backup.findUniqueOrThrow({ where: { operationId } });
  return { cluster, backupId: id };
}

async function acceptedRestore(): Promise<Accepted> {
  const { cluster, backupId } = await takenBackup();
  const input = { backupId, name: 'again' };
  return { cluster, ...(await accept(grove.deps, cluster.actor, restoreCluster, input, once)) };
}

async function acceptedVerification(): Promise<Accepted> {
  const { cluster, backupId } = await takenBackup();
  return { cluster, ...(await accept(grove.deps, cluster.actor, verifyBackup, { backupId }, once)) };
}

/** A place that holds whoever comes by, as long as it is not released. */
function createGate() {
  const came = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  return {
    came: came.promise,
    release: () => released.resolve(),
    pass: async () => {
      came.resolve();
      await released.promise;
    },
  };
}

/** The machines fail at this call, and what is taken back hangs at its first call. */
function failAt(call: string, code: string) {
  const gate = createGate();
  grove.machines.interfere(async (made) => {
    if (made.startsWith(call)) throw new StepFailure(code, 'It cannot be done.');
    if (made.startsWith('destroy')) await gate.pass();
  });
  return gate;
}

const attemptsOf = async (operationId: string) =>
  (await operationOf(grove, operationId)).steps.map(({ name, attempt }) => `${name} ${attempt}`);

describe('a worker that dies while it takes back what an operation had made', () => {
  /** Stands still in the clean-up; returns once it does. Where it is woken up later it must change nothing. */
  async function dieTakingBack(
    accepted: Accepted,
    gate: ReturnType<typeof createGate>,
    deps: OperationDeps = grove.deps,
  ) {
    const { operationId } = accepted;
    const dead = runOperation(deps, operationId, never);
    await Promise.race([gate.came, dead.then(() => Promise.reject(new Error('nothing was taken back')))]);
    expect(await operationOf(grove, operationId)).toMatchObject({
      status: expect.not.stringMatching(/FAILED|CANCELLED/),
    });
    await expect
      .poll(async () => (await operationOf(grove, operationId)).waitingFor)
      .toBe('what it made to be taken back');
    grove.machines.interfere(async () => {});
    const attempts = await attemptsOf(operationId);
    grove.machines.calls.length = 0;
    await runOperation(grove.deps, operationId, never);
    expect(await attemptsOf(operationId)).toEqual(attempts);
    const ended = await operationOf(grove, operationId);
    gate.release();
    await dead;
    expect(await operationOf(grove, operationId)).toEqual(ended);
    return ended;
  }

  test.each(['BACKUP_PART_DAMAGED', 'BACKUP_PART_MISSING'])('a restore that failed with %s', async (code) => {
    const restore = await acceptedRestore();
    const ended = await dieTakingBack(restore, failAt('restore again-2', code));
    expect(ended).toMatchObject({
      status: 'FAILED',
      waitingFor: null,
      error: {
        code,
        message: expect.stringMatching(/^Backup ".+" cannot be restored. It cannot be done. Restore another backup/),
        step: 'restore again-2',
        retryable: false,
      },
    });
    // The dead one may have come as far as another of the same.
    expect([...new Set(grove.machines.calls)].toSorted()).toEqual([
      'destroy again-1',
      'destroy again-2',
      'destroy network',
    ]);
    expect(await clusterOf(grove, restore.clusterId)).toMatchObject({ status: 'DELETED', instances: [] });
  });

  test('a verification', async () => {
    const verification = await acceptedVerification();
    const ended = await dieTakingBack(verification, failAt('lead', 'NO_SUCH_ROW'));
    expect(ended).toMatchObject({ status: 'FAILED', error: { code: 'NO_SUCH_ROW', message: 'It cannot be done.' } });
    expect(grove.machines.calls.every((call) => call.startsWith('destroy'))).toBe(true);
    expect(await clusterOf(grove, verification.clusterId)).toMatchObject({ status: 'DELETED', instances: [] });
  });

  test('a verification that was cancelled ends CANCELLED', async () => {
    const verification = await acceptedVerification();
    const { cluster, operationId } = verification;
    const gate = createGate();
    grove.machines.interfere(async (made) => {
      if (made.startsWith('lead')) await cancelOperation(grove.deps, cluster.actor, { operationId });
      if (made.startsWith('destroy')) await gate.pass();
    });
    const ended = await dieTakingBack(verification, gate);
    expect(ended).toMatchObject({ status: 'CANCELLED', error: { code: 'CANCELLED', step: null, retryable: false } });
    expect(await clusterOf(grove, verification.clusterId)).toMatchObject({ status: 'DELETED' });
  });

  test('a backup, which keeps no files and says why', async () => {
    const backup = await acceptedBackup();
    const gate = failAt('back up orders-2', 'DISK_FULL');
    const { store } = grove.deps.backups;
    const removeAll: typeof store.removeAll = async (prefix, options) => {
      await store.removeAll(prefix, options);
      await gate.pass();
    };
    const backups = { ...grove.deps.backups, store: { ...store, removeAll } };
    const ended = await dieTakingBack(backup, gate, { ...grove.deps, backups });
    expect(ended).toMatchObject({ status: 'FAILED', error: { code: 'DISK_FULL', step: 'back up orders-2' } });
    expect(grove.machines.calls).toEqual([]);
    const { operationId, clusterId } = backup;
    const record = await grove.deps.db.backup.findUniqueOrThrow({
      where: { operationId },
      include: { parts: { orderBy: { instanceName: 'asc' } } },
    });
    expect(record).toMatchObject({ status: 'FAILED', statusReason: 'It cannot be done.' });
    expect(record.parts).toMatchObject([
      { location: null, error: 'The backup failed as a whole.' },
      { location: null, error: 'It cannot be done.' },
    ]);
    expect(await store.list(clusterId)).toEqual([]);
  });

  test('has the operation end as it was recorded, though its deadline has passed by then', async () => {
    const verification = await acceptedVerification();
    const { operationId } = verification;
    const gate = failAt('lead', 'NO_SUCH_ROW');
    const late = gate.came.then(() =>
      grove.deps.db.operation.update({ where: { id: operationId }, data: { deadlineAt: new Date(0) } }),
    );
    const ended = await dieTakingBack(verification, { ...gate, came: late.then(() => {}) });
    expect(ended).toMatchObject({ status: 'FAILED', error: { code: 'NO_SUCH_ROW' } });
  });
});

describe('an operation that is taken back', () => {
  test('ends with its first error where its deadline passes meanwhile, and is taken back once', async () => {
    const { operationId, clusterId } = await acceptedVerification();
    let deadlineAt = new Date(Date.now() + 3_600_000);
    grove.machines.interfere(async (made) => {
      if (made.startsWith('lead')) throw new StepFailure('NO_SUCH_ROW', 'It cannot be done.');
      if (made.startsWith('destroy'))
        await expect.poll(() => Date.now() > deadlineAt.getTime(), { timeout: 10_000 }).toBe(true);
    });
    deadlineAt = new Date(Date.now() + 2500);
    await grove.deps.db.operation.update({ where: { id: operationId }, data: { deadlineAt } });
    grove.machines.calls.length = 0;
    await runOperation(grove.deps, operationId, never);
    expect(await operationOf(grove, operationId)).toMatchObject({ status: 'FAILED', error: { code: 'NO_SUCH_ROW' } });
    expect(grove.machines.calls.filter((made) => made.startsWith('destroy'))).toHaveLength(3);
    expect(await clusterOf(grove, clusterId)).toMatchObject({ status: 'DELETED' });
  });

  test('is let go by a worker that stops, and goes on in the next one', async () => {
    const { operationId, clusterId } = await acceptedVerification();
    const gate = failAt('lead', 'NO_SUCH_ROW');
    const stopping = new AbortController();
    const stopped = runOperation(grove.deps, operationId, stopping.signal);
    await gate.came;
    stopping.abort();
    await expect(stopped).rejects.toThrow('The worker is stopping');
    gate.release();
    await runOperation(grove.deps, operationId, never);
    expect(await operationOf(grove, operationId)).toMatchObject({ status: 'FAILED', error: { code: 'NO_SUCH_ROW' } });
    expect(await clusterOf(grove, clusterId)).toMatchObject({ status: 'DELETED' });
  });

  test('cannot be cancelled since it failed; where it is cancelled, asking again changes nothing', async () => {
    for (const cancelledBefore of [false, true]) {
      const { cluster, operationId } = await acceptedVerification();
      const ask = () => cancelOperation(grove.deps, cluster.actor, { operationId });
      let answer: unknown = null;
      grove.machines.interfere(async (made) => {
        if (made.startsWith('lead') && cancelledBefore) await ask();
        else if (made.startsWith('lead')) throw new StepFailure('NO_SUCH_ROW', 'It cannot be done.');
        if (made.startsWith('destroy')) answer ??= await ask().catch((error: unknown) => error);
      });
      await runOperation(grove.deps, operationId, never);
      const told = (await eventsOf(grove, cluster)).filter(
        (event) => event.operationId === operationId && event.type === 'OPERATION_STATUS_CHANGED',
      );
      expect([answer, told.map(({ toStatus }) => toStatus)]).toMatchObject(
        cancelledBefore
          ? [{ operationId }, ['QUEUED', 'RUNNING', 'CANCELLING', 'CANCELLED']]
          : [
              { code: 'OPERATION_NOT_CANCELLABLE', reason: 'it has failed, and ends by itself' },
              ['QUEUED', 'RUNNING', 'FAILED'],
            ],
      );
    }
  });

  test('in part only, since a host is away, is taken back by a retry', async () => {
    const { cluster, operationId, clusterId } = await acceptedRestore();
    grove.machines.interfere(async (made) => {
      if (made === 'restore again-2') throw new StepFailure('BACKUP_PART_DAMAGED', 'It cannot be done.');
      if (made === 'destroy again-1') throw new StepFailure('AWAY', 'The host is away.');
    });
    await runOperation(grove.deps, operationId, never);
    const failed = await clusterOf(grove, clusterId);
    expect(failed).toMatchObject({ status: 'ERROR', instances: [{ name: 'again-1' }] });
    grove.machines.interfere(async () => {});
    grove.machines.calls.length = 0;
    await retryOperation(grove.deps, cluster.actor, { operationId });
    expect(await operationOf(grove, operationId)).toMatchObject({ status: 'QUEUED', ending: null, error: null });
    await runOperation(grove.deps, operationId, never);
    expect(await operationOf(grove, operationId)).toMatchObject({
      status: 'FAILED',
      error: { code: 'RESTORE_TAKEN_BACK' },
    });
    expect(grove.machines.calls).toEqual(['destroy again-1', 'destroy network']);
    expect(await clusterOf(grove, clusterId)).toMatchObject({ status: 'DELETED', instances: [] });
  });
});

test('a retry tells each step that waits again', async () => {
  const { cluster, operationId } = await acceptedRestore();
  grove.machines.interfere(async (made) => {
    if (made === 'follow again-2') throw new StepFailure('DISK_FULL', 'The disk is full.');
  });
  await runOperation(grove.deps, operationId, never);
  const { seq } = assertPresent((await eventsOf(grove, cluster)).at(-1), 'an event');
  await retryOperation(grove.deps, cluster.actor, { operationId });
  const told = (await eventsOf(grove, cluster)).filter((event) => event.seq > seq);
  expect(
    told
      .filter(({ type }) => type === 'OPERATION_STEP_CHANGED')
      .map(({ fromStatus, toStatus, payload }) => [fromStatus, toStatus, (payload as { step: string }).step]),
  ).toEqual([
    ['FAILED', 'PENDING', 'join again-2'],
    ['SKIPPED', 'PENDING', 'verify the cluster'],
  ]);
});

test('of two steps of the same name only the one that failed is told its error', async () => {
  const { operationId } = await acceptedRestore();
  const { db } = grove.deps;
  await db.operationStep.updateMany({
    where: { operationId, name: { startsWith: 'restore' } },
    data: { name: 'restore an instance' },
  });
  const began = Promise.withResolvers<void>();
  grove.machines.interfere(async (made, signal) => {
    if (made === 'restore again-1') {
      began.resolve();
      await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    }
    if (made === 'restore again-2') {
      await began.promise;
      throw new StepFailure('DISK_FULL', 'The disk is full.');
    }
  });
  await runOperation(grove.deps, operationId, never);
  const { steps } = await operationOf(grove, operationId);
  expect(steps.filter(({ name }) => name === 'restore an instance').map(({ message }) => message)).toEqual([
    'Stopped with its operation.',
    'The disk is full.',
  ]);
});
