import type { InstanceStatus } from '#generated/prisma/enums.ts';
import { assertNever } from '#lib/values/assertNever.ts';
import type { InstanceFacts } from './facts.ts';
import type { Observation } from './observation.ts';

/** When an instance counts as silent. */
export type Silence = {
  now: Date;
  /** An agent that has not reported for this long is silent, in milliseconds. */
  leaseMs: number;
  /**
   * Since when this control plane could have heard anything. Without it, a control plane that was away for longer than the
   * lease declared its whole fleet unreachable in its first second.
   */
  listeningSince: Date;
};

export type StatusVerdict<Status> = { status: Status; reason: string | null };

type InstanceView = Pick<
  InstanceFacts,
  'activity' | 'status' | 'statusReason' | 'observedAt' | 'observation' | 'fencedAt'
>;

/** True if the instance's agent has been silent for longer than its lease. */
export function isSilent(observedAt: Date | null, { now, leaseMs, listeningSince }: Silence): boolean {
  const heard = Math.max(observedAt?.getTime() ?? 0, listeningSince.getTime());
  return now.getTime() - heard > leaseMs;
}

/** The status of an instance: what an operation is doing to it, else what its agent observes and how old that is. */
export function deriveInstanceStatus(
  instance: InstanceView,
  silence: Silence,
  { isWantedPrimary = false }: { isWantedPrimary?: boolean } = {},
): StatusVerdict<InstanceStatus> {
  const { activity } = instance;
  switch (activity) {
    case 'NONE':
      return observedStatus(instance, silence, isWantedPrimary);
    case 'FAILED':
      return { status: 'ERROR', reason: instance.statusReason };
    case 'PENDING':
    case 'PROVISIONING':
    case 'SYNCING':
    case 'RESTARTING':
    case 'PROMOTING':
    case 'BACKING_UP':
    case 'RESTORING':
    case 'DRAINING':
    case 'REMOVING':
    case 'REMOVED':
      return { status: activity, reason: null };
    default:
      return assertNever(activity);
  }
}

function observedStatus(
  instance: InstanceView,
  silence: Silence,
  isWantedPrimary: boolean,
): StatusVerdict<InstanceStatus> {
  const { observation, observedAt } = instance;
  if (isSilent(observedAt, silence)) return { status: 'UNREACHABLE', reason: silenceReason(observedAt) };
  if (observation === null) return { status: 'DOWN', reason: 'Its agent has not reported yet.' };
  if (observation.stopped) return { status: 'STOPPED', reason: stoppedReason(instance, observation, isWantedPrimary) };
  if (!observation.serving) return { status: 'DOWN', reason: observation.reason ?? 'Its server does not answer.' };
  return { status: 'ACTIVE', reason: null };
}

/** What comes of it by itself, and what a person can do. */
function stoppedReason({ fencedAt }: InstanceView, { role }: Observation, isWantedPrimary: boolean): string {
  if (isWantedPrimary && fencedAt !== null) {
    return 'It was fenced off in a failover that promoted nobody: promote another (promoteInstance with FAILOVER), or let it take writes again (restartCluster with force).';
  }
  if (isWantedPrimary) {
    return 'Its server was stopped on purpose, in a promotion that did not end: retry that (retryOperation), or promote another (promoteInstance with FAILOVER).';
  }
  const follows = 'as soon as that one takes writes and the cluster is free; rejoinInstance asks for it now.';
  if (role !== 'PRIMARY')
    return `Its server was stopped on purpose. Grove lets it follow the primary again by itself, ${follows}`;
  const back =
    'Where that one is lost for good, promoteInstance with FAILOVER, this instance and acceptDataLoss goes back to it.';
  return `Its server was stopped on purpose: it was the primary before. Grove lets it follow the new one by itself, ${follows} ${back}`;
}

function silenceReason(observedAt: Date | null): string {
  return observedAt === null
    ? 'Its agent has never reported.'
    : `Its agent has not reported since ${observedAt.toISOString()}.`;
}

/** True if nobody can tell its agent anything. Where an operation failed on it, that hides that it is UNREACHABLE. */
export const isOutOfReach = ({ status, activity, agentLostAt }: InstanceFacts): boolean =>
  status === 'UNREACHABLE' || (activity === 'FAILED' && agentLostAt !== null);

/** True if an operation works on it. */
export const isBeingWorkedOn = ({ activity }: Pick<InstanceFacts, 'activity'>): boolean =>
  activity !== 'NONE' && activity !== 'FAILED' && activity !== 'REMOVED';

/** True if its server is known to serve. */
export const isServing = ({ status }: Pick<InstanceFacts, 'status'>): boolean => status === 'ACTIVE';

/** True if its agent does not answer, so that nothing can be asked of its server. */
export const isUnreachable = ({ status }: Pick<InstanceFacts, 'status'>): boolean => status === 'UNREACHABLE';

/** True if it has, or had when it was last seen, a database server of its own: one whose making failed has none. */
export const hasServer = ({ observation }: Pick<InstanceFacts, 'observation'>): boolean =>
  observation !== null && observation.role !== null;

/** The same, and one whose data were lost since: it may have acknowledged what no other has. */
export const hadServer = ({ observation, role }: Pick<InstanceFacts, 'observation' | 'role'>): boolean =>
  observation !== null && (observation.role ?? role) !== null;

/** The instance as it were if no operation worked on it and its server served. */
export const asServing = (instance: InstanceFacts): InstanceFacts => ({
  ...instance,
  activity: 'NONE',
  status: 'ACTIVE',
});

/** True if it is on its way out of its cluster. */
export const isDeparting = ({ activity }: Pick<InstanceFacts, 'activity'>): boolean =>
  activity === 'DRAINING' || activity === 'REMOVING' || activity === 'REMOVED';

/** True if it is on its way into its cluster. */
export const isArriving = ({ activity }: Pick<InstanceFacts, 'activity'>): boolean =>
  activity === 'PENDING' || activity === 'PROVISIONING' || activity === 'SYNCING';

/** True if its data can be copied now. */
export const canBeBackedUp = (status: InstanceStatus): boolean => status === 'ACTIVE' || status === 'BACKING_UP';

const settled = ['ACTIVE', 'STOPPED', 'DOWN', 'UNREACHABLE', 'ERROR'] as const;
const working = ['RESTARTING', 'PROMOTING', 'BACKING_UP', 'DRAINING', 'REMOVING'] as const;
const joining = ['PROVISIONING', 'SYNCING', 'RESTORING'] as const;

/** Which status may follow which. Total: a status without an entry is a type error. */
export const instanceTransitions = {
  PENDING: [...joining, 'REMOVING', 'ERROR'],
  PROVISIONING: [...joining, ...settled, 'PENDING', 'REMOVING'],
  SYNCING: [...joining, ...settled, 'PENDING', 'REMOVING'],
  RESTORING: [...joining, ...settled, 'PENDING', 'REMOVING'],
  ACTIVE: [...settled, ...working, ...joining],
  STOPPED: [...settled, ...working, ...joining],
  DOWN: [...settled, ...working, ...joining],
  UNREACHABLE: [...settled, ...working, ...joining],
  ERROR: [...settled, ...working, ...joining, 'PENDING'],
  RESTARTING: [...settled, 'REMOVING'],
  PROMOTING: [...settled, 'REMOVING', 'SYNCING'],
  BACKING_UP: [...settled, 'REMOVING'],
  DRAINING: [...settled, 'REMOVING'],
  REMOVING: [...settled, 'REMOVED'],
  REMOVED: [],
} as const satisfies Record<InstanceStatus, readonly InstanceStatus[]>;
