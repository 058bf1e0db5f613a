/** Who may connect: networks in CIDR notation. */
export type AccessPolicy = {
  /** Networks of clients. */
  clients: string[];
  /** Networks of the group itself: its replicas and its agents. */
  peers: string[];
};

export type ServerAddress = { host: string; port: number };

/** What this engine's agents understand. Each command is safe to run twice: it ensures, it does not create. */
export type PostgresqlCommands = {
  /** An empty instance becomes a running primary with its roles and the customer's database. */
  initialize: { input: { access: AccessPolicy }; result: { systemIdentifier: string } };
  /** An empty instance becomes a replica that streams from the primary, by a base backup. `bytes` is 0 if it was one already. */
  clone: {
    input: { primary: ServerAddress; slotName: string; access: AccessPolicy };
    result: { bytes: number; files: number };
  };
  /** On a primary: these slots exist and hold back WAL. */
  ensureSlots: { input: { slotNames: string[] }; result: { created: string[] } };
  /** On a primary: these slots are gone, their sessions ended. */
  dropSlots: { input: { slotNames: string[] }; result: { dropped: string[] } };
  /** The rules are in force; sessions that they no longer allow are ended. `inForce` false: the server is stopped. */
  applyAccess: { input: { access: AccessPolicy }; result: { inForce: boolean; endedSessions: number } };
  /** On a primary: writes a row with this token. `lsn`: the position after it. */
  writeProbe: { input: { token: string }; result: { lsn: string } };
  /** Waits until the row with this token can be read here. */
  readProbe: { input: { token: string }; result: { role: 'PRIMARY' | 'REPLICA'; replicationState: string | null } };
  start: { input: Record<string, never>; result: null };
  stop: { input: Record<string, never>; result: null };
  /** `downMs`: from when the server was told to stop until it accepted sessions again; null: it did not run before. */
  restart: { input: Record<string, never>; result: { startedAt: string; downMs: number | null } };
};
