import { z } from 'zod';
import type { Bus } from '#events/bus.ts';
import type { Database } from '#store/database.ts';
import type { AgentIdentity } from './signInAgent.ts';
import { storableText } from './storableJson.ts';

/** Longer words of an agent are cut. */
const maxLength = 500;

type ProgressDeps = { db: Database; bus: Bus };

/** Writes how far an unfinished command of the calling instance is. False: the instance has no such command. */
export async function recordProgress(
  { db, bus }: ProgressDeps,
  { instanceId }: AgentIdentity,
  { commandId, message }: { commandId: string; message: string },
): Promise<boolean> {
  if (!z.guid().safeParse(commandId).success) return false;
  const { count } = await db.agentCommand.updateMany({
    where: { id: commandId, instanceId, status: 'PENDING' },
    data: { progress: storableText(message).slice(0, maxLength) },
  });
  if (count > 0) bus.publish(`command:${commandId}`);
  return count > 0;
}
