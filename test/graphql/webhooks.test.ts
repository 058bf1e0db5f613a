import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Actor } from '#domain/actor.ts';
import { createGraphqlWorld, type GraphqlWorld, globalId, insertCluster, type Variables } from './graphqlWorld.ts';

let world: GraphqlWorld;
let actor: Actor;
beforeAll(async () => {
  world = await createGraphqlWorld();
  actor = await world.createActor();
});
afterAll(() => world.close());

const fields = `id url description filter { clusterIds types statuses } status statusReason cursor
  lag { events since } failedAttempts nextAttemptAt previousSecretExpiresAt
  deliveries { totalCount nodes { messageId attempt at durationMs delivered httpStatus error answer events cursor } }`;
const refusal = '... on Error { __typename code message } ... on InvalidInputError { fields { path message } }';

async function call(mutation: string, input: Variables, by = actor, selection = `webhook { ${fields} }`) {
  const name = mutation.slice(0, 1).toUpperCase() + mutation.slice(1);
  const answer = await world.ask(
    by,
    `mutation ($input: ${name}Input!) { r: ${mutation}(input: $input) { ... on ${name}Payload { ${selection} } ${refusal} } }`,
    { input },
  );
  expect(answer.errors).toBeUndefined();
  return answer.data.r;
}

