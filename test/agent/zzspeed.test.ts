import { execFileSync } from 'node:child_process';
import { mkdir, chown, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'vitest';
import { serverUser } from '#lib/serverUser.ts';
import { baseBackup } from '#engines/postgresql/instance/baseBackup.ts';
import { loopbackOnly, postgresqlInstance, secrets } from '../support/postgresqlInstance.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';
test('speed', { timeout: 120000 }, async () => {
  const primary = await postgresqlInstance('p', '15');
  await primary.run('initialize', { access: loopbackOnly });
  for (const rows of [0, 1200000]) {
  if (rows) await primary.query(`CREATE TABLE t AS SELECT i, repeat(md5(i::text), 6) AS v FROM generate_series(1, ${rows}) i`);
  await primary.query('CHECKPOINT', { user: 'grove_admin', password: secrets.grove_admin, database: 'postgres' });
  const dir = await temporaryDirectory(); const u = serverUser()!;
  await chown(dir, u.uid, u.gid);
  for (let i = 0; i < 3; i++) {
    let t = performance.now();
    execFileSync('/usr/lib/postgresql/15/bin/pg_basebackup', ['-D', join(dir, 'b'), '-d', `host=127.0.0.1 port=${primary.host.port} user=grove_replicator`, '-X', 'none', '-c', 'fast', ...(i === 2 ? ['--manifest-checksums=SHA256'] : [])], { env: { PGPASSWORD: secrets.grove_replicator }, cwd: dir, ...u, stdio: 'inherit' });
    const a = performance.now() - t; await rm(join(dir, 'b'), { recursive: true });
    t = performance.now();
    await mkdir(join(dir, 'c'), { mode: 0o700 });
    const r = await baseBackup({ from: primary.address, password: secrets.grove_replicator, applicationName: 'x', into: join(dir, 'c'), owner: u, onProgress() {}, signal: new AbortController().signal });
    const b = performance.now() - t; await rm(join(dir, 'c'), { recursive: true });
    console.log('rows', rows, 'pg_basebackup', a | 0, 'ours', b | 0, r);
  }
  }
});
