import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { InstanceFacts } from '#domain/facts.ts';
import { AgentCommandFailed } from '#engines/engine.ts';
import { createAgentChannel } from '#fleet/agentChannel.ts';
import { finishCommand } from '#fleet/finishCommand.ts';
import { recordProgress } from '#fleet/recordProgress.ts';
import type { Json, JsonObject } from '#lib/values/json.ts';
import { createWorld, type World } from './fleetWorld.ts';

type Commands = Record<string, { input: JsonObject; result: Json }>;

let world: World;
let stopping: AbortController;

beforeEach(async () => {
  world = await createWorld();
  stopping = new AbortController();
});
afterEach(() => world.close());

function send(
  kind: string,
  payload: JsonObject,
  options: { stepKey?: string; onProgress?: (what: string | null) => void } = {},
) {
  const { stepKey = 'step', onProgress } = options;
  const scope = { operationId: world.operation.id, stepKey, signal: stopping.signal };
  const sendCommand = createAgentChannel(world.deps).sendTo(
    onProgress === undefined ? scope : { ...scope, onProgress },
  );
  const { id, name } = world.first;
  return sendCommand<Commands, string>({ id, name } as InstanceFacts, kind, payload);
}

const identity = () => ({ instanceId: world.first.id, clusterId: world.cluster.id });
const rows = () => world.db.agentCommand.findMany({ orderBy: { createdAt: 'asc' } });

/** Waits for the nth command to be written, and ends it. */
async function answer(index: number, outcome: unknown): Promise<void> {
  await expect.poll(async () => (await rows()).length).toBeGreaterThan(index);
  await finishCommand(world.deps, identity(), { commandId: (await rows())[index]?.id ?? '', outcome });
}

const failure = { ok: false, error: { code: 'DISK_FULL', message: 'No space left', retryable: true } };

describe('a command', () => {
  test('is a row, and its result is what the agent answered', async () => {
    const sent = send('start', { port: 5432 });
    await answer(0, { ok: true, result: { pid: 7 } });
    expect(await sent).toEqual({ pid: 7 });
    expect(await rows()).toMatchObject([
      { kind: 'start', payload: { port: 5432 }, stepKey: 'step', status: 'SUCCEEDED' },
    ]);
  });

  test('that failed throws what the agent said', async () => {
    const sent = send('start', {});
    await answer(0, failure);
    const error = await sent.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(AgentCommandFailed);
    expect(error).toMatchObject({ code: 'DISK_FULL', message: 'No space left', retryable: true });
  });

  test('tells who is woken for it', async () => {
    const { promise: woken, resolve } = Promise.withResolvers<void>();
    world.bus.subscribe(`commands:${world.first.id}`, resolve);
    const sent = send('start', {});
    await woken;
    await answer(0, { ok: true, result: null });
    expect(await sent).toBeNull();
  });

  test('is waited for until the signal aborts, with its reason', async () => {
    const sent = send('start', {});
    await expect.poll(async () => (await rows()).length).toBe(1);
    stopping.abort(new Error('The deadline has passed'));
    await expect(sent).rejects.toThrow('The deadline has passed');
    await expect(send('start', {})).rejects.toThrow('The deadline has passed');
  });

  test('says what it waits for', async () => {
    const told: (string | null)[] = [];
    const sent = send('start', {}, { onProgress: (what) => told.push(what) });
    await expect.poll(() => told).toEqual(['the agent of orders-1 to connect']);
    await world.db.instance.update({ where: { id: world.first.id }, data: { observedAt: new Date() } });
    const [row] = await rows();
    world.bus.publish(`command:${row?.id}`);
    await expect.poll(() => told.at(-1)).toBe('orders-1 to start');
    await recordProgress(world.deps, identity(), { commandId: row?.id ?? '', message: 'half way' });
    await expect.poll(() => told.at(-1)).toBe('orders-1: half way');
    await answer(0, { ok: true, result: null });
    await sent;
    expect(told.at(-1)).toBeNull();
  });
});

describe('the same command of the same step', () => {
  test('is sent once however many wait for it', async () => {
    const sent = Promise.all([
      send('join', { a: 1, b: 2 }),
      send('join', { b: 2, a: 1 }),
      send('join', { a: 1, b: 2 }),
    ]);
    await answer(0, { ok: true, result: 'joined' });
    expect(await sent).toEqual(['joined', 'joined', 'joined']);
    expect(await rows()).toHaveLength(1);
  });

  test('is answered from its record once it has succeeded', async () => {
    const sent = send('join', {});
    await answer(0, { ok: true, result: 'joined' });
    await sent;
    expect(await send('join', {})).toBe('joined');
    expect(await rows()).toHaveLength(1);
  });

  test('is done anew after each failure', async () => {
    for (const index of [0, 1]) {
      const failed = send('join', {});
      await Promise.all([expect(failed).rejects.toThrow('No space left'), answer(index, failure)]);
    }
    const sent = send('join', {});
    await answer(2, { ok: true, result: 'joined' });
    expect(await sent).toBe('joined');
    expect((await rows()).map(({ status }) => status)).toEqual(['FAILED', 'FAILED', 'SUCCEEDED']);
  });

  test('differs by payload, kind and step', async () => {
    const sent = [
      send('join', {}),
      send('join', { force: true }),
      send('leave', {}),
      send('join', {}, { stepKey: 'other' }),
    ];
    for (const index of [0, 1, 2, 3]) await answer(index, { ok: true, result: index });
    await Promise.all(sent);
    expect(await rows()).toHaveLength(4);
  });
});
