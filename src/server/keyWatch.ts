import { isInForce } from '#auth/authenticate.ts';
import type { Actor, Role } from '#domain/actor.ts';
import type { GraphqlDeps } from '#graphql/context.ts';

/** Ends what a key opened when the key is revoked, expires or is given another role. */
export type KeyWatch = {
  /** Calls `onEnd` within two seconds of the key's end. Returns the function that ends the watch. */
  watch(actor: Actor, onEnd: () => void): () => void;
  /** By what was last seen of a watched key. False: its end has come, and `onEnd` has been called. */
  isInForce(actor: Actor): boolean;
  close(): void;
};

type KeyWatchDeps = Pick<GraphqlDeps['operations'], 'db' | 'bus' | 'clock' | 'logger'>;
type KeyFacts = { revokedAt: Date | null; expiresAt: Date | null; role: Role; projectId: string };
type Watched = {
  watchers: Map<() => void, Actor>;
  /** As last seen. Null: it is gone. Undefined: not looked at yet. */
  key?: KeyFacts | null;
};

const LOOK_MS = 1_000;

export function createKeyWatch({ db, bus, clock, logger }: KeyWatchDeps): KeyWatch {
  const watched = new Map<string, Watched>();
  let looking = false;

  async function look(): Promise<void> {
    const ids = [...watched.keys()];
    if (ids.length === 0) return;
    const keys = await db.apiKey.findMany({
      where: { id: { in: ids } },
      select: { id: true, revokedAt: true, expiresAt: true, role: true, projectId: true },
    });
    const found = new Map(keys.map((key) => [key.id, key]));
    for (const id of ids) {
      const entry = watched.get(id);
      if (entry === undefined) continue;
      entry.key = found.get(id) ?? null;
      endWhatIsOver(entry);
    }
  }

  function endWhatIsOver({ key, watchers }: Watched): void {
    if (key === undefined) return;
    for (const [onEnd, actor] of [...watchers]) if (!isStill(actor, key, clock.now())) onEnd();
  }

  /** While the store is away nothing new can be sent either; the next look decides. */
  const tryLook = () => look().catch((error) => logger.debug({ err: error }, 'keys could not be looked at'));
  const leaveBus = bus.subscribe('keys', () => void tryLook());
  const timer = setInterval(() => {
    // A key expires also while the store is away.
    for (const entry of [...watched.values()]) endWhatIsOver(entry);
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
      const entry = watched.get(keyId) ?? { watchers: new Map() };
      watched.set(keyId, entry);
      // Wrapped, so that the same function given twice is watched twice.
      const own = () => onEnd();
      entry.watchers.set(own, actor);
      return () => {
        entry.watchers.delete(own);
        if (entry.watchers.size === 0 && watched.get(keyId) === entry) watched.delete(keyId);
      };
    },
    isInForce(actor) {
      const entry = actor.kind === 'SYSTEM' ? undefined : watched.get(actor.keyId);
      if (entry?.key === undefined || isStill(actor, entry.key, clock.now())) return true;
      endWhatIsOver(entry);
      return false;
    },
    close() {
      clearInterval(timer);
      leaveBus();
    },
  };
}

/** Whether the key still stands for whom it stood for at the sign-in. */
function isStill(actor: Actor, key: KeyFacts | null, now: Date): boolean {
  if (actor.kind === 'SYSTEM') return true;
  return key !== null && key.role === actor.role && key.projectId === actor.projectId && isInForce(key, now);
}
