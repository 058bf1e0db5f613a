import { randomUUID } from 'node:crypto';
import { type AgentCommand, observeKind } from '#agent/protocol.ts';
import type { Bus } from '#events/bus.ts';
import type { JsonObject } from '#lib/json.ts';
import type { Logger } from '#lib/logger.ts';
import type { Database } from '#store/database.ts';
import type { CommandWatch } from './commandWatch.ts';
import { createLookout } from './lookout.ts';
import type { AgentIdentity } from './signInAgent.ts';

/** Opens what the store keeps encrypted. */
export type SecretOpener = { open(ciphertext: Uint8Array, keyId: string): string };

export type CommandStreamDeps = { db: Database; bus: Bus; logger: Logger; secrets: SecretOpener; watch: CommandWatch };

/**
 * The unfinished commands of one instance, oldest first, each once a connection. The cluster's secrets are opened at delivery
 * and live nowhere else. Goes on through an outage of the store; ends with the connection.
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
  const delivered = new Set<string>();
  try {
    while (!signal.aborted) {
      if (asked) {
        asked = false;
        yield { id: randomUUID(), kind: observeKind, payload: {}, secrets: {} };
      }
      for (const command of await freshCommands(deps, agent, delivered)) {
        if (signal.aborted) return;
        delivered.add(command.id);
        yield command;
      }
      await lookout.next();
    }
  } finally {
    lookout.end();
  }
}

async function freshCommands(
  { db, logger, secrets }: CommandStreamDeps,
  { instanceId, clusterId }: AgentIdentity,
  delivered: Set<string>,
): Promise<AgentCommand[]> {
  try {
    const pending = await pendingCommands(db, instanceId);
    const pendingIds = new Set(pending.map(({ id }) => id));
    for (const id of delivered) if (!pendingIds.has(id)) delivered.delete(id);
    const fresh = pending.filter(({ id }) => !delivered.has(id));
    if (fresh.length === 0) return [];
    const opened = await openSecrets(db, secrets, clusterId);
    return fresh.map(({ id, kind, payload }) => ({ id, kind, payload: payload as JsonObject, secrets: opened }));
  } catch (error) {
    logger.warn({ err: error, instanceId }, 'could not read the commands of an agent; trying again');
    return [];
  }
}

/** A command of an ended operation stays undelivered: nobody waits for it, and a later operation may hold the cluster. */
function pendingCommands(db: Database, instanceId: string) {
  return db.agentCommand.findMany({
    where: { instanceId, status: 'PENDING', operation: { finishedAt: null } },
    orderBy: [{ createdAt: 'asc' }, { id: 'asc' }],
    select: { id: true, kind: true, payload: true },
  });
}

async function openSecrets(db: Database, secrets: SecretOpener, clusterId: string): Promise<Record<string, string>> {
  const rows = await db.clusterSecret.findMany({ where: { clusterId } });
  return Object.fromEntries(rows.map(({ name, ciphertext, keyId }) => [name, secrets.open(ciphertext, keyId)]));
}
