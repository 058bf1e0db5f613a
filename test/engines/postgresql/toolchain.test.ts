import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findPostgresqlToolchain } from '#engines/postgresql/toolchain.ts';
import { serverUser } from '#lib/host/serverUser.ts';
import { temporaryDirectory } from '../../support/temporaryDirectory.ts';

test('finds programs as configured before all others, and says of each version how to get it', async () => {
  const directory = await temporaryDirectory();
  const configured = join(directory, 'configured');
  const broken = join(directory, 'broken');
  await program(configured, 'echo "postgres (PostgreSQL) 17.42"');
  await program(broken, 'exit 1');
  const toolchain = await findPostgresqlToolchain({
    configuredDirectories: configured,
    searchPath: broken,
    serverUser: serverUser(),
    reachableCopyIn: directory,
  });
  expect(toolchain.binDirectory('17')).toBe(configured);
  expect(toolchain.binDirectory('14')).toBeNull();
  const versions = toolchain.versions();
  expect(versions.map(({ version }) => version)).toEqual(['18', '17', '16', '15']);
  expect(versions[1]).toEqual({ version: '17', available: true, release: '17.42', unavailableReason: null });
  for (const { version, available, release, unavailableReason } of versions) {
    expect(release === null).toBe(!available);
    expect(unavailableReason === null).toBe(available);
    if (!available) expect(unavailableReason).toContain(`PostgreSQL ${version} was not found`);
  }
});

test('finds the embedded PostgreSQL 18 where npm installed it', async () => {
  const directory = await temporaryDirectory();
  const toolchain = await findPostgresqlToolchain({
    configuredDirectories: null,
    searchPath: '',
    serverUser: serverUser(),
    reachableCopyIn: directory,
  });
  expect(toolchain.versions()[0]).toMatchObject({ version: '18', available: true });
});

async function program(directory: string, script: string): Promise<void> {
  await mkdir(directory);
  for (const name of ['postgres', 'initdb']) {
    await writeFile(join(directory, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(directory, name), 0o755);
  }
}
