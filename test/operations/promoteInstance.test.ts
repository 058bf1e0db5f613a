import { describe, expect, test } from 'vitest';
import { StepFailure } from '#domain/stepFailure.ts';
import { AgentCommandFailed, type Promotion } from '#engines/engine.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import { accept } from '#operations/accept.ts';
import { cancelOperation } from '#operations/cancelOperation.ts';
import type { OperationDeps } from '#operations/deps.ts';
import { promoteInstance } from '#operations/promoteInstance.ts';
import { rejoinInstance } from '#operations/rejoinInstance.ts';
import { retryOperation } from '#operations/retryOperation.ts';
import { runOperation } from '#operations/runOperation.ts';
import { settleCluster } from '#operations/settleCluster.ts';
import { ProviderError } from '#providers/provider.ts';
import type { TestOperations } from '../support/operations.ts';
import { beforeEachPromotion } from './beforeEachPromotion.ts';
import {
  activeCluster,
  clusterOf,
  eventsOf,
  instanceNamed,
  losePrimary,
  never,
  once,
  operationOf,
  type TestCluster,
} from './clusterWorld.ts';

let grove: TestOperations;
let cluster: TestCluster;
beforeEachPromotion((world) => {
  ({ grove, cluster } = world);
});

const idOf = async (name: string) => (await instanceNamed(grove, cluster, name)).id;
const ask = async (input: object) =>
  (await accept(grove.deps, cluster.actor, promoteInstance, { clusterId: cluster.clusterId, ...input }, once))
    .operationId;
const run = async (operationId: string) => {
  await runOperation(grove.deps, operationId, never);
  return await operationOf(grove, operationId);
};
const standing = async () => {
  const { primaryInstanceId, instances } = await clusterOf(grove, cluster.clusterId);
  const roles = instances.map(
    ({ name, role, status, fencedAt }) => `${name} ${role} ${status}${fencedAt ? ' fenced' : ''}`,
  );
  return { primary: instances.find(({ id }) => id === primaryInstanceId)?.name, roles };
};
const loseThePrimary = () => losePrimary(grove, cluster);
const failAt = (call: string, error: Error) =>
  grove.machines.interfere(async (made) => {
    if (made === call) throw error;
  });

