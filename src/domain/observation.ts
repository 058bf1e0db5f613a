import type { InstanceRole } from '#generated/prisma/enums.ts';
import type { JsonObject } from '#lib/values/json.ts';

/** How a replica's copying stands, as its own server tells. */
export type ReplicationObservation = {
  /** `host:port` of the server that it follows. Null: it follows none. */
  upstream: string | null;
  /** The engine's own word, e.g. "streaming". Null: not connected. */
  state: string | null;
  /** Bytes received or known upstream and not applied. Null: not known. */
  lagBytes: number | null;
  /** Seconds since the last applied change was made. Null: not known. */
  lagSeconds: number | null;
  /** The last applied position, in the engine's own notation (LSN for PostgreSQL). */
  position: string | null;
};

/** What an agent sees of its server, every two seconds and at each change. */
export type Observation = {
  /** When it was seen, on the agent's clock (ISO 8601). */
  at: string;
  /** True: the server answers queries. */
  serving: boolean;
  /** Why it is not serving, in words. Null while it serves. */
  reason: string | null;
  role: InstanceRole | null;
  /** True: an operation (or a person) stopped the server on purpose. */
  stopped: boolean;
  /** Since when the server process runs (ISO 8601). Null: it does not. */
  startedAt: string | null;
  /** Client connections. */
  connections: number | null;
  /** Bytes that the instance's data directory takes. */
  storageUsedBytes: number | null;
  /** Null on a primary. */
  replication: ReplicationObservation | null;
  /** How each server that follows this one stands, in the engine's own word, e.g. "streaming". Empty: none does, or not known. */
  followerStates: string[];
  /** Where its server was when it last answered this agent, in the engine's own words. Null: not known. */
  lastPosition: JsonObject | null;
  /** What only this engine has; its shape belongs to engines/<engine>. */
  engine: JsonObject;
};
