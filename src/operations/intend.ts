import type { Actor } from '#domain/actor.ts';
import { DomainError, NotFoundError, StaleVersionError } from '#domain/errors.ts';
import { type QuotaChange, quotaBlockers, quotaChanges, takes } from '#domain/quota.ts';
import type { Change } from '#events/transact.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import type { Transaction } from '#store/database.ts';
import { loadOneClusterFacts } from './clusterFacts.ts';
import type { OperationDeps } from './deps.ts';
import { lockCluster } from './lockCluster.ts';
import type { CreationContext, Facts, PlannedStep } from './operation.ts';
import { lockQuota, projectQuota } from './projectQuota.ts';
import type { Request } from './readRequest.ts';

export type IntendDeps = Pick<OperationDeps, 'engines' | 'secrets' | 'defaultProvider' | 'quotaDefaults'>;

/** Whether a request can be accepted. */
export type Judgement = {
  /** The cluster before the change. Null: it would be a new one, and cannot be made. */
  facts: Facts | null;
  /** Every reason why not. */
  blockers: DomainError[];
  /** What it makes of the project's quota. */
  quota: QuotaChange[];
};

/** What is wanted, written as rows. */
export type Intent = {
  /** The cluster as wanted. */
  facts: Facts;
  /** The cluster's version with the change. */
  version: number;
  steps: PlannedStep[];
};

/**
 * Holds the cluster (or writes the rows of a new one) and judges the request; a request that takes from the quota holds that too,
 * until the transaction ends. Throws NotFoundError where there is no such cluster.
 */
export async function judge<Input>(
  deps: IntendDeps,
  { projectId }: Actor,
  change: Change,
  request: Request<Input>,
): Promise<Judgement> {
  const { tx } = change;
  const { definition, input } = request;
  const subject = await subjectOf(deps, projectId, change, request);
  if ('blockers' in subject) return { facts: null, blockers: subject.blockers, quota: [] };
  const { clusterId } = subject;
  const facts = await loadFacts(deps, tx, projectId, clusterId);
  const demand = await definition.quota?.(facts, input, tx);
  if (demand && takes(demand)) await lockQuota(tx, projectId);
  const without = definition.subject.kind === 'NEW' ? clusterId : null;
  const quota = demand ? quotaChanges(await projectQuota(deps, tx, projectId, { without }), demand) : [];
  return { facts, blockers: distinct([...factBlockers(facts, request), ...quotaBlockers(quota)]), quota };
}

/** Writes the rows of what is wanted, and plans how it is brought about. */
export async function intend<Input>(
  deps: Pick<IntendDeps, 'engines'>,
  change: Change,
  { definition, input }: Request<Input>,
  before: Facts,
): Promise<Intent> {
  const { id, projectId } = before.cluster;
  await definition.accept?.(change, before, input);
  const isNew = definition.subject.kind === 'NEW';
  const version = isNew ? before.cluster.version : await raiseVersion(change.tx, id);
  const facts = await loadFacts(deps, change.tx, projectId, id);
  return { facts, version, steps: definition.plan(facts, input) };
}

async function subjectOf<Input>(
  deps: IntendDeps,
  projectId: string,
  change: Change,
  { definition: { subject }, input }: Request<Input>,
): Promise<{ clusterId: string } | { blockers: DomainError[] }> {
  if (subject.kind === 'NEW') {
    const { engines, secrets, defaultProvider: providerName } = deps;
    const context: CreationContext = { projectId, engines, secrets, providerName };
    const blockers = (await subject.blockers?.(change.tx, context, input)) ?? [];
    if (blockers.length > 0) return { blockers };
    try {
      return { clusterId: await subject.create(change, context, input) };
    } catch (error) {
      if (error instanceof DomainError) return { blockers: [error] };
      throw error;
    }
  }
  const clusterId = subject.clusterId(input);
  if (!(await lockCluster(change.tx, clusterId, projectId))) throw new NotFoundError('The cluster');
  return { clusterId };
}

async function loadFacts(
  { engines }: Pick<IntendDeps, 'engines'>,
  tx: Transaction,
  projectId: string,
  clusterId: string,
): Promise<Facts> {
  const cluster = await loadOneClusterFacts(tx, { id: clusterId, projectId });
  if (!cluster) throw new NotFoundError('The cluster');
  return { cluster, engine: assertPresent(engines[cluster.engine], `engine ${cluster.engine}`) };
}

function factBlockers<Input>(
  facts: Facts,
  { definition, input, options: { expectedVersion } }: Request<Input>,
): DomainError[] {
  const { name, version } = facts.cluster;
  const isStale = expectedVersion !== null && expectedVersion !== version;
  return [
    ...(isStale ? [new StaleVersionError(name, expectedVersion, version)] : []),
    ...definition.blockers(facts),
    ...(definition.inputBlockers?.(facts, input) ?? []),
  ];
}

/** What stands against the cluster may stand against the input too: it is told once. */
function distinct(blockers: readonly DomainError[]): DomainError[] {
  const told = blockers.map((blocker) => JSON.stringify(blocker));
  return blockers.filter((_, position) => told.indexOf(told[position] ?? '') === position);
}

async function raiseVersion(tx: Transaction, clusterId: string): Promise<number> {
  const { version } = await tx.cluster.update({
    where: { id: clusterId },
    data: { version: { increment: 1 } },
    select: { version: true },
  });
  return version;
}