describe('a planned promotion', () => {
  test('makes ready, stops the old primary, promotes, and lets everybody follow', async () => {
    const { status, result, error } = await run(await ask({ instanceId: await idOf('orders-2'), mode: 'PLANNED' }));
    expect({ status, error }).toEqual({ status: 'SUCCEEDED', error: null });
    expect(result).toMatchObject({
      mode: 'PLANNED',
      lossBytes: 0,
      lossBasis: 'NONE',
      rejoined: 'ATTACHED',
      rejoinFailure: null,
    });
    expect(grove.machines.calls.filter((call) => !call.startsWith('start '))).toEqual([
      'prepare orders-1 to orders-2',
      'ready orders-2',
      'demote orders-1',
      'promote orders-2',
      'rejoin orders-3',
      'rejoin orders-1',
      'verify',
    ]);
    expect(await standing()).toEqual({
      primary: 'orders-2',
      roles: ['orders-1 REPLICA ACTIVE', 'orders-2 PRIMARY ACTIVE', 'orders-3 REPLICA ACTIVE'],
    });
    const told = (await eventsOf(grove, cluster)).filter(({ type }) => type === 'INSTANCE_STATUS_CHANGED');
    expect(told.map(({ toStatus }) => toStatus)).toContain('PROMOTING');
  });

  test('gives writes back where the target was not promoted', async () => {
    const notPromoted = new AgentCommandFailed('NOT_PROMOTED', 'orders-2 is behind.');
    const { engine } = grove.machines;
    const promotion = assertPresent(engine.promotion, 'promotion');
    const deps = {
      ...grove.deps,
      engines: {
        fake: {
          ...engine,
          promotion: { ...promotion, promote: async () => ({ promoted: false as const, reason: notPromoted.message }) },
        },
      },
    };
    const operationId = await ask({ instanceId: await idOf('orders-2'), mode: 'PLANNED' });
    await runOperation(deps, operationId, never);
    expect(await operationOf(grove, operationId)).toMatchObject({
      status: 'FAILED',
      error: {
        code: 'WRITES_GIVEN_BACK',
        message: 'orders-2 is behind. orders-1 is the primary as before; nothing was lost.',
      },
    });
    expect(grove.machines.calls).toContain('give back orders-1');
    await settleCluster(grove.deps, cluster.clusterId);
    expect(await standing()).toEqual({
      primary: 'orders-1',
      roles: ['orders-1 PRIMARY ACTIVE', 'orders-2 REPLICA ACTIVE', 'orders-3 REPLICA ACTIVE'],
    });
  });

  test('gives writes back where the old primary could not be stopped in order', async () => {
    failAt('demote orders-1', new AgentCommandFailed('SYSTEM', 'The disk is full.'));
    const { status, error } = await run(await ask({ mode: 'PLANNED' }));
    expect({ status, error }).toMatchObject({ status: 'FAILED', error: { code: 'WRITES_GIVEN_BACK' } });
    expect(grove.machines.calls.filter((call) => call.startsWith('promote'))).toEqual([]);
    expect((await standing()).primary).toBe('orders-1');
  });

  test('that fails before the old primary is stopped has changed nothing', async () => {
    failAt('ready orders-2', new StepFailure('NO', 'It cannot be made ready.'));
    const { status } = await run(await ask({ instanceId: await idOf('orders-2'), mode: 'PLANNED' }));
    expect(status).toBe('FAILED');
    expect(await standing()).toEqual({
      primary: 'orders-1',
      roles: ['orders-1 PRIMARY ACTIVE', 'orders-2 REPLICA ACTIVE', 'orders-3 REPLICA ACTIVE'],
    });
  });

  test('goes on with the same replica after its worker died at any call', async () => {
    const calls = [
      'prepare orders-1 to orders-2',
      'ready orders-2',
      'demote orders-1',
      'promote orders-2',
      'rejoin orders-3',
      'rejoin orders-1',
      'verify',
    ];
    for (const call of calls) {
      cluster = await activeCluster(grove, 3);
      grove.machines.calls.length = 0;
      const operationId = await ask({ instanceId: await idOf('orders-2'), mode: 'PLANNED' });
      const dying = new AbortController();
      grove.machines.interfere(async (made, signal) => {
        if (made !== call || dying.signal.aborted) return;
        dying.abort();
        await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      });
      await expect(runOperation(grove.deps, operationId, dying.signal)).rejects.toThrow('The worker is stopping');
      const { status, result } = await run(operationId);
      expect({ call, status, result }).toMatchObject({
        status: 'SUCCEEDED',
        result: { lossBytes: 0, rejoined: 'ATTACHED' },
      });
      expect((await standing()).primary).toBe('orders-2');
      expect(grove.machines.calls.filter((made) => made === 'promote orders-3')).toEqual([]);
    }
  }, 30_000);

  test('that fails after the old primary was stopped goes on with the step that failed when it is retried', async () => {
    failAt('promote orders-2', new StepFailure('NO', 'It cannot be promoted.'));
    const operationId = await ask({ instanceId: await idOf('orders-2'), mode: 'PLANNED' });
    expect((await run(operationId)).status).toBe('FAILED');
    grove.machines.interfere(async () => {});
    grove.machines.calls.length = 0;
    await retryOperation(grove.deps, cluster.actor, { operationId });
    expect((await run(operationId)).status).toBe('SUCCEEDED');
    expect(grove.machines.calls[0]).toBe('promote orders-2');
  });

  test('can be cancelled until the old primary is stopped, and not later', async () => {
    const operationId = await ask({ mode: 'PLANNED' });
    let refusal: unknown = null;
    grove.machines.interfere(async (made) => {
      if (made !== 'demote orders-1') return;
      refusal = await cancelOperation(grove.deps, cluster.actor, { operationId }).catch((error: unknown) => error);
    });
    expect((await run(operationId)).status).toBe('SUCCEEDED');
    expect(refusal).toMatchObject({ code: 'OPERATION_NOT_CANCELLABLE' });
  });
});

