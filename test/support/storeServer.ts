import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from '#lib/host/freePort.ts';
import { serverUser } from '#lib/host/serverUser.ts';
import { embeddedPostgresBinaries } from '#lib/postgres/embeddedPostgresBinaries.ts';
import { disownStalePid, runningPostmaster } from '#lib/postgres/postmaster.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import { ensureDataDirectory, superuser } from '#store/ensureDataDirectory.ts';
import { killAll, processTree } from './processTree.ts';

/** A commit is remembered when every process of the server is killed. Only a machine that loses power could forget it. */
const settings = { fsync: 'off', listen_addresses: '127.0.0.1', unix_socket_directories: '', max_connections: '200' };
const startsWithinMs = 30_000;
const pollMs = 10;

type Place = { directory: string; dataDirectory: string; binDirectory: string; port: number; url: string };

/** A PostgreSQL of the test's own for Grove's store. It can be stopped and started again at the same address. */
export class StoreServer {
  readonly url: string;
  readonly #place: Place;
  #process: ChildProcess | null = null;
  #closed = false;

  private constructor(place: Place) {
    this.#place = place;
    this.url = place.url;
  }

  static async start(): Promise<StoreServer> {
    const directory = await mkdtemp(join(tmpdir(), 'grove-test-store-'));
    await chmod(directory, 0o711);
    const user = serverUser();
    const binaries = await embeddedPostgresBinaries({ serverUser: user, reachableCopyIn: directory });
    const binDirectory = assertPresent(binaries, 'PostgreSQL from npm');
    const { password } = await ensureDataDirectory({ directory, binDirectory, serverUser: user });
    const port = await freePort();
    const url = `postgresql://${superuser}:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`;
    const dataDirectory = await realpath(join(directory, 'data'));
    const server = new StoreServer({ directory, dataDirectory, binDirectory, port, url });
    await server.start();
    return server;
  }

  async start(): Promise<void> {
    const { dataDirectory } = this.#place;
    const deadline = performance.now() + startsWithinMs;
    while (!this.#closed && performance.now() < deadline) {
      await disownStalePid(dataDirectory);
      const child = this.#spawn();
      while (child.exitCode === null) {
        // postmaster.pid is how PostgreSQL announces it.
        const postmaster = await runningPostmaster(dataDirectory);
        if (postmaster?.ready && postmaster.pid === child.pid) return;
        await pause(pollMs);
      }
    }
    throw new Error(`PostgreSQL does not start in ${dataDirectory}`);
  }

  #spawn(): ChildProcess {
    const { binDirectory, dataDirectory, port } = this.#place;
    const parameters = Object.entries({ ...settings, port }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    this.#process = spawn(join(binDirectory, 'postgres'), ['-D', dataDirectory, ...parameters], {
      cwd: '/',
      stdio: 'ignore',
      env: { LC_ALL: 'C' },
      ...serverUser(),
    });
    return this.#process;
  }

  /** kill -9 of the server and of all its sessions. */
  async kill(): Promise<void> {
    const { pid, exitCode } = assertPresent(this.#process, 'a server');
    if (pid !== undefined && exitCode === null) await killAll(processTree(pid));
  }

  /** In order: sessions are ended, what is committed is on disk. PostgreSQL calls it a fast shutdown. */
  async stop(): Promise<void> {
    const child = assertPresent(this.#process, 'a server');
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGINT');
    await exit;
  }

  /** For good: who is about to start it again does not. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.kill();
    await rm(this.#place.directory, { recursive: true, force: true });
  }
}
