import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createGroveClient } from '#client/createGroveClient.ts';
import { eventsDocument, readers, type Told } from '../client/readers.ts';
import { acceptedCluster, cursorNow, deletedCluster, loggedEvents, operationEnd } from '../support/clusterCalls.ts';
import { cuttingProxy } from '../support/cuttingProxy.ts';
import { createGroveHome, destroyAfterAll, type GroveHome, type GroveProcess } from '../support/groveProcess.ts';

let home: GroveHome;
beforeAll(async () => {
  home = await createGroveHome();
});
destroyAfterAll(() => home);

const makeKey = 'mutation ($name: String!) { createApiKey(input: { name: $name, role: VIEWER }) { __typename } }';

async function makeKeys({ client }: GroveProcess, count: number, between: (n: number) => void): Promise<void> {
  for (let n = 0; n < count; n++) {
    await client.data(makeKey, { name: `key ${n}` });
    between(n);
  }
}

describe('clients that resume', () => {
  test('are told every event once and in order while connections are cut and Grove is killed with -9', {
    timeout: 180_000,
  }, async () => {
    let grove = await home.start();
    const after = await cursorNow(grove.client);
    const proxy = await cuttingProxy(grove.url);
    const client = createGroveClient({ url: proxy.url, key: grove.key });
    onTestFinished(() => client.terminate());
    const request = { query: eventsDocument, variables: { after } };
    const told: Record<string, Told> = Object.fromEntries(
      Object.entries(readers).map(([name, read]) => [
        name,
        read(client, request, { backoff: { firstMs: 100, longestMs: 500 } }),
      ]),
    );

    for (let life = 0; life < 2; life++) {
      await makeKeys(grove, 30, (n) => n % 7 === 6 && proxy.cut());
      await acceptedCluster(grove.client, { name: `orders-${life}`, instanceCount: 1 });
      await makeKeys(grove, 5, () => {});
      await grove.kill();
      grove = await home.start();
    }
    const { clusters } = await grove.client.data('{ clusters { nodes { id currentOperation { id } } } }');
    for (const { id, currentOperation } of clusters.nodes) {
      if (currentOperation) await operationEnd(grove.client, currentOperation.id);
      expect(await deletedCluster(grove.client, id)).toMatchObject({ status: 'SUCCEEDED' });
    }

    const log = (await loggedEvents(grove.client, after)).map(({ cursor }) => cursor);
    expect(clusters.nodes).toHaveLength(2);
    expect(log.length).toBeGreaterThan(2 * 35);
    for (const [name, { events, gaps, errors }] of Object.entries(told)) {
      await expect.poll(() => events.length, { message: name }).toBe(log.length);
      expect(
        events.map(({ cursor }) => cursor),
        name,
      ).toEqual(log);
      expect({ gaps, errors }, name).toEqual({ gaps: [], errors: [] });
    }
    expect(await grove.interrupt()).toMatchObject({ inOrder: true });
  });
});