describe('a failover', () => {
  test('fences the old primary off first, elects, promotes, and brings the old one back', async () => {
    await loseThePrimary();
    const { status, result } = await run(await ask({ mode: 'FAILOVER' }));
    expect(status).toBe('SUCCEEDED');
    expect(result).toMatchObject({ mode: 'FAILOVER', lossBytes: 0, lossBasis: 'OLD_PRIMARY', rejoined: 'ATTACHED' });
    expect(grove.machines.calls.filter((call) => !call.startsWith('start '))).toEqual([
      'fence orders-1',
      'elect',
      'promote orders-2',
      'rejoin orders-3',
      'rejoin orders-1',
      'verify',
    ]);
    expect(await standing()).toEqual({
      primary: 'orders-2',
      roles: ['orders-1 REPLICA ACTIVE', 'orders-2 PRIMARY ACTIVE', 'orders-3 REPLICA ACTIVE'],
    });
  });

  test('succeeds though the old primary does not come back; it stays fenced until it rejoins', async () => {
    await loseThePrimary();
    failAt('start orders-1', new ProviderError('Its host is down.', { retryable: false }));
    const { status, result } = await run(await ask({ mode: 'FAILOVER' }));
    expect(status).toBe('SUCCEEDED');
    expect(result).toMatchObject({
      lossBytes: 7,
      lossBasis: 'LAST_REPORT',
      rejoined: null,
      rejoinFailure: 'Its host is down.',
    });
    expect((await standing()).roles[0]).toBe('orders-1 PRIMARY DOWN fenced');
    grove.machines.interfere(async () => {});
    const input = { clusterId: cluster.clusterId, instanceId: await idOf('orders-1') };
    const { operationId } = await accept(grove.deps, cluster.actor, rejoinInstance, input, once);
    expect(await run(operationId)).toMatchObject({
      status: 'SUCCEEDED',
      result: { how: 'ATTACHED', discardedBytes: 0 },
    });
    expect((await standing()).roles[0]).toBe('orders-1 REPLICA ACTIVE');
  });

  test('promotes nobody where nobody is fit, and lets the old primary come back', async () => {
    await loseThePrimary();
    const { engine } = grove.machines;
    const promotion = assertPresent(engine.promotion, 'promotion');
    const nobody = async () => ({ instanceId: null, reason: 'Nobody answered.' });
    const deps = { ...grove.deps, engines: { fake: { ...engine, promotion: { ...promotion, elect: nobody } } } };
    const operationId = await ask({ mode: 'FAILOVER' });
    await runOperation(deps, operationId, never);
    expect(await operationOf(grove, operationId)).toMatchObject({
      status: 'FAILED',
      error: { code: 'NOBODY_ELECTED' },
    });
    expect(grove.machines.calls.slice(0, 2)).toEqual(['fence orders-1', 'unfence orders-1']);
    expect((await standing()).primary).toBe('orders-1');
    expect((await standing()).roles[0]).toBe('orders-1 PRIMARY DOWN');
  });

  test('never promotes two, whenever its worker dies', async () => {
    for (const call of ['fence orders-1', 'elect', 'promote orders-2', 'rejoin orders-1']) {
      cluster = await activeCluster(grove, 3);
      await loseThePrimary();
      grove.machines.calls.length = 0;
      const operationId = await ask({ mode: 'FAILOVER' });
      const dying = new AbortController();
      grove.machines.interfere(async (made, signal) => {
        if (made !== call || dying.signal.aborted) return;
        dying.abort();
        await new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
          setTimeout(() => reject(new Error('died')), 100);
        });
      });
      await expect(runOperation(grove.deps, operationId, dying.signal)).rejects.toThrow();
      expect((await run(operationId)).status).toBe('SUCCEEDED');
      expect(new Set(grove.machines.calls.filter((made) => made.startsWith('promote')))).toEqual(
        new Set(['promote orders-2']),
      );
    }
  }, 30_000);
});

