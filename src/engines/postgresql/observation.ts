/** A replica as its primary sees it. */
export type ObservedReplica = {
  applicationName: string;
  /** PostgreSQL's own word, e.g. "streaming". */
  state: string;
  /** Bytes of WAL that the replica has not replayed. Null: not known yet. */
  lagBytes: number | null;
  /** PostgreSQL's own word, e.g. "async". */
  syncState: string;
};

export type ObservedSlot = {
  name: string;
  active: boolean;
  /** PostgreSQL's own word: "reserved", "extended", "unreserved" or "lost". */
  walStatus: string | null;
  /** Bytes of WAL that the slot holds back. */
  retainedBytes: number | null;
};

/** What only PostgreSQL has: the `engine` part of an observation while the server serves. */
export type PostgresObservation = {
  /** The server's exact release, e.g. "18.4". */
  version: string;
  inRecovery: boolean;
  timeline: number | null;
  /** The position that is written (primary) or replayed (replica). */
  currentLsn: string | null;
  /** Null on a primary, and on a replica that still replays what it had when it was started: nobody knows how much that is. */
  receivedLsn: string | null;
  /** Null on a primary. */
  replayedLsn: string | null;
  /** Bytes of all databases but the templates. Null: not measured yet. */
  databaseSizeBytes: number | null;
  maxConnections: number;
  /** The same for all instances of a cluster. */
  systemIdentifier: string;
  /** Empty on a replica. */
  replicas: ObservedReplica[];
  slots: ObservedSlot[];
};

/** Reads the `engine` part of an observation. Null: the server was not serving when it was made. */
export function postgresObservation(engine: object): PostgresObservation | null {
  return 'systemIdentifier' in engine ? (engine as PostgresObservation) : null;
}

/** Where a server was when it last answered: the `lastPosition` of an observation. */
export type LastPosition = { timeline: number; lsn: string; inRecovery: boolean };

export const lastKnownPosition = (position: object | null): LastPosition | null => position as LastPosition | null;
