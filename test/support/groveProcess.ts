import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { afterAll } from 'vitest';
import { freePort } from '#lib/host/freePort.ts';
import { processEnds } from '#lib/host/processes.ts';
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
  /** The data directory. */
  directory: string;
  /** Starts it, by default as one process with everything in it. */
  start(options?: StartOptions): Promise<GroveProcess>;
  /**
   * Ends every process that has to do with it, and removes it. If the test (or one of the suite's) has failed, the files stay, with
   * all that Grove printed, and it is told where.
   */
  destroy(of?: TestOrSuite): Promise<void>;
};

/** What vitest tells a hook of the test, or of the suite, that it comes after. */
export type TestOrSuite = {
  readonly result?: { readonly state: string } | undefined;
  readonly tasks?: readonly TestOrSuite[];
};

export type HomeOptions = {
  /** A directory with Grove in it, started there with no setting but the port. It is the home's then. Left out: this repository. */
  checkout?: string;
  /** Whom it runs as. Left out: who runs the tests. */
  user?: { uid: number; gid: number };
};

/** A place for one Grove, to start it in again and again. */
export async function createGroveHome({ checkout, user }: HomeOptions = {}): Promise<GroveHome> {
  const everything = checkout ?? (await emptyDirectory());
  const directory = checkout === undefined ? everything : join(checkout, '.grove');
  const settings: Record<string, string> = checkout === undefined ? { GROVE_DATA: directory } : {};
  const { HOME = '' } = process.env;
  const port = await freePort();
  const outputs: (() => string)[] = [];
  return {
    directory,
    start: ({ command = 'all', environment = {}, port: wanted = port } = {}) =>
      startGrove({
        directory,
        port: wanted,
        command,
        outputs,
        spawning: {
          cwd: checkout ?? repository,
          env: {
            PATH: pathOfHost(),
            HOME: checkout ?? HOME,
            ...settings,
            GROVE_PORT: String(wanted),
            ...environment,
          },
          ...user,
        },
      }),
    async destroy(of = {}) {
      for (let left = processesOf(everything); left.length > 0; left = processesOf(everything)) await killAll(left);
      if (hasFailed(of)) await keep(directory, outputs);
      else await rm(everything, { recursive: true, force: true });
    },
  };
}

/** Destroys the suite's home when its tests are through. */
export function destroyAfterAll(home: () => GroveHome): void {
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads from this pattern which fixtures are wanted
  afterAll(({}, suite) => home().destroy(suite));
}

/** Without what npm has put there for the tests: whoever starts Grove has not. */
function pathOfHost(): string {
  const directories = (process.env.PATH ?? '').split(delimiter);
  return directories.filter((directory) => !directory.includes('node_modules')).join(delimiter);
}

async function emptyDirectory(): Promise<string> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'grove-e2e-')));
  await chmod(directory, 0o711);
  return directory;
}

const hasFailed = ({ result, tasks = [] }: TestOrSuite): boolean => result?.state === 'fail' || tasks.some(hasFailed);

async function keep(directory: string, outputs: readonly (() => string)[]): Promise<void> {
  const file = join(directory, 'output.log');
  await mkdir(directory, { recursive: true });
  await writeFile(file, outputs.map((output) => output()).join('\n'));
  console.error(
    `A test failed. What Grove printed is in ${file}, its instances' logs are in ${join(directory, 'clusters')}.`,
  );
}

export type StartOptions = {
  command?: 'all' | 'api' | 'worker';
  environment?: Record<string, string>;
  port?: number;
};

type Start = Required<Pick<StartOptions, 'command' | 'port'>> & {
  directory: string;
  spawning: SpawnOptions;
  outputs: (() => string)[];
};

async function startGrove({ directory, port, command, spawning, outputs }: Start): Promise<GroveProcess> {
  const args = command === 'all' ? ['start'] : ['start', '--', command];
  const npm = spawn('npm', args, { ...spawning, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const exit = once(npm, 'exit');
  const output = collectedOutput(npm);
  outputs.push(output.text);
  await Promise.race([
    output.ready,
    exit.then(() => Promise.reject(new Error(`Grove ended before it was ready:\n${output.text()}`))),
  ]);
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
    output: output.text,
    async interrupt() {
      const begun = performance.now();
      // A terminal sends it to the whole foreground group. npm ends by the signal, and may do so before Grove.
      process.kill(-(npm.pid ?? 0), 'SIGINT');
      await processEnds(pid, { timeoutMs: 30_000 });
      const ms = performance.now() - begun;
      await exit;
      return { inOrder: output.text().includes('"msg":"stopped"'), ms };
    },
    async kill() {
      await killAll([{ pid }]);
      await exit;
    },
  };
}

function collectedOutput(npm: ChildProcess): { text(): string; ready: Promise<void> } {
  let text = '';
  const ready = new Promise<void>((resolveReady) => {
    for (const stream of [npm.stdout, npm.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        if (/Grove (?:worker )?is ready/.test(text)) resolveReady();
      });
    }
  });
  return { text: () => text, ready };
}

function groveBelow(npm: ChildProcess): number {
  const grove = processTree(npm.pid ?? 0).find(
    ({ command }) => command.some((word) => word.endsWith('src/main.ts')) && !command[0]?.endsWith('sh'),
  );
  if (!grove) throw new Error('Grove is not among the processes that npm started');
  return grove.pid;
}