describe('a promotion that has given everything back, retried,', () => {
  /** Runs with an engine whose promotion is changed so; answers with the scopes that commands are sent under. */
  async function runWith(operationId: string, change: Partial<Promotion> = {}): Promise<string[]> {
    const { engine } = grove.machines;
    const promotion = { ...assertPresent(engine.promotion, 'promotion'), ...change };
    const scopes: string[] = [];
    const agents: OperationDeps['agents'] = {
      sendTo: ({ stepKey }) => {
        scopes.push(stepKey);
        return () => Promise.reject(new Error('There are no agents here'));
      },
    };
    const deps = { ...grove.deps, agents, engines: { fake: { ...engine, promotion } } };
    await runOperation(deps, operationId, never);
    await settleCluster(grove.deps, cluster.clusterId);
    return scopes;
  }

  async function givenBack(): Promise<string> {
    const operationId = await ask({ instanceId: await idOf('orders-2'), mode: 'PLANNED' });
    await runWith(operationId, { promote: async () => ({ promoted: false, reason: 'orders-2 is behind.' }) });
    expect(await operationOf(grove, operationId)).toMatchObject({ error: { code: 'WRITES_GIVEN_BACK' } });
    return operationId;
  }

  async function nobodyElected(): Promise<string> {
    await loseThePrimary();
    const operationId = await ask({ mode: 'FAILOVER' });
    await runWith(operationId, { elect: async () => ({ instanceId: null, reason: 'Nobody answered.' }) });
    expect(await operationOf(grove, operationId)).toMatchObject({ error: { code: 'NOBODY_ELECTED' } });
    return operationId;
  }

  const retry = (operationId: string) => retryOperation(grove.deps, cluster.actor, { operationId });

  test('begins anew: it stops the old primary again, and sends its commands again', async () => {
    const operationId = await givenBack();
    const { seq } = assertPresent((await eventsOf(grove, cluster)).at(-1), 'an event');
    await retry(operationId);
    const queued = await operationOf(grove, operationId);
    expect(queued).toMatchObject({ status: 'QUEUED', stepsDone: 0, ending: null });
    expect(queued.steps.map(({ key, status, attempt, result }) => [key, status, attempt, result])).toEqual(
      ['prepare', 'stop', 'promote', 'follow', 'rejoin', 'verify'].map((key) => [key, 'PENDING', 0, null]),
    );
    const told = (await eventsOf(grove, cluster)).filter(
      (event) => event.seq > seq && event.type === 'OPERATION_STEP_CHANGED',
    );
    expect(told.map(({ fromStatus, toStatus }) => `${fromStatus} ${toStatus}`)).toEqual([
      ...Array(3).fill('SUCCEEDED PENDING'),
      'SKIPPED PENDING',
      'FAILED PENDING',
      'SKIPPED PENDING',
    ]);
    grove.machines.calls.length = 0;
    const scopes = await runWith(operationId);
    expect(scopes).toEqual(['prepare#1', 'stop#1', 'promote#1', 'follow', 'rejoin#2', 'verify']);
    expect(await operationOf(grove, operationId)).toMatchObject({ status: 'SUCCEEDED', stepsDone: 6 });
    expect(grove.machines.calls.filter((call) => !call.startsWith('start '))).toEqual([
      'prepare orders-1 to orders-2',
      'ready orders-2',
      'demote orders-1',
      'promote orders-2',
      'rejoin orders-3',
      'rejoin orders-1',
      'verify',
    ]);
    expect((await standing()).primary).toBe('orders-2');
  });

  test('fences the old primary off again, and elects whoever is fit by now', async () => {
    const operationId = await nobodyElected();
    await retry(operationId);
    grove.machines.calls.length = 0;
    expect(await runWith(operationId)).toEqual(['stop#1', 'elect#1', 'promote#2', 'follow', 'rejoin', 'verify']);
    expect(await operationOf(grove, operationId)).toMatchObject({ status: 'SUCCEEDED', result: { mode: 'FAILOVER' } });
    expect(grove.machines.calls.slice(0, 3)).toEqual(['fence orders-1', 'elect', 'promote orders-2']);
    expect(await standing()).toEqual({
      primary: 'orders-2',
      roles: ['orders-1 REPLICA ACTIVE', 'orders-2 PRIMARY ACTIVE', 'orders-3 REPLICA ACTIVE'],
    });
  });

  test('elects whoever is fit by now, though the old primary’s host was not there to lift its fence', async () => {
    failAt('unfence orders-1', new ProviderError('Its host is down.', { retryable: false }));
    const operationId = await nobodyElected();
    expect((await operationOf(grove, operationId)).error).toMatchObject({
      message: 'Nobody answered. Nothing was promoted; the old primary stays fenced off: Its host is down.',
    });
    expect(await standing()).toMatchObject({
      primary: 'orders-1',
      roles: { 0: 'orders-1 PRIMARY DOWN fenced' },
    });
    await retry(operationId);
    await runWith(operationId);
    expect(await operationOf(grove, operationId)).toMatchObject({ status: 'SUCCEEDED', result: { mode: 'FAILOVER' } });
    expect((await standing()).primary).toBe('orders-2');
  });

  test('can be cancelled again until the old primary is stopped', async () => {
    const operationId = await givenBack();
    await retry(operationId);
    grove.machines.calls.length = 0;
    grove.machines.interfere(async (made) => {
      if (made.startsWith('prepare')) await cancelOperation(grove.deps, cluster.actor, { operationId });
    });
    await runWith(operationId);
    expect(await operationOf(grove, operationId)).toMatchObject({ status: 'CANCELLED' });
    expect(grove.machines.calls).toEqual(['prepare orders-1 to orders-2']);
    expect((await standing()).primary).toBe('orders-1');
  });

  test('is refused where it would be refused now, and changes nothing', async () => {
    const planned = await givenBack();
    await loseThePrimary();
    const before = await operationOf(grove, planned);
    await expect(retry(planned)).rejects.toMatchObject({ code: 'NO_PRIMARY' });
    expect(await operationOf(grove, planned)).toEqual(before);
    cluster = await activeCluster(grove, 3);
    const failover = await nobodyElected();
    await grove.machines.observe(await idOf('orders-1'), { serving: true, role: 'PRIMARY' });
    await settleCluster(grove.deps, cluster.clusterId);
    await expect(retry(failover)).rejects.toMatchObject({ code: 'PRIMARY_HEALTHY' });
  });
});

