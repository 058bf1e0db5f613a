import type { Actor } from '#domain/actor.ts';
import { ClusterBusyError } from '#domain/errors.ts';
import type { ClusterFacts } from '#domain/facts.ts';
import { type Change, transact } from '#events/transact.ts';
import type { ClusterLifecycle } from '#generated/prisma/enums.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import { violatedConstraint } from '#store/violatedConstraint.ts';
import { loadOneClusterFacts } from './clusterFacts.ts';
import type { OperationDeps } from './deps.ts';
import { type IntendDeps, type Intent, intend, judge } from './intend.ts';
import { isUrgent, type OperationDefinition } from './operation.ts';
import { type Accepted, type AcceptOptions, answerFromRecord, type Request, readRequest } from './readRequest.ts';
import { recordOperationStatus } from './recordOperationStatus.ts';
import { settleStatuses } from './settleStatuses.ts';

export type { Accepted, AcceptOptions } from './readRequest.ts';

type AcceptDeps = IntendDeps & Pick<OperationDeps, 'db' | 'bus' | 'clock' | 'jobs' | 'silence' | 'backups'>;

/**
 * The one door: permission, then in one transaction idempotency, the cluster's lock, expected version, blockers, quota, the intent,
 * the operation with its steps, the events and the job. Throws a DomainError when it is refused; then nothing is left behind.
 */
export async function accept<Input>(
  deps: AcceptDeps,
  actor: Actor,
  definition: OperationDefinition<Input>,
  rawInput: unknown,
  options: AcceptOptions,
): Promise<Accepted> {
  const request = readRequest(actor, definition, rawInput, options);
  await definition.lookAgain?.(deps, actor.projectId, request.input);
  try {
    return await transact(deps, actor, (change) => admit(deps, actor, change, request));
  } catch (error) {
    return await settleRace(deps, actor, request, error);
  }
}

async function admit<Input>(
  deps: AcceptDeps,
  actor: Actor,
  change: Change,
  request: Request<Input>,
): Promise<Accepted> {
  const earlier = await answerFromRecord(change.tx, actor, request);
  if (earlier) return earlier;
  const { facts, blockers } = await judge(deps, actor, change, request);
  const [blocker] = blockers;
  if (blocker) throw blocker;
  const before = assertPresent(facts, 'facts of a cluster that nothing blocks');
  const isNew = request.definition.subject.kind === 'NEW';
  const intent = await intend(deps, change, request, before);
  const lifecycleBefore = isNew ? null : before.cluster.lifecycle;
  const operationId = await writeOperation(deps, actor, change, request, { ...intent, lifecycleBefore });
  const { cluster } = intent.facts;
  await request.definition.record?.(change, { operationId, actor, now: deps.clock.now() }, intent.facts, request.input);
  recordBirths(change, { before: isNew ? null : before.cluster, after: cluster }, operationId);
  await settleStatuses(deps, change, cluster.id, { operationId });
  return { operationId, clusterId: cluster.id };
}

/** The first transitions of all, from nothing: of a cluster, and of instances. */
function recordBirths(
  { record }: Change,
  { before, after }: { before: ClusterFacts | null; after: ClusterFacts },
  operationId: string,
): void {
  const { id: clusterId, name: cluster, status } = after;
  if (before === null) {
    record({ type: 'CLUSTER_STATUS_CHANGED', clusterId, operationId, toStatus: status, payload: { cluster } });
  }
  const known = new Set(before?.instances.map(({ id }) => id));
  for (const { id: instanceId, name: instance, status: toStatus } of after.instances) {
    if (known.has(instanceId)) continue;
    record({
      type: 'INSTANCE_STATUS_CHANGED',
      clusterId,
      instanceId,
      operationId,
      toStatus,
      payload: { cluster, instance },
    });
  }
}

async function writeOperation<Input>(
  deps: AcceptDeps,
  actor: Actor,
  change: Change,
  { definition, input, options, hash }: Request<Input>,
  { facts: { cluster }, version, steps, lifecycleBefore }: Intent & { lifecycleBefore: ClusterLifecycle | null },
): Promise<string> {
  const now = deps.clock.now();
  const deadlineAt = new Date(now.getTime() + definition.deadlineMs);
  const done = steps.length === 0;
  const { id } = await change.tx.operation.create({
    data: {
      projectId: actor.projectId,
      clusterId: cluster.id,
      kind: definition.kind,
      status: done ? 'SUCCEEDED' : 'QUEUED',
      input: input as object,
      clusterVersion: version,
      lifecycleBefore,
      idempotencyKey: options.idempotencyKey,
      inputHash: hash,
      requestedBy: actor,
      stepsTotal: steps.length,
      createdAt: now,
      startedAt: done ? now : null,
      finishedAt: done ? now : null,
      ...(done ? { result: {} } : {}),
      deadlineAt,
      steps: { create: steps.map((step, position) => ({ ...step, position })) },
    },
    select: { id: true },
  });
  recordOperationStatus(change, { id, clusterId: cluster.id, kind: definition.kind, clusterName: cluster.name }, [
    null,
    done ? 'SUCCEEDED' : 'QUEUED',
  ]);
  if (!done) await deps.jobs.sendOperation(change.tx, { operationId: id, deadlineAt, urgent: isUrgent(definition) });
  return id;
}

/**
 * Two requests raced past each other's reads: the database decided. The loser with the same idempotency key is the same request and
 * gets the winner's answer, whatever it stumbled over; a violated constraint is told as what it means.
 */
async function settleRace<Input>(
  deps: AcceptDeps,
  actor: Actor,
  request: Request<Input>,
  error: unknown,
): Promise<Accepted> {
  const earlier = await answerFromRecord(deps.db, actor, request);
  if (earlier) return earlier;
  if (violatedConstraint(error) === 'operation_one_unfinished_a_cluster') throw await busyError(deps, actor, request);
  throw error;
}

async function busyError<Input>(
  { db }: Pick<AcceptDeps, 'db'>,
  actor: Actor,
  { definition: { subject }, input }: Request<Input>,
): Promise<Error> {
  if (subject.kind === 'NEW') return new Error('A new cluster cannot be busy');
  const cluster = await loadOneClusterFacts(db, { id: subject.clusterId(input), projectId: actor.projectId });
  const holder: ClusterFacts['currentOperation'] = cluster?.currentOperation ?? null;
  if (!cluster || !holder) return new Error('The operation that held the cluster ended meanwhile');
  return new ClusterBusyError(cluster.name, holder);
}
