import { onTestFinished } from 'vitest';
import { createDatabase, type Database } from '#store/database.ts';
import { type CuttingProxy, cuttingProxy } from './cuttingProxy.ts';

/** A database and the way to it, which can be cut. Ends with the test. */
export async function cuttableDatabase(
  url: string,
  options?: Parameters<typeof createDatabase>[1],
): Promise<{ db: Database; way: CuttingProxy }> {
  const way = await cuttingProxy(url);
  const through = Object.assign(new URL(url), { port: new URL(way.url).port });
  const db = createDatabase(through.href, options);
  onTestFinished(() => db.$disconnect());
  return { db, way };
}
