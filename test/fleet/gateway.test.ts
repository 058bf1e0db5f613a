import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { agentCloseCodes } from '#agent/protocol.ts';
import { takingBackKey } from '#domain/takingBack.ts';
import { createDatabase } from '#store/database.ts';
import {
  type Agent,
  connectAgent,
  createCommand,
  createOperation,
  createWorld,
  openWire,
  servingObservation,
  type Wire,
  type World,
} from './fleetWorld.ts';

let world: World;
let wire: Wire;
let agents: Agent[];

beforeEach(async () => {
  world = await createWorld();
  wire = await openWire(world);
  agents = [];
});

afterEach(async () => {
  for (const { client } of agents) await client.dispose();
  await wire.close();
  await world.close();
});

function connect(hello: { instanceId: string; token: string; version?: string }): Agent {
  const agent = connectAgent(wire, hello);
  agents.push(agent);
  return agent;
}

const firstAgent = () => connect({ instanceId: world.first.id, token: 'one' });

async function nextOf<T>(iterator: AsyncIterator<T>): Promise<T> {
  const { done, value } = await iterator.next();
  if (done) throw new Error('The stream ended');
  return value;
}

describe('signing in', () => {
  test('an agent with its token is let in, and its version is stored', async () => {
    expect(await firstAgent().report(servingObservation)).toBe(true);
    const { agentVersion } = await world.db.instance.findUniqueOrThrow({ where: { id: world.first.id } });
    expect(agentVersion).toBe('1.2.3');
  });

  test.each([
    ['a wrong token', () => ({ instanceId: world.first.id, token: 'two' })],
    ['an empty token', () => ({ instanceId: world.first.id, token: '' })],
    ['an unknown instance', () => ({ instanceId: randomUUID(), token: 'one' })],
    ['an id that is none', () => ({ instanceId: "' OR true", token: 'one' })],
  ])('%s is refused', async (_what, hello) => {
    expect(await connect(hello()).closed).toBe(agentCloseCodes.forbidden);
  });

  test('a removed instance is refused', async () => {
    await world.db.instance.update({ where: { id: world.first.id }, data: { removedAt: new Date() } });
    expect(await firstAgent().closed).toBe(agentCloseCodes.forbidden);
  });

  test('an instance without a token is refused', async () => {
    await world.db.instance.update({ where: { id: world.first.id }, data: { agentTokenHash: null } });
    expect(await firstAgent().closed).toBe(agentCloseCodes.forbidden);
  });

  test('a second connection of an instance replaces the first', async () => {
    const first = firstAgent();
    await first.report(servingObservation);
    const second = firstAgent();
    expect(await second.report(servingObservation)).toBe(true);
    expect(await first.closed).toBe(4410);
    expect(await second.report(servingObservation)).toBe(true);
  });
});

test('while the store is away, agents are told to try again later', async () => {
  const db = createDatabase('postgresql://nobody@127.0.0.1:1/none');
  const away = await openWire(world, { db });
  const agent = connectAgent(away, { instanceId: world.first.id, token: 'one' });
  expect(await agent.closed).toBe(1013);
  await away.close();
  await db.$disconnect();
});

