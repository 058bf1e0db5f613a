import { isDeleted } from '#domain/clusterStatus.ts';
import { OperationNotRetryableError } from '#domain/errors.ts';
import { canBeRetried } from '#domain/operationStatus.ts';
import type { Cluster, Operation } from '#generated/prisma/client.ts';
import { definitionOf } from './definitions.ts';

type EndedOperation = Pick<Operation, 'kind' | 'status' | 'clusterVersion'>;
type ItsCluster = Pick<Cluster, 'name' | 'lifecycle' | 'version'>;

/** Why an operation cannot be run again, whatever holds its cluster now. Null: it can. Guards `retryOperation` and tells `error.retryable`. */
export function retryRefusal(
  { kind, status, clusterVersion }: EndedOperation,
  { name, lifecycle, version }: ItsCluster,
): OperationNotRetryableError | null {
  const { notRetryable, subject } = definitionOf(kind);
  const refusal = (reason: string) => new OperationNotRetryableError(kind, reason, name);
  if (!canBeRetried(status)) return refusal(`it is ${status}; only FAILED and CANCELLED ones can be`);
  if (notRetryable !== undefined) return refusal(notRetryable);
  if (subject.kind === 'NEW' && isDeleted(lifecycle)) return refusal('what it had made was taken back');
  return version === clusterVersion ? null : refusal('the cluster has been changed since');
}
