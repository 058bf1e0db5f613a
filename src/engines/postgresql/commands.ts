import type { StorePlace } from '#backups/storeSettings.ts';

/** Who may connect: networks in CIDR notation. */
export type AccessPolicy = {
  /** Networks of clients. */
  clients: string[];
  /** Networks of the group itself: its replicas and its agents. */
  peers: string[];
};

export type ServerAddress = { host: string; port: number };

/** Until where a timeline counts for those that came after it (the lines of PostgreSQL's history files). */
export type TimelineEnd = { timeline: number; endLsn: string };

/** Where a server stands in its WAL. */
export type ServerPosition = {
  inRecovery: boolean;
  timeline: number;
  /** All that it has: written (primary), or received and durable (replica). Null: not known before it has replayed what it had at its start. */
  lsn: string | null;
  /** What can be read from it. */
  replayedLsn: string;
  /** Bytes that a replica has been told of and has not replayed. 0 on a primary. */
  behindBytes: number;
  /** `host:port` that it streams from now. Null: from none. */
  streamsFrom: string | null;
  /** The timelines before its own, oldest first. */
  history: TimelineEnd[];
};

/** How a primary was stopped to hand its role over. */
export type Demoted = {
  /** Whether it had time to end its WAL with a shutdown checkpoint, which its replicas have then received. */
  clean: boolean;
  timeline: number;
  /** Where that checkpoint begins. */
  lsn: string;
  /** From the moment that it took no more writes, in milliseconds. */
  tookMs: number;
};

/** Whom to follow, and how it came to where it is. */
export type Leader = {
  primary: ServerAddress;
  slotName: string;
  access: AccessPolicy;
  timeline: number;
  history: TimelineEnd[];
  /** As ensureSlots answered. */
  promotions: string[];
};

/** How it went to make an instance follow another one with the data that it has. */
export type Followed = {
  attached: boolean;
  /**
   * DIVERGED: it has what its primary has not. OTHER_HISTORY: it went through a promotion that its primary did not, and what it has since
   * cannot be told by timelines, by which pg_rewind goes. NOT_STREAMING: the primary no longer has what it lacks, or it cannot be reached.
   */
  reason: 'DIVERGED' | 'OTHER_HISTORY' | 'NOT_STREAMING' | 'NO_DATA' | null;
  /** Bytes of WAL that it has and its primary has not. Null: not known. */
  divergedBytes: number | null;
};
/** A part of a backup in the backup store. */
export type StoredPart = { key: string; bytes: number; sha256: string };

/** What this engine's agents understand. Each command is safe to run twice: it ensures, it does not create. */
export type PostgresqlCommands = {
  /** An empty instance becomes a running primary with its roles and the customer's database. */
  initialize: { input: { access: AccessPolicy }; result: { systemIdentifier: string } };
  /** An empty instance becomes a replica that streams from the primary, by a base backup. `bytes` is 0 if it was one already. */
  clone: {
    input: {
      primary: ServerAddress;
      slotName: string;
      access: AccessPolicy;
      /** The primary's, as ensureSlots answered: the copy's too. */
      promotions: string[];
      /** True: a primary's data may be thrown away for the copy. */
      replace?: boolean;
    };
    result: { bytes: number; files: number };
  };
  /** On a primary: these slots exist and hold back WAL. `promotions`: tokens of those that its data have gone through. */
  ensureSlots: { input: { slotNames: string[] }; result: { created: string[]; promotions: string[] } };
  /** On a primary: these slots are gone, their sessions ended. */
  dropSlots: { input: { slotNames: string[] }; result: { dropped: string[] } };
  /** The rules are in force; sessions that they no longer allow are ended. `inForce` false: the server is stopped. */
  applyAccess: { input: { access: AccessPolicy }; result: { inForce: boolean; endedSessions: number } };
  /** On a primary: writes a row with this token. `lsn`: the position after it. */
  writeProbe: { input: { token: string }; result: { lsn: string } };
  /** Waits until the row with this token can be read here. */
  readProbe: { input: { token: string }; result: { role: 'PRIMARY' | 'REPLICA'; replicationState: string | null } };
  position: { input: Record<string, never>; result: ServerPosition };
  /** On a primary: what is only in memory is on disk, so that a stop right after this is short. */
  checkpoint: { input: Record<string, never>; result: null };
  /**
   * On a replica, while it is one: it is near its primary (at most `withinBytes` behind), holds WAL back for those that will follow it,
   * and will wait for `synchronousStandbys` once it is the primary.
   */
  prepareTakeover: {
    input: { slotNames: string[]; synchronousStandbys: string[]; withinBytes: number | null };
    result: { position: ServerPosition };
  };
  /** Takes back what prepareTakeover did. On a primary nothing. */
  abandonTakeover: { input: Record<string, never>; result: null };
  /** A primary takes no more writes, now and after any restart, and is stopped in order within the time, or else at once. */
  demote: { input: { withinMs: number }; result: Demoted };
  /**
   * A replica becomes the primary once it has replayed what begins at `after` (null: at once, with all that it has received).
   * Fails with NOT_PROMOTED if it did not and will not; after any other failure it may have.
   */
  promote: {
    input: { after: string | null; withinMs: number };
    result: { timeline: number; forkLsn: string; tookMs: number };
  };
  /** An instance follows the primary with the data that it has, if it can. A primary's data becomes a replica's by this. */
  follow: { input: Leader; result: Followed };
  /**
   * Takes back what the instance has and the primary has not, and lets it follow. `reason`: why that was not possible; its data can
   * then only be replaced.
   */
  rewind: { input: Leader; result: { rewound: boolean; reason: string | null } };
  /** On a primary: a commit waits for one of these replicas; for none if there are none. */
  setSynchronous: { input: { synchronousStandbys: string[] }; result: null };
  /**
   * On a primary: one of the replicas that commits wait for has on disk what the primary had as it was asked. `reached` false: none has
   * within the time. True where commits wait for none.
   */
  awaitSynchronous: { input: { withinMs: number }; result: { reached: boolean } };
  /**
   * A base backup with its WAL is in the store under the key, compared with its manifest. `bytes` and `sha256` are of the file,
   * `dataBytes` of what is in it.
   */
  backUp: {
    input: { store: StorePlace; key: string };
    result: {
      bytes: number;
      sha256: string;
      dataBytes: number;
      start: { lsn: string; timeline: number };
      end: { lsn: string; timeline: number };
    };
  };
  /** An empty instance has the data of the part; no server runs on them yet. */
  restore: { input: { store: StorePlace; part: StoredPart }; result: { bytes: number; files: number } };
  /** An instance with the data of the part becomes a running primary on a timeline of its own, with this cluster's passwords. */
  lead: { input: { store: StorePlace; part: StoredPart; access: AccessPolicy }; result: { timeline: number } };
  /** An instance with the data of the part streams from the primary. `reason`: why it cannot, and is no server then; null: it does. */
  followPart: {
    input: { store: StorePlace; part: StoredPart; primary: ServerAddress; slotName: string; access: AccessPolicy };
    result: { reason: string | null };
  };
  start: { input: Record<string, never>; result: null };
  stop: { input: Record<string, never>; result: null };
  /** `downMs`: from when the server was told to stop until it accepted sessions again; null: it did not run before. */
  restart: { input: Record<string, never>; result: { startedAt: string; downMs: number | null } };
};
