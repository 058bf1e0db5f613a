import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { AgentHello } from '#agent/protocol.ts';
import type { Database } from '#store/database.ts';

/** The instance whose agent is connected. */
export type AgentIdentity = { instanceId: string; clusterId: string };

const helloSchema: z.ZodType<AgentHello> = z.object({
  instanceId: z.uuid(),
  token: z.string().min(1).max(500),
  version: z.string().max(100),
});

/** Who the agent is, by its token. Null: it is nobody that this store knows, or its instance is removed. */
export async function signInAgent({ db }: { db: Database }, payload: unknown): Promise<AgentIdentity | null> {
  const hello = helloSchema.safeParse(payload).data;
  if (hello === undefined) return null;
  const instance = await db.instance.findFirst({
    where: { id: hello.instanceId, removedAt: null },
    select: { clusterId: true, agentTokenHash: true, agentVersion: true, agentLostAt: true },
  });
  if (instance === null || !tokenMatches(hello.token, instance.agentTokenHash)) return null;
  if (instance.agentVersion !== hello.version || instance.agentLostAt !== null) {
    const data = { agentVersion: hello.version, agentLostAt: null };
    await db.instance.updateMany({ where: { id: hello.instanceId }, data });
  }
  return { instanceId: hello.instanceId, clusterId: instance.clusterId };
}

function tokenMatches(token: string, storedHash: Uint8Array | null): boolean {
  const hash = createHash('sha256').update(token).digest();
  return storedHash !== null && storedHash.length === hash.length && timingSafeEqual(hash, storedHash);
}
