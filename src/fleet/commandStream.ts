import { randomUUID } from 'node:crypto';
import { type AgentCommand, observeKind, storeCredentialsName, withdrawKind } from '#agent/protocol.ts';
import { isTakingBack } from '#domain/takingBack.ts';
import type { Bus } from '#events/bus.ts';
import type { Logger } from '#lib/log/logger.ts';
import type { JsonObject } from '#lib/values/json.ts';
import type { Database } from '#store/database.ts';
import type { CommandWatch } from './commandWatch.ts';
import { createLookout } from './lookout.ts';
import type { AgentIdentity } from './signInAgent.ts';

/** Opens what the store keeps encrypted. */
export type SecretOpener = { open(ciphertext: Uint8Array, keyId: string): string };

export type CommandStreamDeps = {
  db: Database;
  bus: Bus;
  logger: Logger;
  secrets: SecretOpener;
  watch: CommandWatch;
  /** For commands that work with the backup store, as JSON. Null: it needs none. */
  storeCredentials?: string | null;
};

/**
 * The unfinished commands of one instance, oldest first, each once a connection, and once more as a withdrawal where its operation has
 * come to an end. The cluster's secrets are opened at delivery and live nowhere else. Goes on through an outage of the store; ends
 * with the connection.
 */
export async function* commandStream(
  deps: CommandStreamDeps,
  agent: AgentIdentity,
  signal: AbortSignal,
): AsyncGenerator<AgentCommand, void, void> {
  let asked = false;
  const subscribe = (listener: () => void) => {
    const endWatch = deps.watch.watch(agent.instanceId, listener);
    const endAsking = deps.bus.subscribe(`observe:${agent.instanceId}`, () => {
      asked = true;
      listener();
    });
    return () => {
      endWatch();
      endAsking();
    };
  };
  const lookout = createLookout({ subscribe, signal });
  const delivered: Delivered = new Map();
  try {
    while (!signal.aborted) {
      if (asked) {
        asked = false;
        yield { id: randomUUID(), kind: observeKind, payload: {}, secrets: {} };
      }
      for (const command of await freshCommands(deps, agent, delivered)) {
        if (signal.aborted) return;
        delivered.set(command.id, command.kind);
        yield command;
      }
      await lookout.next();
    }
  } finally {
    lookout.end();
  }
}

/** As what each command was delivered last: its kind, or a withdrawal. */
type Delivered = Map<string, string>;

async function freshCommands(
  { db, logger, secrets, storeCredentials = null }: CommandStreamDeps,
  { instanceId, clusterId }: AgentIdentity,
  delivered: Delivered,
): Promise<AgentCommand[]> {
  try {
    const pending = await pendingCommands(db, instanceId);
    const pendingIds = new Set(pending.map(({ id }) => id));
    for (const id of delivered.keys()) if (!pendingIds.has(id)) delivered.delete(id);
    const fresh = pending.filter(({ id, kind }) => delivered.get(id) !== kind);
    if (fresh.length === 0) return [];
    const opened = await openSecrets(db, secrets, clusterId);
    return fresh.map(({ id, kind, payload }) =>
      kind === withdrawKind
        ? { id, kind, payload: {}, secrets: {} }
        : { id, kind, payload, secrets: { ...opened, ...credentialsFor(payload, storeCredentials) } },
    );
  } catch (error) {
    logger.warn({ err: error, instanceId }, 'could not read the commands of an agent; trying again');
    return [];
  }
}

function credentialsFor({ store }: JsonObject, storeCredentials: string | null): Record<string, string> {
  return store === undefined || storeCredentials === null ? {} : { [storeCredentialsName]: storeCredentials };
}

/** Nobody waits for a step's command of an operation that has ended, or only takes back, and a later one may hold the cluster. */
async function pendingCommands(db: Database, instanceId: string) {
  const pending = await db.agentCommand.findMany({
    where: { instanceId, status: 'PENDING' },
    orderBy: [{ createdAt: 'asc' }, { id: 'asc' }],
    select: {
      id: true,
      kind: true,
      payload: true,
      stepKey: true,
      operation: { select: { finishedAt: true, ending: true } },
    },
  });
  return pending.map(({ id, kind, payload, stepKey, operation: { finishedAt, ending } }) => {
    const wanted = finishedAt === null && (ending === null || isTakingBack(stepKey));
    return { id, kind: wanted ? kind : withdrawKind, payload: payload as JsonObject };
  });
}

async function openSecrets(db: Database, secrets: SecretOpener, clusterId: string): Promise<Record<string, string>> {
  const rows = await db.clusterSecret.findMany({ where: { clusterId } });
  return Object.fromEntries(rows.map(({ name, ciphertext, keyId }) => [name, secrets.open(ciphertext, keyId)]));
}
