import { setTimeout as delay } from 'node:timers/promises';
import type { GraphqlDeps } from '#graphql/context.ts';

export const healthPaths = { alive: '/healthz', ready: '/readyz' } as const;

const PATIENCE_MS = 2_000;

/** True if the store answers. */
export async function isReady({ db }: Pick<GraphqlDeps['operations'], 'db'>): Promise<boolean> {
  const answer = db.$queryRaw`SELECT 1`.then(
    () => true,
    () => false,
  );
  return Promise.race([answer, delay(PATIENCE_MS, false, { ref: false })]);
}
