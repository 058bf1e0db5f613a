import { type ChildProcess, spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { leanNode } from '#agent/leanProcess.ts';
import { freePort } from '#lib/freePort.ts';
import { serverUser } from '#lib/serverUser.ts';
import { processEnds } from '#lib/processes.ts';
import { runningPostmaster } from '#engines/postgresql/instance/postmaster.ts';
import { testControlPlane } from '../support/controlPlane.ts';
import { loopbackOnly, postgresqlInstance, secrets } from '../support/postgresqlInstance.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';
test('clone', { timeout: 120000 }, async () => {
  const primary = await postgresqlInstance('p', '18');
  await primary.run('initialize', { access: loopbackOnly });
  await primary.query("CREATE TABLE t AS SELECT i, repeat(md5(i::text), 6) AS v FROM generate_series(1, 1200000) i");
  await primary.run('ensureSlots', { slotNames: ['s'] });
  const control = await testControlPlane();
  const directory = await temporaryDirectory();
  await writeFile(join(directory, 'url'), control.url);
  await writeFile(join(directory, 'agent.json'), JSON.stringify({ instanceId: 'x', clusterId: 'y', name: 'r', engine: 'postgresql', engineVersion: '18', address: '127.0.0.1', port: await freePort(), size: primary.host.size, token: 't', controlUrlFile: join(directory, 'url'), serverUser: serverUser() }));
  const { flags, env } = leanNode('/tmp/grove-test-programs/compiled');
  for (const f of [flags, [] as string[]]) {
  const child: ChildProcess = spawn(process.execPath, [...f, join(import.meta.dirname, '../../src/main.ts'), 'agent', '--directory', directory, '--tools', '/tmp/grove-test-programs'], { stdio: 'inherit', env: { ...env, PATH: process.env.PATH, GROVE_LOG_LEVEL: 'info' } });
  await vi.waitFor(() => expect(control.observations.length).toBeGreaterThan(0), { timeout: 10000 });
  const before = await readFile(`/proc/${child.pid}/status`, 'utf8');
  const begin = performance.now();
  control.finished.length = 0;
  control.deliver({ id: 'c' + f.length, kind: 'clone', payload: { primary: primary.address, slotName: 's', access: loopbackOnly }, secrets });
  await vi.waitFor(() => expect(control.finished.length).toBe(1), { timeout: 60000, interval: 5 });
  console.log(JSON.stringify(control.finished), performance.now() - begin, control.progress.slice(-4));
  await new Promise((r) => setTimeout(r, 5000));
  const after = await readFile(`/proc/${child.pid}/status`, 'utf8');
  console.log(/VmRSS.*/.exec(before)?.[0], /VmHWM.*/.exec(after)?.[0], /VmRSS.*/.exec(after)?.[0]);
  child.kill('SIGKILL');
  const server = await runningPostmaster(join(directory, 'data'));
  if (server) { process.kill(server.pid, 'SIGQUIT'); await processEnds(server.pid, { timeoutMs: 5000 }); }
  const { rm } = await import('node:fs/promises'); await rm(join(directory, 'data'), { recursive: true }); await rm(join(directory, 'state.json'));
  control.observations.length = 0;
  }
});
