import { z } from 'zod';
import type { CommandOutcome } from '#agent/protocol.ts';
import type { Bus } from '#events/bus.ts';
import { Prisma } from '#generated/prisma/client.ts';
import type { Clock } from '#lib/time/clock.ts';
import type { Database } from '#store/database.ts';
import type { AgentIdentity } from './signInAgent.ts';
import { storableJson } from './storableJson.ts';

const outcomeSchema = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), result: z.json() }),
  z.object({
    ok: z.literal(false),
    error: z.object({ code: z.string(), message: z.string(), retryable: z.boolean() }),
  }),
]);

type FinishDeps = { db: Database; bus: Bus; clock: Clock };

/**
 * Writes the end of a command of the calling instance, once: a repeat answers true and changes nothing. False: the instance has
 * no such command. What is not an outcome ends the command as failed, so that nobody waits for it in vain.
 */
export async function finishCommand(
  { db, bus, clock }: FinishDeps,
  { instanceId }: AgentIdentity,
  { commandId, outcome }: { commandId: string; outcome: unknown },
): Promise<boolean> {
  if (!z.guid().safeParse(commandId).success) return false;
  const { count } = await db.agentCommand.updateMany({
    where: { id: commandId, instanceId, status: 'PENDING' },
    data: { ...endOf(parseOutcome(outcome)), finishedAt: clock.now() },
  });
  if (count === 0) return (await db.agentCommand.count({ where: { id: commandId, instanceId } })) > 0;
  bus.publish(`command:${commandId}`);
  return true;
}

function parseOutcome(outcome: unknown): CommandOutcome {
  const parsed = outcomeSchema.safeParse(storableJson(outcome));
  if (parsed.success) return parsed.data;
  const message = `The agent answered with something that is not an outcome: ${z.prettifyError(parsed.error)}`;
  return { ok: false, error: { code: 'AGENT_PROTOCOL', message, retryable: false } };
}

function endOf(outcome: CommandOutcome) {
  return outcome.ok
    ? ({ status: 'SUCCEEDED', result: outcome.result ?? Prisma.JsonNull } as const)
    : ({ status: 'FAILED', error: outcome.error } as const);
}
