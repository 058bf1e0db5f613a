import { counted } from '#lib/values/counted.ts';
import { DomainError } from './errors.ts';

const topologyRules = ['INSTANCE_COUNT', 'ODD_INSTANCE_COUNT', 'EQUAL_SIZES'] as const;
export type TopologyRule = (typeof topologyRules)[number];

export class TopologyError extends DomainError {
  readonly code = 'TOPOLOGY';
  readonly rule: TopologyRule;
  /** The fewest instances that the engine allows. */
  readonly minimum: number;
  /** The most instances that the engine allows. */
  readonly maximum: number;
  constructor(message: string, { rule, minimum, maximum }: { rule: TopologyRule; minimum: number; maximum: number }) {
    super(message);
    this.rule = rule;
    this.minimum = minimum;
    this.maximum = maximum;
  }
}

/** The status of one of the instances does not allow the action. */
export class InstanceStatusError extends DomainError {
  readonly code = 'INSTANCE_STATUS';
  readonly instanceId: string;
  readonly status: string;
  /** What is wrong with that, and the way out: a whole sentence or more. */
  constructor({ id, name, status }: { id: string; name: string; status: string }, why: string) {
    super(`Instance "${name}" is ${status}. ${why}`);
    this.instanceId = id;
    this.status = status;
  }
}

/** Fewer instances would remain than the engine needs. */
export class MinimumInstancesError extends DomainError {
  readonly code = 'MINIMUM_INSTANCES';
  readonly minimum: number;
  readonly remaining: number;
  constructor(cluster: string, { minimum, remaining }: { minimum: number; remaining: number }) {
    super(
      `Cluster "${cluster}" would have ${counted(remaining, 'instance')} left; it needs at least ${minimum}. To remove all of it, use deleteCluster.`,
    );
    this.minimum = minimum;
    this.remaining = remaining;
  }
}

export class PrimaryNotDroppableError extends DomainError {
  readonly code = 'PRIMARY_NOT_DROPPABLE';
  readonly instanceId: string;
  constructor({ id, name }: { id: string; name: string }) {
    super(`Instance "${name}" is the primary and cannot be dropped. Promote another instance first.`);
    this.instanceId = id;
  }
}