describe('a failover back to a former primary', () => {
  const bothLost = async () => {
    await grove.machines.observe(await idOf('orders-2'), { serving: false, stopped: true, role: 'PRIMARY' });
    await grove.deps.db.instance.update({ where: { id: await idOf('orders-2') }, data: { fencedAt: new Date() } });
    await loseThePrimary();
  };

  test('fences the lost one, lifts the fence of the chosen one, and it takes writes again', async () => {
    await bothLost();
    const input = { mode: 'FAILOVER', instanceId: await idOf('orders-2'), acceptDataLoss: true };
    const { status, result, error } = await run(await ask(input));
    expect({ status, error }).toEqual({ status: 'SUCCEEDED', error: null });
    expect(result).toMatchObject({ mode: 'FAILOVER', lossBytes: 0, lossBasis: 'OLD_PRIMARY', rejoined: 'ATTACHED' });
    expect(grove.machines.calls.slice(0, 4)).toEqual([
      'fence orders-1',
      'elect',
      'unfence orders-2',
      'resume orders-2',
    ]);
    expect(await standing()).toEqual({
      primary: 'orders-2',
      roles: ['orders-1 REPLICA ACTIVE', 'orders-2 PRIMARY ACTIVE', 'orders-3 REPLICA ACTIVE'],
    });
  });
});

describe('a promotion is refused', () => {
  test('where the instance is none of the cluster, and where the mode does not fit', async () => {
    await expect(ask({ mode: 'PLANNED', instanceId: crypto.randomUUID() })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    await expect(ask({ mode: 'FAILOVER' })).rejects.toMatchObject({ code: 'PRIMARY_HEALTHY' });
    await loseThePrimary();
    await expect(ask({ mode: 'PLANNED' })).rejects.toMatchObject({ code: 'NO_PRIMARY' });
  });

  test('by an engine that has none', async () => {
    const deps = { ...grove.deps, engines: { fake: { ...grove.machines.engine, promotion: null } } };
    const input = { clusterId: cluster.clusterId, mode: 'PLANNED' };
    await expect(accept(deps, cluster.actor, promoteInstance, input, once)).rejects.toMatchObject({
      code: 'PROMOTION_UNSUPPORTED',
    });
  });

  test('of an instance that follows already, or is the primary, to rejoin', async () => {
    for (const [name, reason] of [
      ['orders-1', 'it is the primary'],
      ['orders-2', 'it follows the primary already'],
    ] as const) {
      const input = { clusterId: cluster.clusterId, instanceId: await idOf(name) };
      await expect(accept(grove.deps, cluster.actor, rejoinInstance, input, once)).rejects.toMatchObject({ reason });
    }
  });
});