describe('commands', () => {
  test('come oldest first, once a connection, woken by the bus, and only to their instance', async () => {
    const now = Date.now();
    const second = await createCommand(world, world.first.id, 'second', new Date(now));
    const first = await createCommand(world, world.first.id, 'first', new Date(now - 1000));
    await createCommand(world, world.second.id, 'foreign');
    const commands = firstAgent().commands();
    expect(await nextOf(commands)).toEqual({ id: first.id, kind: 'first', payload: {}, secrets: {} });
    expect(await nextOf(commands)).toMatchObject({ id: second.id });
    const third = await createCommand(world, world.first.id, 'third');
    world.bus.publish(`commands:${world.first.id}`);
    expect(await nextOf(commands)).toMatchObject({ id: third.id });
  });

  test('are found without a wake-up', async () => {
    const commands = firstAgent().commands();
    const first = await createCommand(world, world.first.id, 'first');
    expect(await nextOf(commands)).toMatchObject({ id: first.id });
    const second = await createCommand(world, world.first.id, 'second');
    expect(await nextOf(commands)).toMatchObject({ id: second.id });
  });

  test('are repeated after a reconnect until they are finished', async () => {
    const command = await createCommand(world, world.first.id, 'start');
    const before = firstAgent();
    expect(await nextOf(before.commands())).toMatchObject({ id: command.id });
    await before.client.dispose();
    const after = firstAgent();
    const commands = after.commands();
    expect(await nextOf(commands)).toMatchObject({ id: command.id });
    await after.finish(command.id, { ok: true, result: null });
    const next = await createCommand(world, world.first.id, 'next');
    const last = firstAgent();
    expect(await nextOf(last.commands())).toMatchObject({ id: next.id });
  });

  test('are withdrawn once their operation comes to its end, until the agent has told theirs', async () => {
    const running = await createCommand(world, world.first.id, 'backUp');
    const agent = firstAgent();
    const commands = agent.commands();
    expect(await nextOf(commands)).toMatchObject({ id: running.id, kind: 'backUp' });
    await world.db.operation.update({ where: { id: world.operation.id }, data: { ending: { status: 'CANCELLED' } } });
    const withdrawal = { id: running.id, kind: 'withdraw', payload: {}, secrets: {} };
    expect(await nextOf(commands)).toEqual(withdrawal);
    await agent.client.dispose();
    const after = firstAgent();
    const again = after.commands();
    expect(await nextOf(again)).toEqual(withdrawal);
    const error = { code: 'WITHDRAWN', message: 'It was given up.', retryable: true };
    expect(await after.finish(running.id, { ok: false, error })).toBe(true);
    const next = await createOperationWithCommand();
    expect(await nextOf(again)).toMatchObject({ id: next.id });
  });

  test('of an operation that takes back what it made are done all the same, until it has ended', async () => {
    await world.db.operation.update({ where: { id: world.operation.id }, data: { ending: { status: 'CANCELLED' } } });
    const { id } = await createCommand(world, world.first.id, 'awaitSynchronous');
    await world.db.agentCommand.update({ where: { id }, data: { stepKey: takingBackKey(1) } });
    const commands = firstAgent().commands();
    expect(await nextOf(commands)).toMatchObject({ id, kind: 'awaitSynchronous' });
    await world.db.operation.update({ where: { id: world.operation.id }, data: { finishedAt: new Date() } });
    expect(await nextOf(commands)).toMatchObject({ id, kind: 'withdraw' });
  });

  test('of an ended operation are withdrawn, not delivered', async () => {
    const abandoned = await createCommand(world, world.first.id, 'abandoned');
    await world.db.operation.update({ where: { id: world.operation.id }, data: { finishedAt: new Date() } });
    const next = await createOperationWithCommand();
    const commands = firstAgent().commands();
    expect(await nextOf(commands)).toMatchObject({ id: abandoned.id, kind: 'withdraw' });
    expect(await nextOf(commands)).toMatchObject({ id: next.id, kind: 'k' });
  });

  async function createOperationWithCommand() {
    await world.db.operation.update({ where: { id: world.operation.id }, data: { finishedAt: new Date() } });
    const operation = await createOperation(world.db, world.cluster);
    return await world.db.agentCommand.create({
      data: {
        id: randomUUID(),
        instanceId: world.first.id,
        operationId: operation.id,
        stepKey: 's',
        kind: 'k',
        payload: {},
      },
    });
  }

  test("bring the cluster's secrets, which the store keeps only encrypted", async () => {
    const { keyId } = world.secrets;
    const secret = (name: string) => ({
      clusterId: world.cluster.id,
      name,
      keyId,
      ciphertext: world.secrets.seal(`${name}!`),
    });
    await world.db.clusterSecret.createMany({ data: [secret('admin'), secret('replicator')] });
    const { id } = await createCommand(world, world.first.id, 'start');
    const { secrets } = await nextOf(firstAgent().commands());
    expect(secrets).toEqual({ admin: 'admin!', replicator: 'replicator!' });
    expect(JSON.stringify(await world.db.agentCommand.findUnique({ where: { id } }))).not.toContain('admin!');
  });
});

