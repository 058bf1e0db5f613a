import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { createServerWorld } from '../server/serverWorld.ts';
import { createTestOperations } from '../support/operations.ts';

const repository = resolve(import.meta.dirname, '../..');
const run = promisify(execFile);

const plainUser = `
import { createGroveClient, iterateWithResume } from 'grove/client';
const client = createGroveClient({ url: process.env.URL, key: process.env.KEY });
const query = 'subscription ($after: Cursor) { events(after: $after) { ... on Heartbeat { cursor } ... on EventBatch { cursor events { toStatus } } } }';
for await (const { data } of iterateWithResume(client, { query })) {
  if (!data.events.events) { console.log('listening'); continue; }
  console.log(data.events.events[0].toStatus);
  break;
}
await client.dispose();
`;

const typedUser = `
import { createGroveClient, type ResumeGap } from 'grove/client';
import { ResumeLink } from 'grove/client/apollo';
import { resumeExchange } from 'grove/client/urql';
const client = createGroveClient({ url: 'http://127.0.0.1:4000', key: async () => 'grv_…' });
export const reasons: (string | undefined)[] = [];
const onGap = ({ reason }: ResumeGap) => void reasons.push(reason);
export const made = [resumeExchange({ client, onGap }), new ResumeLink({ client, onGap })];
// @ts-expect-error a key is needed
createGroveClient({ url: 'http://127.0.0.1:4000' });
`;

/** A project of somebody's that has the built client, and of the other packages only these. */
async function project(packages: readonly string[]): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'grove-client-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  await run(process.execPath, ['tools/client.ts', join(directory, 'node_modules/grove')], { cwd: repository });
  for (const name of packages) {
    const link = join(directory, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(repository, 'node_modules', name), link);
  }
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }');
  return directory;
}

test('what is built runs as plain JavaScript, without urql and Apollo Client', async () => {
  const operations = await createTestOperations({ working: false });
  onTestFinished(() => operations.close());
  const { url, key, write } = await createServerWorld(operations);
  const directory = await project(['graphql-ws', 'graphql']);
  writeFileSync(join(directory, 'watch.js'), plainUser);
  const running = run(process.execPath, ['watch.js'], { cwd: directory, env: { URL: url, KEY: key } });
  const listening = new Promise((heard) => running.child.stdout?.once('data', heard));
  await Promise.race([listening, running]);
  await write('to the plain user');
  expect((await running).stdout).toBe('listening\nto the plain user\n');
});

test('what is built has types for all of it', async () => {
  const directory = await project(['graphql-ws', 'graphql', '@urql/core', '@apollo/client', 'rxjs', 'wonka']);
  writeFileSync(join(directory, 'user.ts'), typedUser);
  const options = [
    '--noEmit',
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2022',
    '--skipLibCheck',
    '--types',
    '',
  ];
  const tsc = join(repository, 'node_modules/typescript/bin/tsc');
  await expect(run(process.execPath, [tsc, ...options, 'user.ts'], { cwd: directory })).resolves.toMatchObject({
    stdout: '',
  });
});
