import type { InstanceFacts } from '#domain/facts.ts';
import { StepFailure } from '#domain/stepFailure.ts';
import type { Promotion, Rejoined } from '#engines/engine.ts';
import { ProviderError } from '#providers/provider.ts';
import { answeringWithin } from './answered.ts';
import type { StepContext } from './operation.ts';
import { untilWithin } from './untilWithin.ts';
import { reportedWithinMs } from './verifyCluster.ts';

/** An agent that was started connects within seconds, or its host is not there. */
const connectsWithinMs = 30_000;
const answersWithinMs = 120_000;
const copiesWithinMs = 25 * 60_000;

/** What became of an instance that was to follow the primary. `how` null: it does not; `reason` says why. */
export type BroughtBack = { how: Rejoined['how'] | null; discardedBytes: number | null; reason: string | null };

/** The instance follows the primary: its agent runs, its fence is gone, it serves. Throws where it cannot. */
export async function joinAgain(
  context: StepContext,
  promotion: Promotion,
  { id, name }: Pick<InstanceFacts, 'id' | 'name'>,
): Promise<Rejoined> {
  await context.setActivity([{ id }], 'SYNCING');
  await context.provider.startInstance({ clusterId: context.cluster.id, instanceId: id });
  const instance = (await connected(context, { id, name })) ?? (await connectedAnew(context, { id, name }));
  if (!instance) throw new StepFailure('AGENT_SILENT', `The agent of ${name} does not connect.`, { retryable: true });
  const rejoined = await promotion.rejoin(context, instance);
  await untilWithin(context, {
    what: `${name} to report that it follows the primary`,
    withinMs: reportedWithinMs,
    isReached: ({ instances }) =>
      instances.some(
        ({ id: found, observation }) => found === id && observation?.serving && observation.role === 'REPLICA',
      ),
    failure: () =>
      new StepFailure('AGENT_SILENT', `${name} does not report that it follows the primary.`, { retryable: true }),
  });
  await context.setActivity([{ id }], 'NONE', async ({ tx }) => {
    await tx.instance.update({ where: { id }, data: { fencedAt: null } });
  });
  return rejoined;
}

type Named = Pick<InstanceFacts, 'id' | 'name'>;

/** Null: its agent does not connect in time. */
async function connected(context: StepContext, { id, name }: Named): Promise<InstanceFacts | null> {
  const begun = context.clock.now().getTime();
  const there = await context.untilIn(connectsWithinMs, `the agent of ${name} to connect`, ({ instances }) =>
    instances.some((instance) => instance.id === id && instance.agentLostAt === null && isFresh(instance, begun)),
  );
  return there?.instances.find((found) => found.id === id) ?? null;
}

/** An agent that runs and does not connect hangs; one that is started anew does not. */
async function connectedAnew(context: StepContext, subject: Named): Promise<InstanceFacts | null> {
  const instance = { clusterId: context.cluster.id, instanceId: subject.id };
  if ((await context.provider.inspect(instance)) !== 'running') return null;
  await context.provider.stopInstance(instance);
  await context.provider.startInstance(instance);
  return await connected(context, subject);
}

/** As joinAgain, but what stands in the way is told, not thrown: it is tried again by itself later. */
export async function bringBack(
  context: StepContext,
  promotion: Promotion,
  instance: Pick<InstanceFacts, 'id' | 'name'>,
): Promise<BroughtBack> {
  // An agent that vanishes in the middle must not hold the operation up until its deadline.
  const patient = answeringWithin(context, (kind) =>
    kind === 'clone' || kind === 'rewind' ? copiesWithinMs : answersWithinMs,
  );
  try {
    return { ...(await joinAgain(patient, promotion, instance)), reason: null };
  } catch (error) {
    if (context.signal.aborted || !(error instanceof StepFailure || error instanceof ProviderError)) throw error;
    await context.setActivity([instance], 'NONE');
    return { how: null, discardedBytes: null, reason: error.message };
  }
}

/** A live agent reports at least every two seconds, and at once when it connects. */
const isFresh = ({ observedAt }: InstanceFacts, since: number): boolean =>
  observedAt !== null && observedAt.getTime() > since - 2500;
