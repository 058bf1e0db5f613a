import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import type { Health, HealthReason, HealthReasonCode } from '#domain/health.ts';
import { limits } from '#domain/limits.ts';
import { assertNever } from '#lib/values/assertNever.ts';
import { postgresObservation } from './observation.ts';

type Group = Pick<ClusterFacts, 'instances' | 'primaryInstanceId' | 'synchronous'>;

/** How a group of one primary and its replicas is doing. Pure. */
export function postgresqlHealth(cluster: Group): Health {
  const { instances } = cluster;
  if (instances.every((instance) => instance.observation === null)) return nothingObserved;
  const primaries = instances.filter((instance) => serves(instance) && instance.role === 'PRIMARY');
  const reasons = [
    ...primaryReasons(cluster, primaries),
    ...primaries.flatMap(lostAgentReasons),
    ...primaries.flatMap((primary) => waitingReasons(cluster, primary)),
    ...instances.flatMap(availabilityReasons),
    ...instances.flatMap((instance) => replicationReasons(instance, primaries)),
  ];
  return { level: levelOf(cluster, primaries, reasons), reasons };
}

const nothingObserved: Health = {
  level: 'UNKNOWN',
  reasons: [{ code: 'NOTHING_OBSERVED', message: 'No agent has reported yet.', instanceId: null }],
};

function levelOf(cluster: Group, primaries: InstanceFacts[], reasons: HealthReason[]): Health['level'] {
  if (primaries.length === 0) return unheardPrimaries(cluster).length > 0 ? 'UNKNOWN' : 'DOWN';
  return reasons.length === 0 ? 'HEALTHY' : 'DEGRADED';
}

/** Instances that nobody hears, of which one may serve as the primary all the same. */
function unheardPrimaries({ instances, primaryInstanceId }: Group): InstanceFacts[] {
  const expected = instances.find(({ id }) => id === primaryInstanceId);
  return (expected ? [expected] : instances).filter(isSilent);
}

function primaryReasons(cluster: Group, primaries: InstanceFacts[]): HealthReason[] {
  const { instances, primaryInstanceId } = cluster;
  if (primaries.length === 0) {
    const expected = instances.find(({ id }) => id === primaryInstanceId);
    const unheard = unheardPrimaries(cluster);
    if (unheard.length > 0) return [unknownPrimary(unheard, expected)];
    const which = expected ? ` Its primary, ${expected.name}, is ${expected.status}.` : '';
    return [{ code: 'NO_PRIMARY', message: `No instance accepts writes.${which}`, instanceId: null }];
  }
  if (primaries.length === 1) return [];
  const names = primaries.map(({ name }) => name).join(', ');
  return [{ code: 'TWO_PRIMARIES', message: `More than one instance accepts writes: ${names}.`, instanceId: null }];
}

function unknownPrimary(unheard: InstanceFacts[], expected: InstanceFacts | undefined): HealthReason {
  const whose = expected ? `its primary, ${expected.name},` : unheard.map(({ name }) => name).join(', ');
  const message = `It is not known whether an instance accepts writes: the agent of ${whose} does not answer.`;
  return { code: 'PRIMARY_UNKNOWN', message, instanceId: null };
}

/** What it last reported is all that is known of a primary whose agent is gone. */
function lostAgentReasons({ id, name, agentLostAt }: InstanceFacts): HealthReason[] {
  if (agentLostAt === null) return [];
  const since = agentLostAt.toISOString();
  const message = `It is not known whether ${name} still accepts writes: the connection of its agent has been lost since ${since}.`;
  return [{ code: 'INSTANCE_UNREACHABLE', message, instanceId: id }];
}

/** As the primary itself sees its replicas: they may all be well and yet not reach it. */
function waitingReasons({ synchronous, instances }: Group, { id, name, observation }: InstanceFacts): HealthReason[] {
  const seen = postgresObservation(observation?.engine ?? {});
  if (!synchronous || instances.length === 1 || seen === null) return [];
  if (seen.replicas.some(({ state }) => state === 'streaming')) return [];
  const message = `Commits wait for a replica: the cluster is synchronous, and none streams from ${name}.`;
  return [{ code: 'COMMITS_WAIT', message, instanceId: id }];
}

function availabilityReasons(instance: InstanceFacts): HealthReason[] {
  const code = availabilityCode(instance);
  if (code === null) return [];
  const message = `${instance.name} is ${instance.status}.${instance.statusReason === null ? '' : ` ${instance.statusReason}`}`;
  return [{ code, message, instanceId: instance.id }];
}

/** Why an instance does not take part. Null: it does. */
function availabilityCode({ status }: InstanceFacts): HealthReasonCode | null {
  switch (status) {
    case 'ACTIVE':
    case 'BACKING_UP':
    case 'REMOVED':
      return null;
    case 'DOWN':
      return 'INSTANCE_DOWN';
    case 'STOPPED':
      return 'INSTANCE_STOPPED';
    case 'UNREACHABLE':
      return 'INSTANCE_UNREACHABLE';
    case 'ERROR':
      return 'INSTANCE_FAILED';
    case 'PENDING':
    case 'PROVISIONING':
    case 'SYNCING':
    case 'RESTARTING':
    case 'PROMOTING':
    case 'RESTORING':
    case 'DRAINING':
    case 'REMOVING':
      return 'INSTANCE_BUSY';
    default:
      return assertNever(status);
  }
}

function replicationReasons(instance: InstanceFacts, primaries: InstanceFacts[]): HealthReason[] {
  if (!serves(instance) || instance.role !== 'REPLICA') return [];
  const fault = replicationFault(instance, primaries);
  return fault === null ? [] : [{ ...fault, instanceId: instance.id }];
}

function replicationFault(
  { name, observation }: InstanceFacts,
  primaries: InstanceFacts[],
): Pick<HealthReason, 'code' | 'message'> | null {
  const replication = observation?.replication ?? null;
  if (replication?.state !== 'streaming') {
    const state = replication?.state ?? 'not connected to its primary';
    return { code: 'REPLICATION_BROKEN', message: `${name} does not follow its primary: it is ${state}.` };
  }
  const [primary] = primaries;
  if (primaries.length === 1 && primary && !follows(replication.upstream, primary)) {
    return { code: 'REPLICATION_BROKEN', message: `${name} follows ${replication.upstream}, not ${primary.name}.` };
  }
  if ((replication.lagBytes ?? 0) <= limits.replicationLagBytes) return null;
  return {
    code: 'REPLICATION_LAGGING',
    message: `${name} is ${replication.lagBytes} bytes behind its primary; ${limits.replicationLagBytes} are normal.`,
  };
}

/** True unless it is known to follow another one. */
function follows(upstream: string | null, { address, port }: InstanceFacts): boolean {
  return upstream === null || address === null || upstream === `${address}:${port}`;
}

function serves({ status, observation }: InstanceFacts): boolean {
  return (status === 'ACTIVE' || status === 'BACKING_UP') && observation?.serving === true;
}

function isSilent({ status }: InstanceFacts): boolean {
  return status === 'UNREACHABLE';
}
