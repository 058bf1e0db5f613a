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

export function createKeyWatch(deps: KeyWatchDeps): KeyWatch {
  return new WatchedKeys(deps);
}

class WatchedKeys implements KeyWatch {
  readonly #deps: KeyWatchDeps;
  readonly #watched = new Map<string, Watched>();
  readonly #leaveBus: () => void;
  readonly #timer: NodeJS.Timeout;
  #looking = false;

  constructor(deps: KeyWatchDeps) {
    this.#deps = deps;
    this.#leaveBus = deps.bus.subscribe('keys', () => void this.#tryLook());
    this.#timer = setInterval(() => this.#lookInTurn(), LOOK_MS);
    this.#timer.unref();
  }

  watch(actor: Actor, onEnd: () => void): () => void {
    if (actor.kind === 'SYSTEM') return () => {};
    const { keyId } = actor;
    const entry = this.#watched.get(keyId) ?? { watchers: new Map() };
    this.#watched.set(keyId, entry);
    // Wrapped, so that the same function given twice is watched twice.
    const own = () => onEnd();
    entry.watchers.set(own, actor);
    return () => {
      entry.watchers.delete(own);
      if (entry.watchers.size === 0 && this.#watched.get(keyId) === entry) this.#watched.delete(keyId);
    };
  }

  isInForce(actor: Actor): boolean {
    const entry = actor.kind === 'SYSTEM' ? undefined : this.#watched.get(actor.keyId);
    if (entry?.key === undefined || isStill(actor, entry.key, this.#deps.clock.now())) return true;
    this.#endWhatIsOver(entry);
    return false;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#leaveBus();
  }

  #lookInTurn(): void {
    // A key expires also while the store is away.
    for (const entry of [...this.#watched.values()]) this.#endWhatIsOver(entry);
    if (this.#looking) return;
    this.#looking = true;
    void this.#tryLook().then(() => {
      this.#looking = false;
    });
  }

  /** While the store is away nothing new can be sent either; the next look decides. */
  #tryLook(): Promise<void> {
    return this.#look().catch((error) => this.#deps.logger.debug({ err: error }, 'keys could not be looked at'));
  }

  async #look(): Promise<void> {
    const ids = [...this.#watched.keys()];
    if (ids.length === 0) return;
    const keys = await this.#deps.db.apiKey.findMany({
      where: { id: { in: ids } },
      select: { id: true, revokedAt: true, expiresAt: true, role: true, projectId: true },
    });
    const found = new Map(keys.map((key) => [key.id, key]));
    for (const id of ids) {
      const entry = this.#watched.get(id);
      if (entry === undefined) continue;
      entry.key = found.get(id) ?? null;
      this.#endWhatIsOver(entry);
    }
  }

  #endWhatIsOver({ key, watchers }: Watched): void {
    if (key === undefined) return;
    for (const [onEnd, actor] of [...watchers]) if (!isStill(actor, key, this.#deps.clock.now())) onEnd();
  }
}

/** Whether the key still stands for whom it stood for at the sign-in. */
function isStill(actor: Actor, key: KeyFacts | null, now: Date): boolean {
  if (actor.kind === 'SYSTEM') return true;
  return key !== null && key.role === actor.role && key.projectId === actor.projectId && isInForce(key, now);
}
