import { flushCompileCache, getCompileCacheDir } from 'node:module';

const restarted = 'GROVE_AGENT_RESTARTED';

/**
 * mallopt(3): one arena, and freed memory back to the system: a copy's buffers stay with the process otherwise. Only the GNU C
 * library looks at these.
 */
const giveMemoryBack = { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '131072', MALLOC_MMAP_THRESHOLD_: '131072' };

/**
 * What an agent's Node is started with to stay small: without the optimising compilers, which an agent's few statements never
 * need (12 MB), with small heaps, and with a cache of compiled code.
 */
export function leanNode(cacheDirectory: string): { flags: string[]; env: Record<string, string> } {
  return {
    flags: [
      '--no-opt',
      '--no-maglev',
      '--max-semi-space-size=1',
      '--v8-pool-size=0',
      '--optimize-for-size',
      '--expose-gc',
    ],
    env: { NODE_COMPILE_CACHE: cacheDirectory, ...giveMemoryBack },
  };
}

const restMs = 1000;

/**
 * Collects what a command has left. Idle, Node would keep the buffers of a copy or a backup for hours: nothing makes it look for
 * garbage.
 */
export function rest(): void {
  setTimeout(() => void globalThis.gc?.(), restMs).unref();
}

/**
 * Node keeps its TypeScript compiler in memory once it has needed it (30 MB). If it did, because the cache of compiled code was
 * empty or of another release, this fills the cache and begins the process anew, under the same pid. Returns where there is
 * nothing to gain, or no such cache. To be called when all that an agent needs at once is imported.
 */
export async function beginLean(environment: Readonly<Record<string, string | undefined>>): Promise<void> {
  if (environment[restarted] !== undefined || !compilerIsLoaded() || getCompileCacheDir() === undefined) return;
  if (process.execve === undefined) return;
  // What is imported only when it is needed would bring the compiler back.
  await Promise.all([
    import('#engines/postgresql/instance/unpackArchive.ts'),
    import('#engines/postgresql/instance/digestArchive.ts'),
    import('#engines/postgresql/instance/archiveFile.ts'),
    import('#backups/openBackupStore.ts'),
  ]);
  flushCompileCache();
  process.execve(process.execPath, [process.execPath, ...process.execArgv, ...process.argv.slice(1)], {
    ...environment,
    [restarted]: '1',
  });
}

/** Node lists what it has loaded of itself, though its documentation does not say so. */
function compilerIsLoaded(): boolean {
  const loaded: unknown = Reflect.get(process, 'moduleLoadList');
  return Array.isArray(loaded) && loaded.some((name: unknown) => String(name).includes('deps/amaro'));
}
