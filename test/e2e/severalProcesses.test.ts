import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '#lib/host/freePort.ts';
import { type ApiClient, createApiClient, type Shape } from '../support/apiClient.ts';
import {
  acceptedCluster,
  cursorNow,
  deletedCluster,
  eventLines,
  eventsUntil,
  isBeginningOf,
  loggedEvents,
  operationEnd,
  readCluster,
} from '../support/clusterCalls.ts';
import { createGroveHome, destroyAfterAll, type GroveHome, type GroveProcess } from '../support/groveProcess.ts';
import { asShown, openMonitor, screenOf, shownEvents } from '../support/monitorScreen.ts';
import { createEmptyTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { RedisServer, redisHint, redisIsInstalled } from '../support/redisServer.ts';
import { tmuxHint, tmuxIsInstalled } from '../support/terminal.ts';

const patience = { timeout: 30_000, interval: 100 };

describe.skipIf(!redisIsInstalled)(
  `two api processes and a worker over one PostgreSQL and one Redis${redisHint}`,
  () => {
    let home: GroveHome;
    let database: TestDatabase;
    let redis: RedisServer;
    let apis: [GroveProcess, GroveProcess];
    let worker: GroveProcess;
    let clients: [ApiClient, ApiClient];
    let environment: Record<string, string>;

    beforeAll(async () => {
      [home, database, redis] = await Promise.all([createGroveHome(), createEmptyTestDatabase(), RedisServer.start()]);
      const ports = [await freePort(), await freePort()] as const;
      environment = {
        DATABASE_URL: database.url,
        REDIS_URL: redis.url,
        GROVE_SECRET_KEY: randomBytes(32).toString('base64'),
        GROVE_CONTROL_URL: `ws://127.0.0.1:${ports[1]},ws://127.0.0.1:${ports[0]}`,
      };
      apis = await Promise.all([
        home.start({ command: 'api', port: ports[0], environment }),
        home.start({ command: 'api', port: ports[1], environment }),
      ]);
      worker = await home.start({ command: 'worker', environment });
      const key = (await readFile(join(home.directory, 'admin.key'), 'utf8')).trim();
      clients = [createApiClient(apis[0].url, key), createApiClient(apis[1].url, key)];
    }, 60_000);
    afterAll(async () => {
      await redis.close();
      await database.close();
    });
    // Before them: vitest calls the last one first.
    destroyAfterAll(() => home);

    test('build, show and delete a cluster: asked for at one, watched at the other, done by the worker', async () => {
      const watching = eventLines(clients[1], await cursorNow(clients[0]), (lines) =>
        lines.includes('orders DELETING→DELETED'),
      );
      const { clusterId, operationId } = await acceptedCluster(clients[0], { name: 'orders', instanceCount: 2 });
      expect(await operationEnd(clients[1], operationId)).toMatchObject({ status: 'SUCCEEDED' });
      expect(await readCluster(clients[1], clusterId)).toMatchObject({
        status: 'ACTIVE',
        health: { level: 'HEALTHY' },
      });
      expect(await deletedCluster(clients[0], clusterId)).toMatchObject({ status: 'SUCCEEDED' });
      const ofCluster = (await watching).filter((line) => /^orders \w*→(?:ACTIVE|DELETING|DELETED)$/.test(line));
      expect(ofCluster).toEqual(['orders BUILDING→ACTIVE', 'orders ACTIVE→DELETING', 'orders DELETING→DELETED']);
    }, 60_000);

    test('tell a stream that is resumed at another one all that it missed and all that follows, once and in order', async () => {
      const start = await cursorNow(clients[0]);
      const surviving = eventsUntil(clients[1], start, isEndOf('resumed'), { reconnecting: true });
      const { clusterId, operationId } = await acceptedCluster(clients[0], { name: 'resumed', instanceCount: 2 });
      const begun = await eventsUntil(clients[0], start, isBeginningOf('bootstrap resumed-1'));
      const middle = begun.at(-1).cursor;
      const resumed = eventsUntil(clients[1], middle, isBeginningOf('join resumed-2'));
      expectSameEvents(await resumed, await loggedEvents(clients[0], middle));

      await apis[1].kill();
      apis[1] = await home.start({ command: 'api', port: Number(new URL(apis[1].url).port), environment });
      expect(await operationEnd(clients[0], operationId)).toMatchObject({ status: 'SUCCEEDED' });
      const all = await surviving;
      const logged = await loggedEvents(clients[0], start);
      expectSameEvents(all, logged);
      const status = ({ type, toStatus }: Shape) => type === 'CLUSTER_STATUS_CHANGED' && toStatus;
      expect(all.map(status).filter(Boolean)).toEqual(['BUILDING', 'ACTIVE']);
      expect(await deletedCluster(clients[1], clusterId)).toMatchObject({ status: 'SUCCEEDED' });
    }, 90_000);

    test.skipIf(!tmuxIsInstalled)(
      `show a monitor every transition, though its process is killed with -9${tmuxHint}`,
      async () => {
        const terminal = await openMonitor(home, `${apis[1].url},${apis[0].url}`);
        await expect.poll(() => screenOf(terminal), patience).toContain('live');
        const start = await cursorNow(clients[0]);
        const begun = eventsUntil(clients[0], start, isBeginningOf('bootstrap watched-1'));
        const { clusterId, operationId } = await acceptedCluster(clients[0], { name: 'watched', instanceCount: 2 });
        await begun;
        await apis[1].kill();
        // The agents had that process too.
        expect(await operationEnd(clients[0], operationId)).toMatchObject({ status: 'SUCCEEDED' });
        await expect.poll(() => screenOf(terminal), patience).toMatch(/live[\s\S]*watched +ACTIVE +HEALTHY/);
        const logged = (await loggedEvents(clients[0], start)).map(asShown);
        await expect.poll(async () => (await shownEvents(terminal)).slice(-logged.length), patience).toEqual(logged);
        expect(await screenOf(terminal)).not.toContain('missing');
        await terminal.press('q');
        await expect.poll(() => terminal.isOpen(), patience).toBe(false);
        apis[1] = await home.start({ command: 'api', port: Number(new URL(apis[1].url).port), environment });
        expect(await deletedCluster(clients[1], clusterId)).toMatchObject({ status: 'SUCCEEDED' });
      },
      90_000,
    );

    test('take up what a worker that was killed with -9 had begun within 15 s of its death', async () => {
      const start = await cursorNow(clients[0]);
      const { clusterId, operationId } = await acceptedCluster(clients[0], { name: 'taken-over', instanceCount: 2 });
      const isStep = isBeginningOf('bootstrap taken-over-1');
      await eventsUntil(clients[0], start, isStep);
      const killedAt = Date.now();
      await worker.kill();
      worker = await home.start({ command: 'worker', environment });
      const again = await eventsUntil(
        clients[0],
        start,
        (event) => isStep(event) && new Date(event.at).getTime() > killedAt,
      );
      expect(again.at(-1)).toMatchObject({ fromStatus: 'RUNNING', payload: { attempt: 2 } });
      expect(new Date(again.at(-1).at).getTime() - killedAt).toBeLessThan(15_000);
      expect(await operationEnd(clients[1], operationId)).toMatchObject({ status: 'SUCCEEDED' });
      expect(await deletedCluster(clients[0], clusterId)).toMatchObject({ status: 'SUCCEEDED' });
    }, 90_000);

    test('stop in order', async () => {
      for (const grove of [worker, ...apis]) expect(await grove.interrupt()).toMatchObject({ inOrder: true });
    });
  },
);

const isEndOf =
  (cluster: string) =>
  ({ type, toStatus, payload }: Shape): boolean =>
    type === 'CLUSTER_STATUS_CHANGED' && toStatus === 'ACTIVE' && payload.cluster === cluster;

/** What was streamed is the log up to the last event of it: nothing missing, nothing twice, in order. */
function expectSameEvents(streamed: Shape[], logged: Shape[]): void {
  expect(new Set(streamed.map(({ cursor }) => cursor)).size).toBe(streamed.length);
  expect(streamed).toEqual(logged.slice(0, streamed.length));
}
