import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { StartupError } from '#lib/faults/startupError.ts';
import type { Logger } from '#lib/log/logger.ts';
import type { Bus, Topic } from './bus.ts';
import { createInProcessBus } from './inProcessBus.ts';

/** Every topic goes over one channel: a wake-up is small, and one subscription serves the whole node. */
const CHANNEL = 'grove:wakeups';
const CONNECT_TIMEOUT_MS = 5_000;
const LONGEST_RETRY_MS = 1_000;

type RedisBusOptions = { url: string; logger: Logger };

/**
 * A bus between the nodes that share one Redis: one pair of connections a node. Its own wake-ups are delivered at once, without the
 * round trip, and not a second time. While Redis is away, wake-ups reach this node only; it comes back by itself.
 * Throws StartupError if Redis does not answer at the start.
 */
export async function createRedisBus({ url, logger }: RedisBusOptions): Promise<Bus> {
  const node = randomUUID();
  const local = createInProcessBus();
  const publisher = connection(url, { maxRetriesPerRequest: 1, enableOfflineQueue: false });
  const subscriber = connection(url, { maxRetriesPerRequest: null });
  logOutagesOnce(publisher, logger, 'publisher');
  logOutagesOnce(subscriber, logger, 'subscriber');
  subscriber.on('message', (_channel, message: string) => {
    const [sender, topic] = message.split(' ');
    if (topic !== undefined && sender !== node) local.publish(topic as Topic);
  });
  // A refusal (a wrong password) is told by the event; the call only says that the connection is closed.
  let refusal: Error | null = null;
  for (const redis of [publisher, subscriber]) {
    redis.once('error', (error: Error) => {
      refusal ??= error;
    });
  }
  try {
    await Promise.all([publisher.connect(), subscriber.connect().then(() => subscriber.subscribe(CHANNEL))]);
  } catch (error) {
    publisher.disconnect();
    subscriber.disconnect();
    throw unreachable(url, refusal ?? error);
  }
  return {
    publish(topic) {
      local.publish(topic);
      // Lost while Redis is away: whoever waits for it also looks by itself.
      if (publisher.status === 'ready') publisher.publish(CHANNEL, `${node} ${topic}`).catch(() => {});
    },
    subscribe: local.subscribe,
    async close() {
      publisher.disconnect();
      subscriber.disconnect();
      await local.close();
    },
  };
}

function connection(
  url: string,
  options: { maxRetriesPerRequest: number | null; enableOfflineQueue?: boolean },
): Redis {
  return new Redis(url, {
    ...options,
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    retryStrategy: (attempt) => Math.min(attempt * 50, LONGEST_RETRY_MS),
  });
}

/** An `error` event without a listener ends the process; one a retry floods the log. */
function logOutagesOnce(redis: Redis, logger: Logger, role: string): void {
  let away = false;
  let wasReady = false;
  redis.on('error', (error: Error) => {
    if (wasReady && !away) logger.warn({ role, reason: error.message }, 'Redis is away; trying again until it is back');
    away = wasReady;
  });
  redis.on('close', () => {
    if (wasReady && !away && redis.status !== 'end') {
      logger.warn({ role }, 'Redis closed the connection; trying again until it is back');
      away = true;
    }
  });
  redis.on('ready', () => {
    if (away) logger.info({ role }, 'Redis is back');
    away = false;
    wasReady = true;
  });
}

/** Names the address and never the password. */
function unreachable(url: string, error: unknown): StartupError {
  const { hostname, port } = new URL(url);
  const reason = error instanceof Error ? error.message : String(error);
  return new StartupError(
    `Redis at ${hostname}:${port || '6379'} cannot be used (${reason}). Start it, or correct REDIS_URL, or unset it to run without Redis.`,
  );
}
