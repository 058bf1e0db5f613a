import type { ClusterFacts } from '#domain/facts.ts';
import type { Health } from '#domain/health.ts';
import { members } from '#domain/members.ts';
import { StepFailure } from '#domain/stepFailure.ts';
import type { PlannedStep, StepContext } from './operation.ts';
import { untilWithin } from './untilWithin.ts';

/** The data path works by then: what the agents report follows within seconds, in milliseconds. */
export const reportedWithinMs = 120_000;

export const surveyStep = 'survey';
export const verifyStep = 'verify';

export const planSurvey: PlannedStep = { key: surveyStep, name: 'look at the cluster', instanceId: null };
export const planVerify: PlannedStep = { key: verifyStep, name: 'verify the cluster', instanceId: null };

/** Ids of the instances that were not well before the operation touched anything, and that it is not about. */
export type Survey = { ill: string[] };

/**
 * Who was ill as the operation began, apart from the instances that it is about: nobody waits for those at its end. A step of its
 * own, so that a worker that resumes does not take what the operation itself is doing for an illness.
 */
export async function survey({ cluster, engine }: StepContext, subjects: readonly string[]): Promise<Survey> {
  const { reasons } = engine.health({ ...cluster, instances: members(cluster) });
  const named = new Set(reasons.flatMap(({ instanceId }) => instanceId ?? []));
  return { ill: [...named].filter((id) => !subjects.includes(id)) };
}

/**
 * The data path works on every instance but those that were ill before, and what the agents report says so too. False: the
 * primary is one of these, so that nothing can be written and nothing verified.
 */
export async function verifyCluster(
  context: StepContext,
  { ill }: Survey = { ill: [] },
): Promise<{ verified: boolean }> {
  const { engine, cluster } = context;
  if (cluster.primaryInstanceId !== null && ill.includes(cluster.primaryInstanceId)) return { verified: false };
  const theWell = (facts: ClusterFacts): ClusterFacts => ({
    ...facts,
    instances: facts.instances.filter(({ id }) => !ill.includes(id)),
  });
  // Also the ill count: a commit must not pass that no replica has.
  if (cluster.synchronous) await engine.applySynchronous(context);
  await engine.verify({ ...context, cluster: theWell(cluster) });
  await untilWithin(context, {
    what: 'every instance to report that it is as wanted',
    withinMs: reportedWithinMs,
    isReached: (facts) => engine.health(theWell(facts)).level === 'HEALTHY',
    failure: (facts) => notAsWanted(engine.health(theWell(facts))),
  });
  return { verified: true };
}

export const notAsWanted = ({ reasons }: Health): StepFailure =>
  new StepFailure('NOT_AS_WANTED', `The cluster is not as wanted: ${reasons.map(({ message }) => message).join(' ')}`);
