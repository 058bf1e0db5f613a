import { Webhook as StandardWebhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import { deleteWebhook } from '#webhooks/deleteWebhook.ts';
import { replayWebhook } from '#webhooks/replayWebhook.ts';
import { rotateWebhookSecret } from '#webhooks/rotateWebhookSecret.ts';
import { updateWebhook } from '#webhooks/updateWebhook.ts';
import { type Received, startReceiver } from './receiver.ts';
import { createWebhookWorld, numbered } from './webhookWorld.ts';

const verifies = (secret: string, { body, headers }: Received): boolean => {
  try {
    new StandardWebhook(secret).verify(body, headers);
    return true;
  } catch {
    return false;
  }
};

const ids = (received: Received[]) => received.map(({ headers }) => headers['webhook-id']);

describe('a webhook', () => {
  test('is sent its events in order, signed so that an independent library takes them', async () => {
    const world = await createWebhookWorld();
    const receiver = await startReceiver();
    const project = await world.createProject();
    const { webhookId, signingSecret } = await project.create({ url: receiver.url, description: 'ours' });
    await world.deliver();
    const clusterId = crypto.randomUUID();
    await project.write(['ACTIVE', 'DEGRADED'], clusterId);
    await receiver.untilLabel('DEGRADED');
    await project.write(['DELETED']);
    await receiver.untilLabel('DELETED');
    // The first one is the webhook's own creation.
    expect(receiver.labels()).toEqual([null, 'ACTIVE', 'DEGRADED', 'DELETED']);
    for (const message of receiver.received) {
      expect(verifies(signingSecret, message)).toBe(true);
      expect(verifies(signingSecret, { ...message, body: `${message.body} ` })).toBe(false);
      expect(message.path).toBe('/hooks');
      expect(message.headers).toMatchObject({
        'content-type': 'application/json; charset=utf-8',
        'user-agent': 'Grove',
      });
    }
    expect(new Set(ids(receiver.received)).size).toBe(receiver.received.length);
    const event = receiver.received.flatMap(({ data }) => data.events).find(({ toStatus }) => toStatus === 'ACTIVE');
    expect(event).toEqual({
      cursor: expect.stringMatching(/^[\w-]{20}$/),
      type: 'CLUSTER_UPDATED',
      at: expect.stringMatching(/Z$/),
      actor: { kind: 'API_KEY', name: 'test', role: 'ADMIN', keyId: expect.any(String) },
      clusterId: Buffer.from(`Cluster:${clusterId}`).toString('base64'),
      instanceId: null,
      operationId: null,
      fromStatus: null,
      toStatus: 'ACTIVE',
      payload: {},
    });
    const { cursorSeq, status } = await world.until(webhookId, (row) => row.cursorSeq === 4n);
    expect({ cursorSeq, status }).toEqual({ cursorSeq: 4n, status: 'ACTIVE' });
    expect(await project.events('WEBHOOK_CREATED')).toEqual([
      {
        fromStatus: null,
        toStatus: null,
        payload: { webhookId, receiver: new URL(receiver.url).origin, description: 'ours' },
      },
    ]);
  });

  test('is sent only what passes its filter, and its cursor passes the rest', async () => {
    const world = await createWebhookWorld();
    const receiver = await startReceiver();
    const project = await world.createProject();
    const size = { cpuMillis: 1, memoryMiB: 1, storageGiB: 1, engine: 'fake', engineVersion: '1', provider: 'fake' };
    const { id } = await world.db.cluster.create({
      data: { ...size, projectId: project.projectId, name: 'orders', instanceCount: 1, accessRules: [] },
    });
    const filter = { clusterIds: [id], types: ['CLUSTER_UPDATED'], statuses: ['ACTIVE', 'DOWN'] };
    const { webhookId } = await project.create({ url: receiver.url, filter });
    await world.deliver();
    await project.write(['ACTIVE', 'DEGRADED', 'DOWN'], id);
    await project.write(['ACTIVE'], crypto.randomUUID());
    await project.write(['ACTIVE']);
    await world.until(webhookId, ({ cursorSeq }) => cursorSeq === 6n);
    expect(receiver.labels()).toEqual(['ACTIVE', 'DOWN']);
  });

  test('is sent thousands of events in messages of a hundred', async () => {
    const world = await createWebhookWorld();
    const receiver = await startReceiver();
    const project = await world.createProject();
    await project.create({ url: receiver.url, filter: { types: ['CLUSTER_UPDATED'] } });
    const labels = numbered(5000);
    for (let from = 0; from < labels.length; from += 500) await project.write(labels.slice(from, from + 500));
    await world.deliver();
    await receiver.untilLabel('E_5000', 20_000);
    expect(receiver.labels()).toEqual(labels);
    expect(receiver.received.map(({ data }) => data.events.length)).toEqual(Array.from({ length: 50 }, () => 100));
  });

  test('has messages bounded by their bytes too, but for a single event', async () => {
    const world = await createWebhookWorld();
    const receiver = await startReceiver();
    const project = await world.createProject();
    await project.create({ url: receiver.url, filter: { types: ['CLUSTER_UPDATED'] } });
    await project.write(numbered(10));
    await world.deliver({ options: { bytesPerMessage: 700 } });
    await receiver.untilLabel('E_10');
    expect(receiver.labels()).toEqual(numbered(10));
    expect(Math.max(...receiver.received.map(({ data }) => data.events.length))).toBe(2);
  });
});

describe('a receiver that fails', () => {
  test('gets the same message again with growing pauses, is told to be FAILING, then ACTIVE', async () => {
    const world = await createWebhookWorld();
    const receiver = await startReceiver((_message, count) => (count <= 5 ? 503 : 204));
    const project = await world.createProject();
    const { webhookId } = await project.create({ url: receiver.url, filter: { types: ['CLUSTER_UPDATED'] } });
    await world.deliver({ options: { firstPauseMs: 50, longestPauseMs: 10_000 } });
    await project.write(['FIRST']);
    await receiver.until((received) => received.length === 1);
    await project.write(['SECOND']);
    await receiver.untilLabel('SECOND');
    expect(receiver.labels()).toEqual([...Array.from({ length: 6 }, () => 'FIRST'), 'SECOND']);
    const repeated = receiver.received.slice(0, 6);
    expect(new Set(ids(repeated)).size).toBe(1);
    expect(new Set(repeated.map(({ body }) => body)).size).toBe(1);
    const pauses = repeated.slice(1).map(({ at }, index) => at - (repeated[index]?.at ?? 0));
    for (const [index, pause] of pauses.entries()) expect(pause).toBeGreaterThanOrEqual((50 * 2 ** index) / 2);
    await world.until(webhookId, ({ cursorSeq, failedAttempts }) => cursorSeq >= 3n && failedAttempts === 0);
    const log = await world.deliveries(webhookId);
    expect(log.slice(0, 2)).toMatchObject([
      { attempt: 1, delivered: false, httpStatus: 503, error: 'the receiver answered 503 Service Unavailable' },
      { attempt: 2, delivered: false, answer: 'no, thank you', events: 1 },
    ]);
    expect(log.slice(5)).toMatchObject([
      { attempt: 6, delivered: true, httpStatus: 204, error: null, answer: null },
      { attempt: 1, delivered: true, lastSeq: expect.any(BigInt) },
    ]);
    const changes = await project.events('WEBHOOK_STATUS_CHANGED');
    expect(changes.map(({ fromStatus, toStatus }) => `${fromStatus}→${toStatus}`)).toEqual([
      'ACTIVE→FAILING',
      'FAILING→ACTIVE',
    ]);
  });

  test('is given up after so long: PAUSED where it is, and goes on from there when it is resumed', async () => {
    const world = await createWebhookWorld();
    let well = false;
    const receiver = await startReceiver(() => (well ? 200 : 500));
    const project = await world.createProject();
    const { webhookId } = await project.create({ url: receiver.url, filter: { types: ['CLUSTER_UPDATED'] } });
    await world.deliver({ options: { giveUpAfterMs: 300 } });
    await project.write(numbered(3));
    const paused = await world.until(webhookId, ({ status }) => status === 'PAUSED');
    expect(paused.statusReason).toMatch(/^Every attempt since \S+Z failed, the last one: the receiver answered 500/);
    const sent = receiver.received.length;
    await project.write(['LATER']);
    well = true;
    await updateWebhook(world.deps, project.actor, { webhookId, paused: false });
    await receiver.untilLabel('LATER');
    expect(receiver.labels().slice(sent * 3)).toEqual([...numbered(3), 'LATER']);
    expect(await world.row(webhookId)).toMatchObject({ status: 'ACTIVE', statusReason: null });
  });

  test('is paused at once when it answers 410 Gone', async () => {
    const world = await createWebhookWorld();
    const receiver = await startReceiver(() => 410);
    const project = await world.createProject();
    const { webhookId } = await project.create({ url: receiver.url });
    await world.deliver();
    const { statusReason } = await world.until(webhookId, ({ status }) => status === 'PAUSED');
    expect(statusReason).toContain('410 Gone');
    expect(receiver.received).toHaveLength(1);
  });

  test('is not followed to where it redirects', async () => {
    const world = await createWebhookWorld();
    const elsewhere = await startReceiver();
    const receiver = await startReceiver(() => (response) => {
      response.writeHead(307, { location: elsewhere.url }).end();
    });
    const project = await world.createProject();
    const { webhookId } = await project.create({ url: receiver.url });
    await world.deliver();
    await world.until(webhookId, ({ failedAttempts }) => failedAttempts >= 2);
    expect((await world.deliveries(webhookId))[0]).toMatchObject({
      httpStatus: 307,
      error: 'the receiver answered 307 Temporary Redirect; redirects are not followed',
    });
    expect(elsewhere.received).toEqual([]);
  });

  test('sends back what it was sent, and worse: nothing of it is a secret in the delivery log', async () => {
    const world = await createWebhookWorld();
    const signatures: string[] = [];
    const receiver = await startReceiver(() => (response, { headers }) => {
      const given = String(headers['webhook-signature']);
      signatures.push(...given.split(' '));
      // So that what is kept of it ends just before the end of the second signature.
      const before = `\0\u001b[31m${'y'.repeat(102)}`;
      response.writeHead(400, given).end(`${before}${given} ${'x'.repeat(100_000)}`);
    });
    const project = await world.createProject();
    const { webhookId, signingSecret } = await project.create({ url: `${receiver.url}?token=canary-token` });
    const rotated = await rotateWebhookSecret(world.deps, project.actor, { webhookId });
    await world.deliver();
    await world.until(webhookId, ({ failedAttempts }) => failedAttempts >= 3);
    const [first] = await world.deliveries(webhookId);
    expect(first?.answer).toMatch(/^\[31my+v1,\[redacted\] v1,\[redacted\] x+$/);
    expect(first?.error).toBe('the receiver answered 400 v1,[redacted] v1,[redacted]');
    expect(first?.answer?.length).toBeLessThanOrEqual(200);
    const [events, log, webhooks] = await Promise.all([
      world.db.event.findMany(),
      world.db.webhookDelivery.findMany(),
      world.db.webhook.findMany(),
    ]);
    const kept = (value: unknown) => JSON.stringify(value, (_key, entry) => (typeof entry === 'bigint' ? 0 : entry));
    expect(signatures.length).toBeGreaterThanOrEqual(4);
    for (const signature of signatures) expect(kept(log)).not.toContain(signature.slice(3, 43));
    for (const secret of [signingSecret, rotated.signingSecret]) {
      for (const place of [events, log, webhooks, world.lines]) expect(kept(place)).not.toContain(secret.slice(6));
    }
    for (const place of [events, log, world.lines]) expect(kept(place)).not.toContain('canary-token');
  });

  test('is slow: the others do not wait for it', async () => {
    const world = await createWebhookWorld();
    const slow = await startReceiver(() => () => {});
    const fast = await startReceiver();
    const project = await world.createProject();
    const { webhookId } = await project.create({ url: slow.url });
    await project.create({ url: fast.url });
    await world.deliver({ options: { timeoutMs: 60_000, leaseMs: 90_000, closeGraceMs: 10 } });
    await slow.until((received) => received.length > 0);
    for (const label of numbered(20)) {
      await project.write([label]);
      await fast.untilLabel(label);
    }
    // Its first request is still waiting for an answer.
    expect(slow.received).toHaveLength(1);
    expect(await world.row(webhookId)).toMatchObject({ deliveryCount: 0, cursorSeq: 0n });
  });

  test('does not answer in time: the attempt has failed', async () => {
    const world = await createWebhookWorld();
    const receiver = await startReceiver(() => () => {});
    const project = await world.createProject();
    const { webhookId } = await project.create({ url: receiver.url });
    await world.deliver({ options: { timeoutMs: 500 } });
    await world.until(webhookId, ({ failedAttempts }) => failedAttempts > 0);
    expect((await world.deliveries(webhookId))[0]).toMatchObject({ error: 'no answer within 0.5 s', httpStatus: null });
  });

  test('writes without end: it is cut off, and its status counts', async () => {
    const world = await createWebhookWorld();
    const receiver = await startReceiver(() => (response) => {
      response.writeHead(200);
      const writing = setInterval(() => response.write('x'.repeat(10_000)), 1);
      response.on('close', () => clearInterval(writing));
    });
    const project = await world.createProject();
    const { webhookId } = await project.create({ url: receiver.url });
    await world.deliver();
    await world.until(webhookId, ({ cursorSeq }) => cursorSeq === 1n);
    expect((await world.deliveries(webhookId))[0]).toMatchObject({ delivered: true, attempt: 1 });
  });
});

describe('an ADMIN', () => {
  test('pauses a webhook and resumes it: nothing is sent between, nothing is lost', async () => {
    const world = await createWebhookWorld();
    const receiver = await startReceiver();
    const project = await world.createProject();
    const { webhookId } = await project.create({ url: receiver.url, filter: { types: ['CLUSTER_UPDATED'] } });
    await world.deliver();
    await project.write(['BEFORE']);
    await receiver.untilLabel('BEFORE');
    await updateWebhook(world.deps, project.actor, { webhookId, paused: true });
    const witness = await startReceiver();
    await project.create({ url: witness.url });
    await project.write(['MEANWHILE']);
    await witness.untilLabel('MEANWHILE');
    expect(receiver.labels()).toEqual(['BEFORE']);
    await updateWebhook(world.deps, project.actor, { webhookId, paused: false });
    await receiver.untilLabel('MEANWHILE');
    expect(receiver.labels()).toEqual(['BEFORE', 'MEANWHILE']);
  });

  test('sends what waits to another URL, at once', async () => {
    const world = await createWebhookWorld();
    const broken = await startReceiver(() => 500);
    const receiver = await startReceiver();
    const project = await world.createProject();
    const { webhookId } = await project.create({ url: broken.url, filter: { types: ['CLUSTER_UPDATED'] } });
    await world.deliver({ options: { firstPauseMs: 60_000, longestPauseMs: 60_000 } });
    await project.write(numbered(2));
    await world.until(webhookId, ({ failedAttempts }) => failedAttempts === 1);
    await updateWebhook(world.deps, project.actor, { webhookId, url: receiver.url });
    await receiver.untilLabel('E_2');
    expect(receiver.labels()).toEqual(numbered(2));
  });

  test('replays from a cursor: the same events in new messages', async () => {
    const world = await createWebhookWorld();
    const receiver = await startReceiver();
    const project = await world.createProject();
    const { webhookId } = await project.create({ url: receiver.url, filter: { types: ['CLUSTER_UPDATED'] } });
    await world.deliver({ options: { eventsPerMessage: 5 } });
    await project.write(numbered(20));
    await receiver.untilLabel('E_20');
    const first = receiver.received.slice();
    const sent = first.flatMap(({ data }) => data.events);
    const decodeCursor = (cursor: string) => ({ ok: true as const, seq: BigInt(cursor) });
    await replayWebhook({ ...world.deps, decodeCursor }, project.actor, { webhookId, after: '11' });
    await receiver.until((received) => received.length === first.length + 2);
    const again = receiver.received.slice(first.length);
    // The log began with the webhook's creation: behind number 11 is the eleventh of ours.
    expect(again.flatMap(({ data }) => data.events)).toEqual(sent.slice(10));
    expect(new Set(ids(receiver.received)).size).toBe(receiver.received.length);
    const refused = replayWebhook({ ...world.deps, decodeCursor }, project.actor, { webhookId, after: '99' });
    await expect(refused).rejects.toMatchObject({ code: 'INVALID_INPUT', fields: [{ path: 'after' }] });
    await replayWebhook({ ...world.deps, decodeCursor }, project.actor, { webhookId });
    await receiver.until((received) => received.length === first.length + 2 + 4);
    expect(receiver.labels().slice(-20)).toEqual(numbered(20));
  });

  test('rotates the secret: both are good until the overlap ends, then the new one alone', async () => {
    const world = await createWebhookWorld();
    const receiver = await startReceiver();
    const project = await world.createProject();
    const { webhookId, signingSecret: old } = await project.create({ url: receiver.url });
    await world.deliver();
    const { signingSecret: second } = await rotateWebhookSecret(world.deps, project.actor, { webhookId });
    await project.write(['OVERLAP']);
    await receiver.untilLabel('OVERLAP');
    const overlapping = receiver.received.at(-1) as Received;
    expect([old, second].map((secret) => verifies(secret, overlapping))).toEqual([true, true]);
    const past = new Date(Date.now() - 1);
    await world.db.webhook.update({ where: { id: webhookId }, data: { previousSecretExpiresAt: past } });
    await project.write(['AFTER']);
    await receiver.untilLabel('AFTER');
    const after = receiver.received.at(-1) as Received;
    expect([old, second].map((secret) => verifies(secret, after))).toEqual([false, true]);
    const { signingSecret: third } = await rotateWebhookSecret(world.deps, project.actor, {
      webhookId,
      overlapSeconds: 0,
    });
    await project.write(['LEAKED']);
    await receiver.untilLabel('LEAKED');
    const leaked = receiver.received.at(-1) as Received;
    expect([second, third].map((secret) => verifies(secret, leaked))).toEqual([false, true]);
  });

  test('deletes a webhook while it delivers: what is under way ends, nothing follows', async () => {
    const world = await createWebhookWorld();
    const answer = Promise.withResolvers<void>();
    const receiver = await startReceiver(() => async (response) => {
      await answer.promise;
      response.writeHead(204).end();
    });
    const project = await world.createProject();
    const { webhookId } = await project.create({ url: receiver.url });
    const worker = await world.deliver({ options: { eventsPerMessage: 1 } });
    await project.write(numbered(3));
    await receiver.until((received) => received.length === 1);
    await deleteWebhook(world.deps, project.actor, { webhookId });
    answer.resolve();
    await worker.close();
    expect(receiver.received).toHaveLength(1);
    expect(await world.db.webhook.count()).toBe(0);
    expect(await world.db.webhookDelivery.count()).toBe(0);
    expect(world.lines.filter((line) => /"level":50/.test(line))).toEqual([]);
  });
});

describe('the log of events', () => {
  test('has forgotten some: the receiver is told in the next message, and it is an event', async () => {
    const world = await createWebhookWorld();
    const receiver = await startReceiver();
    const project = await world.createProject();
    await project.create({ url: receiver.url, filter: { types: ['CLUSTER_UPDATED'] } });
    await project.write(numbered(5));
    await world.db.event.deleteMany({ where: { projectId: project.projectId, seq: { lte: 3 } } });
    await world.deliver();
    await receiver.untilLabel('E_5');
    expect(receiver.labels()).toEqual(['E_3', 'E_4', 'E_5']);
    expect(receiver.received[0]?.data.skipped).toEqual({
      reason: 'OUT_OF_RETENTION',
      oldestCursor: expect.stringMatching(/^[\w-]{20}$/),
    });
    await project.write(['AFTER']);
    await receiver.untilLabel('AFTER');
    expect(receiver.received.at(-1)?.data.skipped).toBeUndefined();
    expect(await project.events('WEBHOOK_EVENTS_SKIPPED')).toHaveLength(1);
  });

  test("is a project's own: nobody is sent another's events", async () => {
    const world = await createWebhookWorld();
    const [ours, theirs] = [await startReceiver(), await startReceiver()];
    const [one, two] = [await world.createProject(), await world.createProject()];
    const { webhookId } = await one.create({ url: ours.url });
    await two.create({ url: theirs.url });
    await world.deliver();
    await one.write(['OURS']);
    await two.write(['THEIRS']);
    await ours.untilLabel('OURS');
    await theirs.untilLabel('THEIRS');
    expect([ours.labels(), theirs.labels()]).toEqual([
      [null, 'OURS'],
      [null, 'THEIRS'],
    ]);
    const foreign = { ...world.deps, decodeCursor: () => ({ ok: true as const, seq: 0n }) };
    for (const change of [
      () => updateWebhook(world.deps, two.actor, { webhookId, paused: true }),
      () => deleteWebhook(world.deps, two.actor, { webhookId }),
      () => rotateWebhookSecret(world.deps, two.actor, { webhookId }),
      () => replayWebhook(foreign, two.actor, { webhookId }),
    ]) {
      await expect(change()).rejects.toMatchObject({ code: 'NOT_FOUND' });
    }
    expect(await world.row(webhookId)).toMatchObject({ status: 'ACTIVE', generation: 1 });
  });
});

test('the delivery log of a webhook is bounded', async () => {
  const world = await createWebhookWorld();
  const receiver = await startReceiver();
  const project = await world.createProject();
  const { webhookId } = await project.create({ url: receiver.url });
  await project.write(numbered(29));
  await world.deliver({ options: { eventsPerMessage: 1, keptDeliveries: 10 } });
  await world.until(webhookId, ({ deliveryCount }) => deliveryCount === 30);
  expect((await world.deliveries(webhookId)).map(({ number }) => number)).toEqual(
    Array.from({ length: 10 }, (_, index) => 21 + index),
  );
});
