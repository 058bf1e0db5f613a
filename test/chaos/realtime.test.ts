import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { destroyAfterAll } from '../support/groveProcess.ts';
import { redisHint, redisIsInstalled } from '../support/redisServer.ts';
import { doFaults } from './realtimeFaults.ts';
import type { RealtimeSubscriber } from './realtimeSubscriber.ts';
import { createRealtimeWorld, type RealtimeWorld } from './realtimeWorld.ts';

/** `npm run chaos:realtime` asks for a hundred; `npm test` takes a sample. */
const faults = Number(process.env.GROVE_CHAOS_FAULTS ?? 8);
const patience = { timeout: 60_000, interval: 50 };

describe.skipIf(!redisIsInstalled)(`realtime under faults${redisHint}`, () => {
  let world: RealtimeWorld;
  beforeAll(async () => {
    world = await createRealtimeWorld({ subscribers: 50 });
  }, 60_000);
  afterAll(() => world.close());
  destroyAfterAll(() => world.home);

  const heard = (label: string) => (subscriber: RealtimeSubscriber) =>
    subscriber.told.some((told) => told.label === label);

  /** Writes until it is acknowledged, and waits until everybody has heard of it. */
  async function everybodyHears(label: string): Promise<void> {
    while (!(await world.write(label))) await pause(100);
    await expect.poll(() => world.subscribers.every(heard(label)), patience).toBe(true);
  }

  /** Each list is the table since the first cursor: nothing lost, nothing twice, in order. */
  async function expectWholeLists(): Promise<void> {
    const logged = await world.logged();
    for (const [index, { told, complaints }] of world.subscribers.entries()) {
      const list = told.map(({ cursor, label }) => ({ cursor, label }));
      expect(list.length, `subscriber ${index}`).toBe(logged.length);
      expect(list, `subscriber ${index}`).toEqual(logged);
      expect(complaints).toEqual([]);
    }
  }

  test('without Redis subscribers of another node wait for the look of every second, and lose nothing', async () => {
    await everybodyHears('before');
    await world.redis.kill();
    const delays: number[] = [];
    for (let round = 1; round <= 3; round += 1) {
      const label = `without Redis ${round}`;
      await world.write(label);
      const written = performance.now();
      await expect.poll(() => world.subscribers.every(heard(label)), patience).toBe(true);
      const at = ({ told }: RealtimeSubscriber) => told.find((one) => one.label === label)?.at ?? Number.NaN;
      delays.push(Math.max(...world.subscribers.map(at)) - written);
    }
    await world.redis.start();
    console.info(`without Redis: ${delays.map((ms) => `${Math.round(ms)} ms`).join(', ')}`);
    expect(Math.max(...delays)).toBeLessThan(3_000);
    await expect
      .poll(async () => {
        const label = `with Redis ${crypto.randomUUID()}`;
        const written = performance.now();
        await everybodyHears(label);
        return performance.now() - written;
      }, patience)
      .toBeLessThan(500);
    await expectWholeLists();
  }, 120_000);

  test(`${faults} faults: every subscriber’s list is the log, nothing lost, nothing twice, in order`, async () => {
    let going = true;
    const load = Array.from({ length: 3 }, async (_, writer) => {
      for (let number = 1; going; number += 1) {
        const labels = Array.from({ length: 1 + (number % 3) }, (_entry, index) => `${writer}-${number}-${index}`);
        if (!(await world.write(...labels))) await pause(50);
        await pause(Math.random() * 200);
      }
    });
    const disconnects = (async () => {
      while (going) {
        await pause(Math.random() * 400);
        world.subscribers[Math.floor(Math.random() * world.subscribers.length)]?.drop();
      }
    })();
    const tell = (line: string) => (faults > 20 ? console.info(line) : undefined);
    const done = await doFaults(world, { count: faults, longestFreezeMs: faults > 20 ? 10_000 : 2_000, tell });
    going = false;
    await Promise.all([...load, disconnects]);
    await everybodyHears('the end');
    await expectWholeLists();
    expect(world.ended()).toEqual([]);
    const connections = world.subscribers.reduce((sum, subscriber) => sum + subscriber.connections, 0);
    const counts = [...done].map(([kind, count]) => `${kind} ${count}`).join(', ');
    console.info(`${(await world.logged()).length} events, ${connections} connections; ${counts}`);
  }, 1_800_000);
});
