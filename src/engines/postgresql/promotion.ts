import {
  type DomainError,
  InstanceNotPromotableError,
  NoPrimaryError,
  PrimaryHealthyError,
  ReplicasUnseenError,
  ReplicaTooFarBehindError,
} from '#domain/errors.ts';
import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import { hadServer } from '#domain/instanceStatus.ts';
import { isFormerPrimary, isHealthy, isThere, wantedPrimary } from '#domain/promotion.ts';
import type { Candidate, PromotionMode, PromotionRequest } from '../engine.ts';
import { isBefore, lsnDifference, lsnToBytes } from './lsn.ts';
import { type LastPosition, lastKnownPosition, type PostgresObservation, postgresObservation } from './observation.ts';

type Cluster = Pick<ClusterFacts, 'name' | 'instances' | 'primaryInstanceId' | 'synchronous'>;

/** What a replica is known to have: its timeline, and all that it has received and written down. */
export type Standing = { instanceId: string; name: string; timeline: number; lsn: string };

/** The standings by what they hold, the most first: the newest timeline, then the greatest position, then the name. */
export function ranked<T extends Standing>(standings: readonly T[]): T[] {
  return standings.toSorted((a, b) => {
    if (a.timeline !== b.timeline) return b.timeline - a.timeline;
    const [positionA, positionB] = [lsnToBytes(a.lsn), lsnToBytes(b.lsn)];
    if (positionA !== positionB) return positionA < positionB ? 1 : -1;
    return a.name < b.name ? -1 : 1;
  });
}

/**
 * Those of the newest timeline, the lost primary's included: a replica that stayed behind on an older one may have what its primary no
 * longer has, and lacks all that was written since. With the loss accepted, the newest of those that are there.
 */
export function electable<T extends Standing>(standings: readonly T[], { lost, acceptDataLoss }: Lost): T[] {
  const [best] = ranked(standings);
  const newest = Math.max(best?.timeline ?? 0, acceptDataLoss ? 0 : (lost?.timeline ?? 0));
  return ranked(standings).filter(({ timeline }) => timeline === newest);
}

type Lost = { lost: LastPosition | null; acceptDataLoss: boolean };

/** The replicas that could become the primary in this mode, the best first. */
export function promotionCandidates(cluster: Cluster, mode: PromotionMode, acceptDataLoss = false): Candidate[] {
  const primary = wantedPrimary(cluster);
  const standings = cluster.instances.flatMap((instance) => {
    const able =
      mode === 'FAILOVER'
        ? isThere(instance)
        : isHealthy(instance) && primary !== undefined && streamsFrom(instance, primary);
    const standing = able && isReplica(cluster, instance) ? standingOf(instance) : null;
    return standing === null ? [] : [{ ...standing, instance }];
  });
  const lost = primary === undefined ? null : lastPosition(primary);
  return electable(standings, { lost, acceptDataLoss }).map(({ instance, lsn }) => ({
    instance,
    lagBytes: lagOf(instance, lsn, { mode, primary }),
  }));
}

/** The replica with most of the primary's data. Null: there is none that could take over. */
export function elect(cluster: Cluster): InstanceFacts | null {
  return promotionCandidates(cluster, 'FAILOVER')[0]?.instance ?? null;
}

/**
 * With `ANY 1` of N replicas an acknowledged write is on at least one of them, and nobody knows on which: N − 1 + 1, that is all of
 * them, have to be seen for the greatest position among them to be sure to hold it. The wanted primary cannot be: it is fenced off
 * before the others are asked.
 */
export function unseenReplicas(cluster: Cluster): string[] {
  if (!cluster.synchronous) return [];
  const wanted = wantedPrimary(cluster);
  return acknowledging(cluster)
    .filter((instance) => instance.id === wanted?.id || !isThere(instance) || standingOf(instance) === null)
    .map(({ name }) => name);
}

/**
 * The replicas that may have acknowledged a commit: not one that has no server yet, nor a former primary, which follows nobody before
 * it has become a replica. One that was elected and lost before it was seen to lead has only the commits that it acknowledged as a replica.
 */
