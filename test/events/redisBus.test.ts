import { setImmediate } from 'node:timers/promises';
import { pino } from 'pino';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Bus, Topic } from '#events/bus.ts';
import { createRedisBus } from '#events/redisBus.ts';
import { StartupError } from '#lib/faults/startupError.ts';
import { freePort } from '#lib/host/freePort.ts';
import { RedisServer, redisHint, redisIsInstalled } from '../support/redisServer.ts';

const patience = { timeout: 10_000, interval: 20 };

describe.skipIf(!redisIsInstalled)(`the Redis bus${redisHint}`, () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await RedisServer.start();
    return () => server.close();
  });

  async function node(redis = server) {
    const lines: string[] = [];
    const logger = pino({}, { write: (line) => void lines.push(line) });
    const bus = await createRedisBus({ url: redis.url, logger });
    onTestFinished(() => bus.close());
    return { bus, lines };
  }

  function count(bus: Bus, topic: Topic): () => number {
    let heard = 0;
    bus.subscribe(topic, () => {
      heard += 1;
    });
    return () => heard;
  }

  test('wakes every node once, its own at once', async () => {
    const [one, two] = await Promise.all([node(), node()]);
    const [atOne, atTwo, other] = [count(one.bus, 'events:p'), count(two.bus, 'events:p'), count(two.bus, 'events:q')];
    one.bus.publish('events:p');
    await setImmediate();
    expect(atOne()).toBe(1);
    await vi.waitFor(() => expect(atTwo()).toBe(1), patience);
    // What comes after it on the same connection proves that nothing came twice.
    const sentinel = count(one.bus, 'keys');
    two.bus.publish('keys');
    await vi.waitFor(() => expect(sentinel()).toBe(1), patience);
    expect([atOne(), atTwo(), other()]).toEqual([1, 1, 0]);
  });

  test('uses one pair of connections, however many topics and subscribers', async () => {
    const probe = server.client();
    onTestFinished(() => probe.disconnect());
    const clients = async () => Number(/connected_clients:(\d+)/.exec(await probe.info('clients'))?.[1]);
    const before = await clients();
    const { bus } = await node();
    for (let topic = 0; topic < 100; topic += 1) bus.subscribe(`events:${topic}`, () => {});
    expect(await clients()).toBe(before + 2);
  });

  test('goes on without Redis, says so once, and is whole again when it is back', async () => {
    const redis = await RedisServer.start();
    onTestFinished(() => redis.close());
    const [one, two] = await Promise.all([node(redis), node(redis)]);
    const [atOne, atTwo] = [count(one.bus, 'events:p'), count(two.bus, 'events:p')];
    await redis.kill();
    for (let wakeUp = 0; wakeUp < 100; wakeUp += 1) one.bus.publish('events:p');
    await vi.waitFor(() => expect(one.lines.join('')).toContain('"role":"subscriber"'), patience);
    expect(atOne()).toBe(100);
    await redis.start();
    await vi.waitFor(() => {
      one.bus.publish('events:p');
      expect(atTwo()).toBeGreaterThan(0);
    }, patience);
    expect(one.lines.filter((line) => /away|closed the connection/.test(line))).toHaveLength(2);
    expect(one.lines.join('')).not.toContain('canary-password');
  });

  test('refuses to start without Redis: names the address and not the password', async () => {
    const port = await freePort();
    const starting = createRedisBus({ url: `redis://:canary@127.0.0.1:${port}`, logger: pino({ level: 'silent' }) });
    const error = await starting.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(StartupError);
    expect(String(error)).toContain(`127.0.0.1:${port}`);
    expect(String(error)).not.toContain('canary');
  });

  test('refuses to start with a wrong password', async () => {
    const starting = createRedisBus({
      url: `redis://:wrong@127.0.0.1:${server.port}`,
      logger: pino({ level: 'silent' }),
    });
    await expect(starting).rejects.toThrow(/Redis at 127.0.0.1:\d+ cannot be used \(.*WRONGPASS/);
  });
});
