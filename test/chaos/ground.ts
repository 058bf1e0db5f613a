import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import { createGroveHome, type GroveHome, type GroveProcess, type TestOrSuite } from '../support/groveProcess.ts';
import { RedisServer } from '../support/redisServer.ts';
import { StoreServer } from '../support/storeServer.ts';
import { openSession, openStoreSession } from './storeSession.ts';
import type { FaultNumber, Outage } from './strikes.ts';

const awayMs = 1000;

/** Where a sweep takes place: a Grove, its store and what else it needs. */
export type Ground = {
  fault: FaultNumber;
  home: GroveHome;
  /** Grove has made its store's server itself. */
  ownStore: boolean;
  start(): Promise<GroveProcess>;
  /** A session of the test's own with Grove's store. */
  openStore(): Promise<pg.Client>;
  /** Ends a server that Grove needs, and starts it again after a second. `whileAway` begins when it has ended. */
  restart(outage: Outage, whileAway: () => Promise<void>): Promise<void>;
  destroy(of?: TestOrSuite): Promise<void>;
};

/** F01 and F02: Grove as it comes, with everything in one process. F03: with a PostgreSQL and a Redis that the test restarts. */
export async function createGround(fault: FaultNumber): Promise<Ground> {
  const home = await createGroveHome();
  if (fault === 'F03') return await withServers(home);
  return {
    fault,
    home,
    ownStore: true,
    start: () => home.start(),
    openStore: () => openStoreSession(home),
    restart: () => Promise.reject(new Error(`${fault} restarts no server`)),
    destroy: (of) => home.destroy(of),
  };
}

async function withServers(home: GroveHome): Promise<Ground> {
  const [store, redis] = await Promise.all([StoreServer.start(), RedisServer.start()]);
  const environment = { DATABASE_URL: store.url, REDIS_URL: redis.url };
  return {
    fault: 'F03',
    home,
    ownStore: false,
    start: () => home.start({ environment }),
    openStore: () => openSession({ connectionString: store.url }),
    async restart(outage, whileAway) {
      const server = outage === 'REDIS' ? redis : store;
      await (outage === 'STORE_IN_ORDER' ? store.stop() : server.kill());
      await Promise.all([pause(awayMs), whileAway()]);
      await server.start();
    },
    async destroy(of) {
      await home.destroy(of);
      await Promise.all([store.close(), redis.close()]);
    },
  };
}