export function acknowledging(cluster: Pick<Cluster, 'instances' | 'primaryInstanceId'>): InstanceFacts[] {
  const wanted = wantedPrimary(cluster);
  return cluster.instances.filter(
    (instance) =>
      hadServer(instance) && (instance.id === wanted?.id ? !hasLed(instance) : isReplica(cluster, instance)),
  );
}

/** True if the wanted primary may have been seen to serve as such. Nobody follows it before that, and whoever does not is of an older timeline. */
function hasLed(wanted: InstanceFacts): boolean {
  return roleOf(wanted) === 'PRIMARY' && lastPosition(wanted)?.inRecovery !== true;
}

/** Every reason why the target (null: whichever is best) cannot be promoted. */
export function promoteBlockers(
  cluster: Cluster,
  { mode, target, maxLagBytes, acceptDataLoss }: PromotionRequest,
): DomainError[] {
  if (target !== null && isFormerPrimary(cluster, target)) {
    return [...primaryBlockers(cluster, mode), ...(mode === 'FAILOVER' && acceptDataLoss ? [] : [wasPrimary(target)])];
  }
  const blockers = [
    ...primaryBlockers(cluster, mode),
    ...(target === null ? [] : targetBlockers(cluster, target, mode)),
  ];
  const candidates = promotionCandidates(cluster, mode, acceptDataLoss);
  const chosen = target === null ? candidates[0] : candidates.find(({ instance }) => instance.id === target.id);
  if (blockers.length === 0 && !chosen) blockers.push(nobodyFit(cluster, { mode, target }));
  const { lagBytes } = chosen ?? { lagBytes: 0 };
  if (chosen && lagBytes === null && !acceptDataLoss) blockers.push(lagUnknown(cluster, chosen.instance));
  if (chosen && lagBytes !== null && lagBytes > maxLagBytes) {
    blockers.push(new ReplicaTooFarBehindError(chosen.instance.name, lagBytes, maxLagBytes));
  }
  const unseen = mode === 'FAILOVER' && !acceptDataLoss ? unseenReplicas(cluster) : [];
  if (unseen.length > 0) blockers.push(new ReplicasUnseenError(cluster.name, unseen));
  return blockers;
}

/** Why an instance whose agent is there does not follow the primary, though that serves. Null: it does, or the primary does not. */
export function stray(cluster: Cluster, instance: InstanceFacts): string | null {
  const primary = wantedPrimary(cluster);
  if (!primary || primary.id === instance.id || !isHealthy(primary) || primary.role !== 'PRIMARY') return null;
  const { observation, agentLostAt } = instance;
  if (agentLostAt !== null || observation === null) return null;
  if (instance.fencedAt !== null) return 'it was fenced off';
  if (instance.activity === 'FAILED' && observation.role === 'REPLICA') return 'an operation failed on it';
  if (observation.role === 'PRIMARY') return 'it has the data of a primary';
  if (observation.stopped) return 'it is stopped';
  if (observation.serving && !streamsFrom(instance, primary)) return `it does not stream from ${primary.name}`;
  return null;
}

function primaryBlockers(cluster: Cluster, mode: PromotionMode): DomainError[] {
  const primary = wantedPrimary(cluster);
  const healthy = primary !== undefined && isHealthy(primary) && primary.role === 'PRIMARY';
  if (mode === 'PLANNED') return healthy ? [] : [new NoPrimaryError(cluster.name)];
  // Whichever is wanted: beside one that takes writes another would be the second.
  const writing = cluster.instances.find((instance) => isThere(instance) && instance.observation?.role === 'PRIMARY');
  return writing ? [new PrimaryHealthyError(cluster.name, writing.name)] : [];
}

