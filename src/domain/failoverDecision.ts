import type { ClusterFacts, InstanceFacts } from './facts.ts';
import { isBeingWorkedOn, isSilent, type Silence } from './instanceStatus.ts';
import { isThere, wantedPrimary } from './promotion.ts';

/** Why the primary of a cluster may be gone. */
export type Suspicion = 'SERVER_DOWN' | 'AGENT_LOST' | 'AGENT_SILENT';

/** What a provider says of an instance. */
export type Presence = 'running' | 'stopped' | 'absent' | 'unknown';

/** What is known of a suspected primary besides the facts. */
export type Inquiry = {
  suspicion: Suspicion;
  /** For how long it has been suspected without a break, in milliseconds of an uninterrupted watch. */
  suspectedForMs: number;
  /** Since when, on the clock that reports are dated by: only what was reported later counts. */
  suspectedSince: Date;
  /** What the primary's provider says, asked now. */
  presence: Presence;
};

/** Null: it is to be failed over. Else why not, in words. */
export type Doubt = string | null;

/**
 * Why the primary of a cluster may be gone, by the reports alone. Null: it is not suspected. While an operation works on it, a server
 * that takes no writes says nothing: that may be just what the operation does.
 */
export function suspicionOf(cluster: ClusterFacts, silence: Silence): Suspicion | null {
  const primary = wantedPrimary(cluster);
  const others = cluster.instances.filter(({ id }) => id !== primary?.id);
  if (!primary || others.length === 0) return null;
  // Whoever is wanted as primary, this one takes writes: to promote a third one would make it worse.
  if (others.some(takesWrites)) return null;
  if (isSilent(primary.observedAt, silence)) return 'AGENT_SILENT';
  if (primary.agentLostAt !== null) return 'AGENT_LOST';
  return primary.observation === null || takesWrites(primary) || isBeingWorkedOn(primary) ? null : 'SERVER_DOWN';
}

/** By its last report; one that was fenced off since does not, though nobody has told so. */
const takesWrites = ({ observation, fencedAt }: InstanceFacts): boolean =>
  fencedAt === null && observation?.serving === true && observation.role === 'PRIMARY';

/**
 * Whether a suspected primary is gone beyond doubt: for long enough, by its provider's word too, and by that of every replica that is
 * heard. A control plane that hears nobody may itself be what is wrong, and does nothing.
 */
export function doubtOf(
  cluster: ClusterFacts,
  { suspicion, suspectedForMs, suspectedSince, presence }: Inquiry,
): Doubt {
  const { detectAfterSeconds } = cluster.failover;
  if (suspectedForMs < detectAfterSeconds * 1000) return 'It may come back yet.';
  if (presence === 'unknown') return 'Its provider cannot tell whether it runs.';
  if (suspicion === 'AGENT_LOST' && presence === 'running') return 'Its agent runs and has only lost its connection.';
  const heard = heardReplicas(cluster, suspectedSince);
  if (heard.length === 0) return 'No replica has reported since.';
  const streaming = heard.find(({ observation }) => observation?.replication?.state === 'streaming');
  return streaming ? `${streaming.name} still streams from it.` : null;
}

/** Replicas that are there and have reported since then. */
export function heardReplicas(cluster: ClusterFacts, since: Date): InstanceFacts[] {
  const primary = wantedPrimary(cluster);
  return cluster.instances.filter(
    (instance) =>
      instance.id !== primary?.id && isThere(instance) && instance.observedAt !== null && instance.observedAt > since,
  );
}