test('a webhook is made, shown, changed, replayed and removed, and its secret is shown twice in all', async () => {
  const cluster = await insertCluster(world, actor, { name: 'orders' });
  const made = await call(
    'createWebhook',
    {
      url: 'https://hooks.example.com/grove?token=canary',
      description: 'chat',
      filter: { clusterIds: [cluster.globalId], types: ['API_KEY_CREATED', 'WEBHOOK_UPDATED'] },
    },
    actor,
    `signingSecret webhook { ${fields} }`,
  );
  expect(made.signingSecret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  const { id, cursor } = made.webhook;
  expect(made.webhook).toEqual({
    id: expect.any(String),
    url: 'https://hooks.example.com/grove?token=canary',
    description: 'chat',
    filter: { clusterIds: [cluster.globalId], types: ['API_KEY_CREATED', 'WEBHOOK_UPDATED'], statuses: null },
    status: 'ACTIVE',
    statusReason: null,
    cursor: expect.any(String),
    lag: { events: 0, since: null },
    failedAttempts: 0,
    nextAttemptAt: null,
    previousSecretExpiresAt: null,
    deliveries: { totalCount: 0, nodes: [] },
  });
  const changed = await call('updateWebhook', { webhookId: id, filter: {}, paused: true });
  expect(changed.webhook).toMatchObject({
    filter: { clusterIds: null, types: null, statuses: null },
    status: 'PAUSED',
    statusReason: 'Paused with updateWebhook.',
    lag: { events: 2, since: expect.any(String) },
  });
  const rotated = await call('rotateWebhookSecret', { webhookId: id }, actor, `signingSecret webhook { ${fields} }`);
  expect(rotated.signingSecret).not.toBe(made.signingSecret);
  expect(new Date(rotated.webhook.previousSecretExpiresAt).getTime()).toBeGreaterThan(Date.now() + 86_000_000);
  expect((await call('replayWebhook', { webhookId: id, after: cursor })).webhook.cursor).toBe(cursor);
  const all = await world.ask(
    actor,
    `{ webhooks { totalCount nodes { ${fields} } } events(last: 50) { nodes { type payload } } }`,
  );
  expect(all.data.webhooks).toMatchObject({ totalCount: 1, nodes: [{ id, lag: { events: 4 } }] });
  const told = all.data.events.nodes.filter(({ type }: { type: string }) => type.startsWith('WEBHOOK_'));
  expect(told.map(({ type }: { type: string }) => type)).toEqual([
    'WEBHOOK_CREATED',
    'WEBHOOK_UPDATED',
    'WEBHOOK_STATUS_CHANGED',
    'WEBHOOK_SECRET_ROTATED',
    'WEBHOOK_REPLAYED',
  ]);
  for (const { payload } of told) {
    expect(payload).toMatchObject({ webhookId: id, receiver: 'https://hooks.example.com', description: 'chat' });
  }
  for (const secret of [made.signingSecret, rotated.signingSecret, 'canary']) {
    expect(JSON.stringify(told)).not.toContain(secret);
  }
  const remove =
    'mutation ($id: ID!) { r: deleteWebhook(input: { webhookId: $id }) { ... on DeleteWebhookPayload { webhookId } } }';
  expect((await world.ask(actor, remove, { id })).data.r).toEqual({ webhookId: id });
  expect((await world.ask(actor, 'query ($id: ID!) { node(id: $id) { id } }', { id })).data.node).toBe(null);
});

test('deliveries are pages, the newest first', async () => {
  const { webhook } = await call('createWebhook', { url: 'https://hooks.example.com/' });
  const webhookId = Buffer.from(webhook.id, 'base64').toString().split(':')[1] ?? '';
  await world.operations.deps.db.webhookDelivery.createMany({
    data: [1, 2, 3].map((number) => ({
      webhookId,
      number,
      messageId: `msg_${number}`,
      attempt: number,
      createdAt: new Date(Date.UTC(2026, 0, number)),
      durationMs: 12,
      events: 2,
      lastSeq: BigInt(number),
      delivered: number === 3,
      httpStatus: number === 1 ? null : 200,
      error: number === 1 ? 'no answer within 10 s' : null,
    })),
  });
  const page = (after: string | null) =>
    world.ask(
      actor,
      `query ($id: ID!, $after: String) { node(id: $id) { ... on Webhook {
        deliveries(first: 2, after: $after) { nodes { messageId error cursor } pageInfo { hasNextPage endCursor } } } } }`,
      { id: webhook.id, after },
    );
  const first = (await page(null)).data.node.deliveries;
  expect(first.nodes).toMatchObject([{ messageId: 'msg_3' }, { messageId: 'msg_2' }]);
  expect(first.pageInfo.hasNextPage).toBe(true);
  expect((await page(first.pageInfo.endCursor)).data.node.deliveries.nodes).toEqual([
    { messageId: 'msg_1', error: 'no answer within 10 s', cursor: world.feed.encode(1n) },
  ]);
});

describe('what cannot be meant is refused with the typed error', () => {
  test.each<[string, Variables, string]>([
    ['a private address', { url: 'https://10.0.0.1/' }, 'url'],
    ['plain http to a public address', { url: 'http://8.8.8.8/' }, 'url'],
    ['a password in the URL', { url: 'https://a:b@example.com/' }, 'url'],
    ['no URL', { url: 'hooks' }, 'url'],
    [
      'an event that deliveries cause',
      { url: 'https://a.test', filter: { types: ['WEBHOOK_STATUS_CHANGED'] } },
      'filter.types.0',
    ],
    ['an empty list', { url: 'https://a.test', filter: { types: [] } }, 'filter.types'],
    ['no status', { url: 'https://a.test', filter: { statuses: ['active'] } }, 'filter.statuses.0'],
    ['a long description', { url: 'https://a.test', description: 'x'.repeat(201) }, 'description'],
  ])('%s', async (_what, input, path) => {
    const before = await world.operations.deps.db.webhook.count();
    expect(await call('createWebhook', input)).toMatchObject({ code: 'INVALID_INPUT', fields: [{ path }] });
    expect(await world.operations.deps.db.webhook.count()).toBe(before);
  });

  test('clusters of another project, or none at all', async () => {
    const stranger = await world.createActor();
    const foreign = await insertCluster(world, stranger, { name: 'theirs' });
    for (const id of [foreign.globalId, globalId('Cluster', crypto.randomUUID()), 'x']) {
      const refused = await call('createWebhook', { url: 'https://a.test', filter: { clusterIds: [id] } });
      expect(refused).toMatchObject({ code: 'NOT_FOUND', message: 'The cluster does not exist in this project.' });
    }
  });

  test('a change of nothing, a cursor that is none, of the future, of another history', async () => {
    const { webhook } = await call('createWebhook', { url: 'https://a.test' });
    const webhookId = webhook.id;
    expect(await call('updateWebhook', { webhookId })).toMatchObject({ fields: [{ path: 'input' }] });
    const foreign = Buffer.from(webhook.cursor, 'base64url');
    foreign[3] = (foreign[3] ?? 0) ^ 255;
    for (const after of ['x', world.feed.encode(10_000n), foreign.toString('base64url')]) {
      expect(await call('replayWebhook', { webhookId, after })).toMatchObject({ fields: [{ path: 'after' }] });
    }
    expect(await call('rotateWebhookSecret', { webhookId, overlapSeconds: 604_801 })).toMatchObject({
      fields: [{ path: 'overlapSeconds' }],
    });
  });

  test('the twenty-first webhook, also when many ask at once', async () => {
    const busy = await world.createActor();
    const answers = await Promise.all(
      Array.from({ length: 23 }, () => call('createWebhook', { url: 'https://a.test' }, busy, 'webhook { id }')),
    );
    expect(answers.filter(({ webhook }) => webhook)).toHaveLength(20);
    expect(answers.filter(({ code }) => code === 'INVALID_INPUT')).toHaveLength(3);
  });
});

test('a VIEWER and an OPERATOR see no webhook, by list or by id', async () => {
  const { webhook } = await call('createWebhook', { url: 'https://hooks.example.com/?token=canary' });
  for (const role of ['VIEWER', 'OPERATOR'] as const) {
    const other = { ...actor, role } as Actor;
    for (const document of [
      '{ webhooks { nodes { url } } }',
      `{ node(id: "${webhook.id}") { id ... on Webhook { url } } }`,
    ]) {
      const answer = await world.ask(other, document);
      expect(answer.errors?.[0]).toMatchObject({ extensions: { code: 'FORBIDDEN' } });
      expect(JSON.stringify(answer)).not.toContain('canary');
    }
  }
});
