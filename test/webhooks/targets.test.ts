import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createWebhook } from '#webhooks/createWebhook.ts';
import type { Resolve } from '#webhooks/guardedLookup.ts';
import { updateWebhook } from '#webhooks/updateWebhook.ts';
import { startReceiver } from './receiver.ts';
import { createWebhookWorld } from './webhookWorld.ts';

/** A name service that gives these addresses, one list a look-up, the last one for ever; notes what it was asked. */
function nameService(...answers: string[][]) {
  const asked: string[] = [];
  const resolve = ((hostname: string, _options: object, callback: (...args: unknown[]) => void) => {
    const addresses = answers[Math.min(asked.length, answers.length - 1)] ?? [];
    asked.push(hostname);
    const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    queueMicrotask(() => callback(null, found));
  }) as unknown as Resolve;
  return { resolve, asked };
}

const notPublic = 'leads to an address that is not public';

async function failureOf(
  input: { url: string },
  delivering: { networks: readonly string[]; resolve?: Resolve },
): Promise<{ error: string | null | undefined; connected: number }> {
  const world = await createWebhookWorld();
  const receiver = await startReceiver();
  const project = await world.createProject();
  const url = input.url.replace('PORT', String(receiver.port));
  // Made while it was allowed: the refusal below is that of the connection.
  const { webhookId } = await project.create({ url });
  await world.deliver(delivering);
  await world.until(webhookId, ({ deliveryCount }) => deliveryCount > 0);
  return { error: (await world.deliveries(webhookId))[0]?.error, connected: receiver.received.length };
}

describe('a connection is refused', () => {
  test('to a literal address that is not public', async () => {
    const { error, connected } = await failureOf({ url: 'http://127.0.0.1:PORT/' }, { networks: [] });
    expect(error).toContain(notPublic);
    expect(connected).toBe(0);
  });

  test.each([
    ['loopback', '127.0.0.1'],
    ['IPv6 loopback', '::1'],
    ['mapped loopback', '::ffff:127.0.0.1'],
    ['the metadata service', '169.254.169.254'],
    ['a private one', '10.0.0.1'],
  ])('to a name that leads to %s', async (_what, address) => {
    const { resolve } = nameService([address]);
    const { error, connected } = await failureOf({ url: 'https://hooks.test:PORT/' }, { networks: [], resolve });
    expect(error).toContain(notPublic);
    expect(error).not.toContain(address);
    expect(connected).toBe(0);
  });

  test('to a name of which one address is not public', async () => {
    const { resolve } = nameService(['93.184.216.34', '127.0.0.1']);
    const { error } = await failureOf({ url: 'https://hooks.test:PORT/' }, { networks: [], resolve });
    expect(error).toContain(notPublic);
  });

  test('over plain http to a public address', async () => {
    const { resolve } = nameService(['93.184.216.34']);
    const { error } = await failureOf({ url: 'http://hooks.test:PORT/' }, { networks: ['10.0.0.0/8'], resolve });
    expect(error).toContain('plain http is only for networks that are allowed');
  });
});

test('the address that was judged is the one that is connected to: a name that changes its answer gains nothing', async () => {
  const world = await createWebhookWorld();
  const receiver = await startReceiver();
  const project = await world.createProject();
  // Allowed is 127.0.0.1 alone. A second look-up for the same connection would be given the metadata service.
  const { resolve, asked } = nameService(['127.0.0.1'], ['169.254.169.254']);
  const { webhookId } = await project.create({ url: `http://hooks.test:${receiver.port}/` });
  await world.deliver({ networks: ['127.0.0.1/32'], resolve });
  await receiver.until((received) => received.length === 1);
  expect(asked).toEqual(['hooks.test']);
  // The next connection is judged anew.
  await world.until(webhookId, ({ cursorSeq, leaseId }) => cursorSeq === 1n && leaseId === null);
  await project.write(['LATER']);
  await world.until(webhookId, ({ failedAttempts }) => failedAttempts > 0);
  expect((await world.deliveries(webhookId)).at(-1)?.error).toContain(notPublic);
  expect(receiver.received).toHaveLength(1);
});

test('a URL that cannot be meant is refused at once, with the way out', async () => {
  const world = await createWebhookWorld();
  const project = await world.createProject();
  const refused = { ...world.deps, webhookNetworks: [] };
  const { webhookId } = await project.create({ url: 'https://hooks.example.com/' });
  const fault = {
    code: 'INVALID_INPUT',
    message: `url: ${notPublic}. Whoever runs this Grove can allow networks with GROVE_WEBHOOK_ALLOW_PRIVATE.`,
  };
  const changed = updateWebhook(refused, project.actor, { webhookId, url: 'https://127.1/' });
  await expect(changed).rejects.toMatchObject(fault);
  for (const url of ['https://localhost/', 'https://[::1]/']) {
    await expect(createWebhook(refused, project.actor, { url })).rejects.toMatchObject(fault);
  }
});

const hasOpenssl = (() => {
  try {
    execFileSync('openssl', ['version']);
    return true;
  } catch {
    return false;
  }
})();

test.skipIf(!hasOpenssl)('over https the certificate is checked (needs openssl)', async () => {
  const world = await createWebhookWorld();
  const project = await world.createProject();
  const made = execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', '-', '-days', '1', '-subj', '/CN=localhost'],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
  let requests = 0;
  const server = createServer({ key: made, cert: made }, (_request, response) => {
    requests += 1;
    response.end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { webhookId } = await project.create({ url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/` });
  await world.deliver();
  await world.until(webhookId, ({ deliveryCount }) => deliveryCount > 0);
  expect((await world.deliveries(webhookId))[0]?.error).toBe('the request failed (DEPTH_ZERO_SELF_SIGNED_CERT)');
  expect(requests).toBe(0);
});
