import { counted } from '#lib/values/counted.ts';
import { DomainError } from './errors.ts';

/** What a project has only so much of. */
export const quotaResources = ['INSTANCES', 'STORAGE_GIB', 'BACKUPS'] as const;
export type QuotaResource = (typeof quotaResources)[number];

export type QuotaLimits = Readonly<Record<QuotaResource, number>>;

/** What an operation takes of each resource, from its acceptance on; below 0: what it gives back when it is done. */
export type QuotaDemand = Partial<QuotaLimits>;

/** How a project stands with one resource. */
export type QuotaUse = {
  resource: QuotaResource;
  /** All that counts against the limit, with what is reserved. */
  used: number;
  /** The part of `used` that is accepted and not there yet. */
  reserved: number;
  limit: number;
};

/** What an operation makes of one resource. */
export type QuotaChange = QuotaUse & { change: number };

/** What one and several of each resource are called in a message. */
const quotaNouns = {
  INSTANCES: ['more instance', 'more instances'],
  STORAGE_GIB: ['more GiB of storage', 'more GiB of storage'],
  BACKUPS: ['more backup', 'more backups'],
} as const satisfies Record<QuotaResource, readonly [string, string]>;

function moreOf(resource: QuotaResource, count: number): string {
  const [one, several] = quotaNouns[resource];
  return counted(count, one, several);
}

export class QuotaExceededError extends DomainError {
  readonly code = 'QUOTA_EXCEEDED';
  readonly resource: QuotaResource;
  readonly limit: number;
  /** What counts against the limit already, with what is reserved. */
  readonly used: number;
  readonly requested: number;
  constructor({
    resource,
    limit,
    used,
    requested,
  }: Record<'limit' | 'used' | 'requested', number> & { resource: QuotaResource }) {
    super(
      `${moreOf(resource, requested)} would be too many: the project uses ${used} of ${limit}. ` +
        'Delete what is not needed, or let an ADMIN raise the quota with updateProject.',
    );
    this.resource = resource;
    this.limit = limit;
    this.used = used;
    this.requested = requested;
  }
}

/** What a group of instances takes. */
export function instancesDemand(instances: readonly { size: { storageGiB: number } }[]): QuotaDemand {
  return {
    INSTANCES: instances.length,
    STORAGE_GIB: instances.reduce((sum, { size }) => sum + size.storageGiB, 0),
  };
}

/** The same amounts, given back. */
export function givenBack(demand: QuotaDemand): QuotaDemand {
  return Object.fromEntries(Object.entries(demand).map(([resource, amount]) => [resource, -amount]));
}

/** True if the demand takes anything, so that it can be too much. */
export const takes = (demand: QuotaDemand): boolean => Object.values(demand).some((amount) => amount > 0);

/** What the demand makes of each resource that it changes. */
export function quotaChanges(use: readonly QuotaUse[], demand: QuotaDemand): QuotaChange[] {
  return use.flatMap((one) => {
    const change = demand[one.resource] ?? 0;
    return change === 0 ? [] : [{ ...one, change }];
  });
}

/** Each resource of which too much is asked for. What only gives back is never too much, even above a limit that was lowered. */
export function quotaBlockers(changes: readonly QuotaChange[]): QuotaExceededError[] {
  return changes.flatMap(({ resource, used, limit, change }) =>
    change > 0 && used + change > limit ? [new QuotaExceededError({ resource, used, limit, requested: change })] : [],
  );
}