describe('the end of a command', () => {
  test('is written once; a repeat answers true and changes nothing', async () => {
    const { id } = await createCommand(world, world.first.id, 'start');
    const agent = firstAgent();
    expect(await agent.progress(id, 'half way')).toBe(true);
    expect(await agent.finish(id, { ok: true, result: { position: '0/1' } })).toBe(true);
    expect(await agent.finish(id, { ok: false, error: { code: 'X', message: 'late', retryable: false } })).toBe(true);
    expect(await agent.progress(id, 'more')).toBe(false);
    const { status, result, error, progress, finishedAt } = await world.db.agentCommand.findUniqueOrThrow({
      where: { id },
    });
    expect({ status, result, error, progress }).toEqual({
      status: 'SUCCEEDED',
      result: { position: '0/1' },
      error: null,
      progress: 'half way',
    });
    expect(finishedAt).toBeInstanceOf(Date);
  });

  test('wakes those who wait for it', async () => {
    const { id } = await createCommand(world, world.first.id, 'start');
    const { promise: woken, resolve } = Promise.withResolvers<void>();
    world.bus.subscribe(`command:${id}`, resolve);
    await firstAgent().finish(id, { ok: true, result: null });
    await woken;
  });

  test('of another instance, or of none, cannot be told', async () => {
    const { id } = await createCommand(world, world.second.id, 'start');
    const agent = firstAgent();
    expect(await agent.finish(id, { ok: true, result: null })).toBe(false);
    expect(await agent.progress(id, 'mine')).toBe(false);
    expect(await agent.finish(randomUUID(), { ok: true, result: null })).toBe(false);
    expect(await agent.finish('nonsense', { ok: true, result: null })).toBe(false);
    expect(await world.db.agentCommand.findUnique({ where: { id } })).toMatchObject({
      status: 'PENDING',
      progress: null,
    });
  });

  test('that is no outcome is a visible failure', async () => {
    const { id } = await createCommand(world, world.first.id, 'start');
    expect(await firstAgent().finish(id, { ok: 'perhaps' })).toBe(true);
    expect(await world.db.agentCommand.findUnique({ where: { id } })).toMatchObject({
      status: 'FAILED',
      error: { code: 'AGENT_PROTOCOL', retryable: false },
    });
  });

  test('may hold what PostgreSQL cannot', async () => {
    const { id } = await createCommand(world, world.first.id, 'start');
    await firstAgent().finish(id, { ok: true, result: { text: 'a\0b\ud800c' } });
    const { result } = await world.db.agentCommand.findUniqueOrThrow({ where: { id } });
    expect(result).toEqual({ text: 'ab\ufffdc' });
  });
});

describe('closing', () => {
  test('sends agents away with "come back soon", and refuses new ones', async () => {
    const agent = firstAgent();
    await agent.report(servingObservation);
    await wire.gateway.close();
    expect(await agent.closed).toBe(agentCloseCodes.goingAway);
    expect(await firstAgent().closed).toBe(1006);
  });

  test('does not wait for an agent that hangs', async () => {
    const hello = { type: 'connection_init', payload: { instanceId: world.first.id, token: 'one', version: '1' } };
    const socket = new WebSocket(wire.url, 'graphql-transport-ws');
    await once(socket, 'open');
    socket.send(JSON.stringify(hello));
    await once(socket, 'message');
    socket.pause();
    const begun = performance.now();
    await wire.gateway.close();
    expect(performance.now() - begun).toBeLessThan(3_000);
    socket.terminate();
  });
});

test('an observation is written to its instance', async () => {
  const { promise: written, resolve } = Promise.withResolvers<void>();
  world.bus.subscribe(`instance:${world.first.id}`, resolve);
  await firstAgent().report({ ...servingObservation, fromTheFuture: 1 });
  await written;
  const { serving, observation, observedAt } = await world.db.instance.findUniqueOrThrow({
    where: { id: world.first.id },
  });
  expect({ serving, observation }).toEqual({ serving: true, observation: { ...servingObservation, fromTheFuture: 1 } });
  expect(Date.now() - (observedAt?.getTime() ?? 0)).toBeLessThan(5_000);
  await expect.poll(() => wire.changed).toEqual([world.cluster.id]);
});
