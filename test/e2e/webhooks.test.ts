import { Webhook as StandardWebhook } from 'standardwebhooks';
import { beforeAll, expect, test } from 'vitest';
import { createGroveHome, destroyAfterAll, type GroveHome } from '../support/groveProcess.ts';
import { startReceiver } from '../webhooks/receiver.ts';

const environment = { GROVE_WEBHOOK_ALLOW_PRIVATE: '127.0.0.0/8' };

let home: GroveHome;
beforeAll(async () => {
  home = await createGroveHome();
});
destroyAfterAll(() => home);

const createWebhook = /* GraphQL */ `
  mutation ($url: String!) {
    createWebhook(input: { url: $url, filter: { types: [API_KEY_CREATED] } }) {
      ... on CreateWebhookPayload { signingSecret webhook { id } }
      ... on Error { code message }
    }
  }`;
const createKey = /* GraphQL */ `
  mutation ($name: String!) {
    createApiKey(input: { name: $name, role: VIEWER }) { ... on CreateApiKeyPayload { apiKey { id } } }
  }`;

test('a webhook is delivered through kill -9 of Grove: every event, in order, the message in doubt again as it was', async () => {
  let grove = await home.start({ environment });
  const killed = Promise.withResolvers<void>();
  let alive = true;
  // Grove dies while the message with the third key is being answered.
  const receiver = await startReceiver(({ data }) => {
    if (!alive || !data.events.some(({ payload }) => payload.name === 'key 3')) return 204;
    alive = false;
    return async (response) => {
      await grove.kill();
      response.destroy();
      killed.resolve();
    };
  });
  const { createWebhook: made } = await grove.client.data(createWebhook, { url: receiver.url });
  const names = Array.from({ length: 12 }, (_, index) => `key ${index + 1}`);
  const acknowledged: string[] = [];
  for (const name of names.slice(0, 8)) {
    try {
      await grove.client.data(createKey, { name });
      acknowledged.push(name);
    } catch {
      break;
    }
  }
  await killed.promise;
  grove = await home.start({ environment });
  const began = performance.now();
  for (const name of names.slice(8)) {
    await grove.client.data(createKey, { name });
    acknowledged.push(name);
  }
  const told = () =>
    receiver.received.flatMap(({ data }) => data.events.map(({ cursor, payload }) => ({ cursor, name: payload.name })));
  await receiver.until(() => told().some(({ name }) => name === 'key 12'), 10_000);
  expect(performance.now() - began).toBeLessThan(10_000);
  const messages = new Map(receiver.received.map(({ headers, body }) => [headers['webhook-id'], body]));
  for (const { headers, body } of receiver.received) expect(messages.get(headers['webhook-id'] ?? '')).toBe(body);
  const unique = [...new Map(told().map(({ cursor, name }) => [cursor, name])).values()];
  // What was being asked for at the kill may or may not have been committed.
  expect(unique.filter((name) => acknowledged.includes(String(name)))).toEqual(acknowledged);
  expect(told().length).toBeGreaterThan(unique.length);
  const verifier = new StandardWebhook(made.signingSecret);
  for (const { body, headers } of receiver.received) expect(() => verifier.verify(body, headers)).not.toThrow();
  expect(await grove.interrupt()).toMatchObject({ inOrder: true });
  expect(grove.output()).not.toContain(made.signingSecret.slice(6));
}, 60_000);
