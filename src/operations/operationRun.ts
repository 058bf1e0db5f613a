import type { Actor } from '#domain/actor.ts';
import { type Change, transact } from '#events/transact.ts';
import type { Operation, OperationStep } from '#generated/prisma/client.ts';
import type { Logger } from '#lib/log/logger.ts';
import type { OperationDeps } from './deps.ts';
import { lockCluster } from './lockCluster.ts';
import type { OperationDefinition } from './operation.ts';
import { CancelRequested, Overtaken } from './stop.ts';
import type { Waiting } from './waiting.ts';

/** One worker's run of an operation: what it may write with, and how it is told to stop. */
export type OperationRun = {
  operation: Operation;
  clusterName: string;
  definition: OperationDefinition<unknown>;
  actor: Actor;
  /** Records of the steps by key, kept up to date by this run. */
  steps: Map<string, OperationStep>;
  /** Aborted with one of the reasons of stop.ts. */
  signal: AbortSignal;
  stop(reason: Error): void;
  waiting: Waiting;
};

/** `stopping`: aborted when this process is to let go of the operation. */
export type Worker = { log: Logger; stopping: AbortSignal };

/** Whether the operation was asked to stop, and why where no person did. */
export type Cancellation = { cancelRequested: boolean; cancelReason: string | null };

type ChangeDeps = Pick<OperationDeps, 'db' | 'bus' | 'clock'>;

/** As `transact`, as long as this run is the operation's latest: a worker that was overtaken (frozen, cut off) can write no more. */
export async function changeInRun<T>(
  deps: ChangeDeps,
  { operation, actor }: Pick<OperationRun, 'operation' | 'actor'>,
  work: (change: Change, state: Cancellation) => Promise<T>,
): Promise<T> {
  return await transact(deps, actor, async (change) => {
    // The cluster before anything of it, as everywhere: a settlement that came from outside holds it and wants the instances.
    await lockCluster(change.tx, operation.clusterId);
    const rows = await change.tx.$queryRaw<Cancellation[]>`
      SELECT cancel_requested_at IS NOT NULL AS "cancelRequested", cancel_reason AS "cancelReason" FROM operation
      WHERE id = ${operation.id}::uuid AND attempt = ${operation.attempt} AND finished_at IS NULL
      FOR NO KEY UPDATE`;
    const [state] = rows;
    if (!state) throw new Overtaken();
    return await work(change, state);
  });
}

/** True if the operation has begun the step from which on it cannot be cancelled. */
export function isPastReturn(
  definition: Pick<OperationDefinition<unknown>, 'pointOfNoReturn'>,
  steps: Iterable<Pick<OperationStep, 'key' | 'attempt'>>,
): boolean {
  return [...steps].some(({ key, attempt }) => key === definition.pointOfNoReturn && attempt > 0);
}

/** Throws CancelRequested at a step border, unless the operation is past its point of no return. */
export function stopIfCancelled({ definition, steps }: OperationRun, state: Cancellation): void {
  if (state.cancelRequested && !isPastReturn(definition, steps.values())) throw new CancelRequested(state.cancelReason);
}
