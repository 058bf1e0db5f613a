import { readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'vite';

// Bundles GraphiQL from npm into dist/graphiql, which the server serves: the page loads nothing from elsewhere.
const sources = ['graphiql', 'src/server/graphiql/examples', 'package-lock.json'];
const bundle = 'dist/graphiql/index.html';

/** The last change beneath a path; null if nothing is there. */
function changedAt(path: string): number | null {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return null;
  if (!stat.isDirectory()) return stat.mtimeMs;
  const inside = readdirSync(path).map((name) => changedAt(join(path, name)) ?? 0);
  return Math.max(stat.mtimeMs, ...inside);
}

const builtAt = changedAt(bundle);
const isUpToDate = builtAt !== null && sources.every((source) => (changedAt(source) ?? 0) < builtAt);
if (!isUpToDate) await build({ root: resolve('graphiql'), configFile: resolve('graphiql/vite.config.ts') });
