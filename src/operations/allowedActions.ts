import type { DomainError } from '#domain/errors.ts';
import type { OperationKind } from '#generated/prisma/enums.ts';
import { clusterActions, definitionOf } from './definitions.ts';
import type { Facts } from './operation.ts';

export type AllowedAction = { action: OperationKind; blockers: DomainError[] };

/** What can be done to a cluster now, and why not: from the same `blockers` that guard the mutations. */
export function allowedActions(facts: Facts): AllowedAction[] {
  return clusterActions.map((action) => ({ action, blockers: definitionOf(action).blockers(facts) }));
}
