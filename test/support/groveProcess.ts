import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { freePort } from '#lib/freePort.ts';
import { processEnds } from '#lib/processes.ts';
import { type ApiClient, createApiClient } from './apiClient.ts';
import { killAll, processesOf, processTree } from './processTree.ts';

const repository = resolve(import.meta.dirname, '../..');

/** Grove as a person starts it, with a data directory and a port of its own. */
export type GroveProcess = {
  url: string;
  key: string;
  client: ApiClient;
  /** The Grove process itself, not npm. */
  pid: number;
  /** All that it printed. */
  output(): string;
  /** Ctrl-C. Says whether Grove stopped in order, and how long it took in milliseconds. */
  interrupt(): Promise<{ inOrder: boolean; ms: number }>;
  /** kill -9 of Grove alone. Its clusters and its store's server go on. */
  kill(): Promise<void>;
};

export type GroveHome = {
  directory: string;
  /** Starts it, by default as one process with everything in it. */
  start(options?: StartOptions): Promise<GroveProcess>;
  /** Ends every process that has to do with it, and removes it. */
  destroy(): Promise<void>;
};

/** A place for one Grove, to start it in again and again. */
export async function createGroveHome(): Promise<GroveHome> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'grove-e2e-')));
  await chmod(directory, 0o711);
  const port = await freePort();
  return {
    directory,
    start: async ({ command = 'all', environment = {}, port: wanted = port } = {}) =>
      startGrove({ directory, port: wanted, command, environment }),
    async destroy() {
      for (let left = processesOf(directory); left.length > 0; left = processesOf(directory)) await killAll(left);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export type StartOptions = {
  command?: 'all' | 'api' | 'worker';
  environment?: Record<string, string>;
  port?: number;
};

type Start = Required<StartOptions> & { directory: string };

async function startGrove({ directory, port, command, environment }: Start): Promise<GroveProcess> {
  const { PATH = '', HOME = '' } = process.env;
  const npm = spawn('npm', ['start', '--', command], {
    cwd: repository,
    detached: true,
    env: { PATH, HOME, GROVE_DATA: directory, GROVE_PORT: String(port), ...environment },
  });
  const exit = once(npm, 'exit');
  const output = await outputOfReady(npm, exit);
  const url = `http://127.0.0.1:${port}`;
  const key = await readFile(join(directory, 'admin.key'), 'utf8').then(
    (text) => text.trim(),
    () => '',
  );
  const client = createApiClient(url, key);
  const pid = groveBelow(npm);
  return {
    url,
    key,
    client,
    pid,
    output,
    async interrupt() {
      const begun = performance.now();
      // A terminal sends it to the whole foreground group. npm ends by the signal, and may do so before Grove.
      process.kill(-(npm.pid ?? 0), 'SIGINT');
      await processEnds(pid, { timeoutMs: 30_000 });
      const ms = performance.now() - begun;
      await exit;
      return { inOrder: output().includes('"msg":"stopped"'), ms };
    },
    async kill() {
      await killAll([{ pid }]);
      await exit;
    },
  };
}

async function outputOfReady(npm: ChildProcess, exit: Promise<unknown>): Promise<() => string> {
  let output = '';
  const ready = new Promise<void>((resolveReady) => {
    for (const stream of [npm.stdout, npm.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        if (/Grove (?:worker )?is ready/.test(output)) resolveReady();
      });
    }
  });
  await Promise.race([
    ready,
    exit.then(() => Promise.reject(new Error(`Grove ended before it was ready:\n${output}`))),
  ]);
  return () => output;
}

function groveBelow(npm: ChildProcess): number {
  const grove = processTree(npm.pid ?? 0).find(
    ({ command }) => command.some((word) => word.endsWith('src/main.ts')) && !command[0]?.endsWith('sh'),
  );
  if (!grove) throw new Error('Grove is not among the processes that npm started');
  return grove.pid;
}
