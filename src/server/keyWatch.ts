import { isInForce } from '#auth/authenticate.ts';
import type { Actor } from '#domain/actor.ts';
import type { GraphqlDeps } from '#graphql/context.ts';

/** Ends what a key opened when the key is revoked or expires. */
export type KeyWatch = {
  /** Calls `onEnd` within two seconds of the key's end. Returns the function that ends the watch. */
  watch(actor: Actor, onEnd: () => void): () => void;
  close(): void;
};

type KeyWatchDeps = Pick<GraphqlDeps['operations'], 'db' | 'bus' | 'clock' | 'logger'>;

const LOOK_MS = 1_000;

export function createKeyWatch({ db, bus, clock, logger }: KeyWatchDeps): KeyWatch {
  const watchers = new Map<string, Set<() => void>>();
  let looking = false;

  async function look(): Promise<void> {
    const watched = [...watchers.keys()];
    if (watched.length === 0) return;
    const keys = await db.apiKey.findMany({
      where: { id: { in: watched } },
      select: { id: true, revokedAt: true, expiresAt: true },
    });
    const inForce = new Set(keys.filter((key) => isInForce(key, clock.now())).map(({ id }) => id));
    for (const keyId of watched) {
      if (!inForce.has(keyId)) for (const onEnd of watchers.get(keyId) ?? []) onEnd();
    }
  }

  /** While the store is away nothing new can be sent either; the next look decides. */
  const tryLook = () => look().catch((error) => logger.debug({ err: error }, 'keys could not be looked at'));
  const leaveBus = bus.subscribe('keys', () => void tryLook());
  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    void tryLook().then(() => {
      looking = false;
    });
  }, LOOK_MS);
  timer.unref();

  return {
    watch(actor, onEnd) {
      if (actor.kind === 'SYSTEM') return () => {};
      const { keyId } = actor;
      const entry = () => onEnd();
      const entries = watchers.get(keyId) ?? new Set();
      watchers.set(keyId, entries.add(entry));
      return () => {
        entries.delete(entry);
        if (entries.size === 0 && watchers.get(keyId) === entries) watchers.delete(keyId);
      };
    },
    close() {
      clearInterval(timer);
      leaveBus();
    },
  };
}
