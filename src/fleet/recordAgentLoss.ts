import type { Bus } from '#events/bus.ts';
import type { Clock } from '#lib/time/clock.ts';
import type { Database } from '#store/database.ts';

/** Writes down that the connection of an instance's agent is gone, since when. The next sign-in or report clears it. */
export async function recordAgentLoss(
  { db, bus, clock }: { db: Database; bus: Bus; clock: Clock },
  instanceId: string,
): Promise<void> {
  await db.instance.updateMany({
    where: { id: instanceId, removedAt: null, agentLostAt: null },
    data: { agentLostAt: clock.now() },
  });
  bus.publish(`instance:${instanceId}`);
}
