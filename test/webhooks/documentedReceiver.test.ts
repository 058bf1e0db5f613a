import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { freePort } from '#lib/host/freePort.ts';
import { createWebhookWorld } from './webhookWorld.ts';

const documentation = readFileSync(new URL('../../docs/webhooks.md', import.meta.url), 'utf8');
const program = /```js\n([\s\S]*?)```/.exec(documentation)?.[1] ?? '';

/** The receiver of the documentation, as a reader would start it. */
async function startDocumentedReceiver(port: number, secret: string): Promise<{ output(): string }> {
  const directory = await mkdtemp(join(tmpdir(), 'grove-test-receiver-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const file = join(directory, 'receiver.mjs');
  await writeFile(file, program);
  const environment = { PATH: process.env.PATH, SECRET: secret, PORT: String(port) };
  const child = spawn(process.execPath, [file], { env: environment, stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill());
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
  });
  await vi.waitFor(() => listens(port), { timeout: 20_000 });
  return { output: () => output };
}

async function listens(port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve();
    }).on('error', reject);
  });
}

test('the receiver of the documentation takes what is signed, once, and refuses the rest', async () => {
  const world = await createWebhookWorld();
  const project = await world.createProject();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/`;
  const { webhookId, signingSecret } = await project.create({ url });
  const receiver = await startDocumentedReceiver(port, signingSecret);
  await world.deliver();
  await project.write(['ACTIVE']);
  await vi.waitFor(() => expect(receiver.output()).toContain('CLUSTER_UPDATED null → ACTIVE'), { timeout: 20_000 });
  await world.until(webhookId, ({ cursorSeq }) => cursorSeq === 2n);
  // Another webhook's secret is another one: its messages are refused.
  const foreign = await project.create({ url, filter: { types: ['CLUSTER_UPDATED'] } });
  await project.write(['DOWN']);
  await world.until(foreign.webhookId, ({ failedAttempts }) => failedAttempts > 0);
  expect((await world.deliveries(foreign.webhookId))[0]?.httpStatus).toBe(401);
  await vi.waitFor(() => expect(receiver.output()).toContain('DOWN'), { timeout: 20_000 });
  expect(receiver.output().match(/→ (?:ACTIVE|DOWN)/g)).toEqual(['→ ACTIVE', '→ DOWN']);
});