function targetBlockers(cluster: Cluster, target: InstanceFacts, mode: PromotionMode): DomainError[] {
  const { name, status, statusReason, role } = target;
  if (target.id === wantedPrimary(cluster)?.id) {
    return [new InstanceNotPromotableError(`${name} is the primary already.`, 'IS_PRIMARY')];
  }
  if (role !== 'REPLICA') {
    return [
      new InstanceNotPromotableError(`${name} is not a replica; only a replica can be promoted.`, 'NOT_A_REPLICA'),
    ];
  }
  if (mode === 'FAILOVER' ? isThere(target) : isHealthy(target)) return [];
  const why = target.agentLostAt === null ? `is ${status}` : 'has lost its agent';
  const reason = statusReason === null ? '' : ` ${statusReason}`;
  return [
    new InstanceNotPromotableError(`${name} ${why}; only a healthy replica can be promoted.${reason}`, 'NOT_HEALTHY'),
  ];
}

function wasPrimary({ name }: InstanceFacts): DomainError {
  const way = 'With mode FAILOVER and acceptDataLoss it takes writes again; what others acknowledged after it is lost.';
  return new InstanceNotPromotableError(`${name} is no replica: it was the primary before. ${way}`, 'NOT_A_REPLICA');
}

function nobodyFit(
  cluster: Cluster,
  { mode, target }: { mode: PromotionMode; target: InstanceFacts | null },
): DomainError {
  const streams =
    mode === 'PLANNED' ? ' streams from the primary' : ' has followed the last primary to its newest timeline';
  if (target === null) {
    const former = cluster.instances.find((instance) => isFormerPrimary(cluster, instance));
    const way =
      former && mode === 'FAILOVER' ? ` ${former.name} was the primary before: name it to go back to it.` : '';
    const why = `Cluster "${cluster.name}" has no healthy replica that${streams}.${way}`;
    return new InstanceNotPromotableError(why, 'NO_CANDIDATE');
  }
  return new InstanceNotPromotableError(`${target.name} is not a replica that${streams}.`, 'NOT_HEALTHY');
}

function lagUnknown({ name }: Cluster, replica: InstanceFacts): DomainError {
  const why = `It is not known how far the lost primary of cluster "${name}" was, and so not what ${replica.name} lacks.`;
  return new InstanceNotPromotableError(`${why} With acceptDataLoss it is promoted all the same.`, 'LAG_UNKNOWN');
}

function isReplica(cluster: Pick<Cluster, 'instances' | 'primaryInstanceId'>, instance: InstanceFacts): boolean {
  return instance.id !== wantedPrimary(cluster)?.id && roleOf(instance) !== 'PRIMARY';
}

const roleOf = ({ role, observation }: InstanceFacts): InstanceFacts['role'] => observation?.role ?? role;

function factsOf({ observation }: InstanceFacts): PostgresObservation | null {
  return observation === null ? null : postgresObservation(observation.engine);
}

/** Where an instance was when its server last answered its agent. Null: not known. */
export function lastPosition({ observation }: InstanceFacts): LastPosition | null {
  return observation === null ? null : lastKnownPosition(observation.lastPosition);
}

function standingOf(instance: InstanceFacts): Standing | null {
  const facts = factsOf(instance);
  if (facts?.timeline == null || facts.receivedLsn === null || !facts.inRecovery) return null;
  const lsn = furthest(facts.receivedLsn, facts.replayedLsn);
  return { instanceId: instance.id, name: instance.name, timeline: facts.timeline, lsn };
}

/** A replica that was started again has replayed more than it has received since. */
function furthest(received: string, replayed: string | null): string {
  return replayed === null || isBefore(replayed, received) ? received : replayed;
}

function streamsFrom({ observation }: InstanceFacts, primary: InstanceFacts): boolean {
  const replication = observation?.replication ?? null;
  return replication?.state === 'streaming' && replication.upstream === `${primary.address}:${primary.port}`;
}

/** While the primary lives, what the replica says of itself; two observations at different times would not compare. */
function lagOf(
  { observation }: InstanceFacts,
  lsn: string,
  { mode, primary }: { mode: PromotionMode; primary: InstanceFacts | undefined },
): number | null {
  if (mode === 'PLANNED') return observation?.replication?.lagBytes ?? 0;
  const last = primary === undefined ? null : lastPosition(primary);
  return last === null ? null : lsnDifference(last.lsn, lsn);
}
