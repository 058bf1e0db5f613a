import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { startReceiver } from './receiver.ts';
import { createWebhookWorld, numbered } from './webhookWorld.ts';

const program = new URL('workerProgram.ts', import.meta.url).pathname;

/** A worker in a process of its own, to be killed. */
function startProcess(url: string, leaseMs: number): ChildProcess {
  const child = spawn(process.execPath, [program, url, String(leaseMs)], { stdio: ['ignore', 'inherit', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

describe('several workers', () => {
  test('share the webhooks, and each webhook is sent everything once and in order', async () => {
    const world = await createWebhookWorld();
    const project = await world.createProject();
    const receivers = await Promise.all(Array.from({ length: 6 }, () => startReceiver()));
    for (const { url } of receivers) await project.create({ url, filter: { types: ['CLUSTER_UPDATED'] } });
    const options = { eventsPerMessage: 7, messagesPerTurn: 3 };
    await Promise.all([world.deliver({ options }), world.deliver({ options }), world.deliver({ options })]);
    const labels = numbered(200);
    for (let from = 0; from < labels.length; from += 5) await project.write(labels.slice(from, from + 5));
    for (const receiver of receivers) {
      await receiver.untilLabel('E_200', 20_000);
      expect(receiver.labels()).toEqual(labels);
    }
  });

  test('take over from one that was killed with -9 in a request: nothing is lost, the message in doubt comes again as it was', async () => {
    const world = await createWebhookWorld();
    const project = await world.createProject();
    const kills = new Set([3, 6]);
    let victim: ChildProcess;
    const receiver = await startReceiver((_message, count) => {
      if (!kills.has(count)) return 204;
      return async (response) => {
        const exit = once(victim, 'exit');
        victim.kill('SIGKILL');
        await exit;
        victim = startProcess(world.url, 3000);
        response.destroy();
      };
    });
    await project.create({ url: receiver.url, filter: { types: ['CLUSTER_UPDATED'] } });
    const labels = numbered(100);
    await project.write(labels.slice(0, 60));
    victim = startProcess(world.url, 3000);
    await receiver.until((received) => received.length >= 3, 15_000);
    await project.write(labels.slice(60));
    await receiver.untilLabel('E_100', 25_000);
    const byMessage = new Map(receiver.received.map(({ headers, body }) => [headers['webhook-id'], body]));
    expect(receiver.received).toHaveLength(byMessage.size + kills.size);
    for (const { headers, body } of receiver.received) expect(byMessage.get(headers['webhook-id'] ?? '')).toBe(body);
    const once_ = [...byMessage.values()].flatMap((body) =>
      (JSON.parse(body) as { data: { events: { toStatus: string }[] } }).data.events.map(({ toStatus }) => toStatus),
    );
    expect(once_).toEqual(labels);
  }, 60_000);

  test('take over from one that was frozen: what it writes when it wakes up changes nothing', async () => {
    const world = await createWebhookWorld();
    const project = await world.createProject();
    const frozen = startProcess(world.url, 1000);
    const receiver = await startReceiver((_message, count) => (response) => {
      if (count === 1) frozen.kill('SIGSTOP');
      response.writeHead(204).end();
    });
    const { webhookId } = await project.create({ url: receiver.url, filter: { types: ['CLUSTER_UPDATED'] } });
    await project.write(numbered(5));
    await receiver.until((received) => received.length === 1, 15_000);
    await world.deliver({ options: { eventsPerMessage: 10 } });
    await receiver.until((received) => received.length === 2, 15_000);
    const after = await world.until(webhookId, ({ cursorSeq }) => cursorSeq === 6n);
    frozen.kill('SIGCONT');
    await project.write(['LATER']);
    await receiver.untilLabel('LATER');
    await world.until(webhookId, ({ cursorSeq, deliveryCount }) => cursorSeq === 7n && deliveryCount === 2);
    expect(after.deliveryCount).toBe(1);
    expect(receiver.labels()).toEqual([...numbered(5), ...numbered(5), 'LATER']);
  }, 40_000);
});

describe('a worker that stops', () => {
  test('gives a request a moment; one that takes longer is sent again as it was, by the next one at once', async () => {
    const world = await createWebhookWorld();
    const project = await world.createProject();
    const receiver = await startReceiver((_message, count) => (count === 1 ? () => {} : 204));
    const { webhookId } = await project.create({ url: receiver.url });
    const first = await world.deliver({ options: { timeoutMs: 30_000, leaseMs: 60_000, closeGraceMs: 100 } });
    await receiver.until((received) => received.length === 1);
    const began = performance.now();
    await first.close();
    expect(performance.now() - began).toBeLessThan(2000);
    expect(await world.row(webhookId)).toMatchObject({ failedAttempts: 0, leaseId: null, cursorSeq: 0n });
    expect((await world.deliveries(webhookId))[0]?.error).toContain('Grove stopped');
    await project.write(['LATER']);
    await world.deliver();
    await receiver.untilLabel('LATER');
    const [one, two] = receiver.received;
    expect([two?.headers['webhook-id'], two?.body]).toEqual([one?.headers['webhook-id'], one?.body]);
  });

  test('has held a webhook: the only process of a store takes it at its start', async () => {
    const world = await createWebhookWorld();
    const project = await world.createProject();
    const receiver = await startReceiver();
    const { webhookId } = await project.create({ url: receiver.url });
    await world.db.webhook.update({
      where: { id: webhookId },
      data: { leaseId: crypto.randomUUID(), leaseExpiresAt: new Date(Date.now() + 3_600_000) },
    });
    await world.deliver({ soleProcess: true });
    await receiver.until((received) => received.length === 1);
  });
});

test('what is committed while nobody delivers, or by a process whose wake-ups are lost, is delivered all the same', async () => {
  const world = await createWebhookWorld();
  const project = await world.createProject();
  const receiver = await startReceiver();
  await project.create({ url: receiver.url });
  await world.deliver();
  await receiver.until((received) => received.length === 1);
  const silent = { ...world.deps, bus: { publish: () => {}, subscribe: () => () => {}, close: async () => {} } };
  const { transact } = await import('#events/transact.ts');
  await transact(silent, project.actor, async ({ record }) => record({ type: 'CLUSTER_UPDATED', toStatus: 'QUIET' }));
  await receiver.untilLabel('QUIET');
  await vi.waitFor(() => expect(receiver.labels()).toEqual([null, 'QUIET']));
});
