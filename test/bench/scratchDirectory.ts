import { chmod, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { killAll, processesOf } from '../support/processTree.ts';

/** An empty directory that every user can pass through. `destroy` also ends what runs in it. */
export async function createScratchDirectory(): Promise<{ path: string; destroy(): Promise<void> }> {
  const path = await realpath(await mkdtemp(join(tmpdir(), 'grove-bench-')));
  await chmod(path, 0o711);
  return {
    path,
    async destroy() {
      for (let left = processesOf(path); left.length > 0; left = processesOf(path)) await killAll(left);
      await rm(path, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    },
  };
}
