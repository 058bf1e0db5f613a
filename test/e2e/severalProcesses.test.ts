import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '#lib/freePort.ts';
import { type ApiClient, createApiClient, type Shape } from '../support/apiClient.ts';
import { acceptedCluster, deletedCluster, eventLines, operationEnd, readCluster } from '../support/clusterCalls.ts';
import { createGroveHome, type GroveHome, type GroveProcess } from '../support/groveProcess.ts';
import { createEmptyTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { RedisServer, redisHint, redisIsInstalled } from '../support/redisServer.ts';

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
        GROVE_CONTROL_URL: `ws://127.0.0.1:${ports[0]}`,
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
      await home.destroy();
      await redis.close();
      await database.close();
    });

    test('build, show and delete a cluster: asked for at one, watched at the other, done by the worker', async () => {
      const watching = eventLines(clients[1], null, (lines) => lines.includes('orders DELETING→DELETED'));
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

    test('take up what a worker that was killed with -9 had begun within 15 s of its death', async () => {
      const { clusterId, operationId } = await acceptedCluster(clients[0], { name: 'taken-over', instanceCount: 2 });
      await untilAttempt(clients[0], operationId, 'provision taken-over-1', 1);
      await worker.kill();
      const killed = performance.now();
      worker = await home.start({ command: 'worker', environment });
      await untilAttempt(clients[0], operationId, 'provision taken-over-1', 2);
      expect(performance.now() - killed).toBeLessThan(15_000);
      expect(await operationEnd(clients[1], operationId)).toMatchObject({ status: 'SUCCEEDED' });
      expect(await deletedCluster(clients[0], clusterId)).toMatchObject({ status: 'SUCCEEDED' });
    }, 90_000);

    test('stop in order', async () => {
      for (const grove of [worker, ...apis]) expect(await grove.interrupt()).toMatchObject({ inOrder: true });
    });
  },
);

/** Waits until the step has been begun this often. */
async function untilAttempt(client: ApiClient, operationId: string, name: string, attempt: number): Promise<void> {
  const subscription = 'subscription ($id: ID!) { operation(id: $id) { steps { name attempt } } }';
  for await (const { operation } of client.subscribe(subscription, { id: operationId })) {
    const step = operation.steps.find((candidate: Shape) => candidate.name === name);
    if (step.attempt >= attempt) return;
  }
}
