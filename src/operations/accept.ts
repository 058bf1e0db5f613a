import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Actor } from '#domain/actor.ts';
import { ClusterBusyError, IdempotencyConflictError, NotFoundError, StaleVersionError } from '#domain/errors.ts';
import type { ClusterFacts } from '#domain/facts.ts';
import { parseInput } from '#domain/parseInput.ts';
import { requirePermission } from '#domain/requirePermission.ts';
import { type Change, transact } from '#events/transact.ts';
import type { ClusterLifecycle } from '#generated/prisma/enums.ts';
import { assertPresent } from '#lib/assertPresent.ts';
import type { Transaction } from '#store/database.ts';
import { violatedConstraint } from '#store/violatedConstraint.ts';
import { loadOneClusterFacts } from './clusterFacts.ts';
import type { OperationDeps } from './deps.ts';
import { lockCluster } from './lockCluster.ts';
import type { Facts, OperationDefinition } from './operation.ts';
import { recordOperationStatus } from './recordOperationStatus.ts';
import { settleStatuses } from './settleStatuses.ts';

export type AcceptOptions = { idempotencyKey: string | null; expectedVersion: number | null };

/** The cluster and the operation that an accepted request concerns. */
export type Accepted = { operationId: string; clusterId: string };

const idempotencyKeySchema = z.object({
  idempotencyKey: z.string().regex(/^[\x20-\x7e]{1,255}$/, 'must have 1 to 255 printable ASCII characters'),
});

type AcceptDeps = Pick<
  OperationDeps,
  'db' | 'bus' | 'clock' | 'jobs' | 'engines' | 'secrets' | 'silence' | 'defaultProvider'
>;

/**
 * The one door: permission, then in one transaction idempotency, the cluster's lock, expected version, blockers, the intent, the
 * operation with its steps, the events and the job. Throws a DomainError when it is refused; then nothing is left behind.
 */
export async function accept<Input>(
  deps: AcceptDeps,
  actor: Actor,
  definition: OperationDefinition<Input>,
  rawInput: unknown,
  options: AcceptOptions,
): Promise<Accepted> {
  requirePermission(actor, definition.kind, definition.permission);
  const input = parseInput(definition.input, rawInput);
  for (const permission of definition.inputPermissions?.(input) ?? []) {
    requirePermission(actor, definition.kind, permission);
  }
  if (options.idempotencyKey !== null) parseInput(idempotencyKeySchema, { idempotencyKey: options.idempotencyKey });
  const request = { definition, input, options, hash: hashOf(definition.kind, input) };
  try {
    return await transact(deps, actor, (change) => admit(deps, actor, change, request));
  } catch (error) {
    return await settleRace(deps, actor, request, error);
  }
}

type Request<Input> = {
  definition: OperationDefinition<Input>;
  input: Input;
  options: AcceptOptions;
  hash: Buffer<ArrayBuffer>;
};

async function admit<Input>(
  deps: AcceptDeps,
  actor: Actor,
  change: Change,
  request: Request<Input>,
): Promise<Accepted> {
  const { definition, input, options } = request;
  const earlier = await answerFromRecord(change.tx, actor, request);
  if (earlier) return earlier;
  const clusterId = await subjectOf(deps, actor, change, request);
  const facts = await loadFacts(deps, change.tx, actor.projectId, clusterId);
  refuseIfBlocked(facts, definition, input, options);
  await definition.accept?.(change, facts, input);
  const version = definition.subject.kind === 'NEW' ? facts.cluster.version : await raiseVersion(change.tx, clusterId);
  const intended = await loadFacts(deps, change.tx, actor.projectId, clusterId);
  const before = definition.subject.kind === 'NEW' ? null : facts.cluster.lifecycle;
  const operationId = await writeOperation(deps, actor, change, request, { ...intended, version, before });
  await definition.record?.(change, { operationId, actor, now: deps.clock.now() }, intended, input);
  if (definition.subject.kind === 'NEW') recordBirth(change, intended.cluster, operationId);
  await settleStatuses(deps, change, clusterId, { operationId });
  return { operationId, clusterId };
}

const hashOf = (kind: string, input: unknown): Buffer<ArrayBuffer> =>
  createHash('sha256')
    .update(JSON.stringify([kind, input]))
    .digest() as Buffer<ArrayBuffer>;

/** The stored answer to the same request with the same key; null where the key is new. */
async function answerFromRecord<Input>(
  tx: Pick<Transaction, 'operation'>,
  actor: Actor,
  { options: { idempotencyKey }, hash }: Request<Input>,
): Promise<Accepted | null> {
  if (idempotencyKey === null) return null;
  const earlier = await tx.operation.findUnique({
    where: { projectId_idempotencyKey: { projectId: actor.projectId, idempotencyKey } },
    select: { id: true, clusterId: true, inputHash: true },
  });
  if (!earlier) return null;
  if (!hash.equals(earlier.inputHash)) throw new IdempotencyConflictError(idempotencyKey);
  return { operationId: earlier.id, clusterId: earlier.clusterId };
}

async function subjectOf<Input>(
  deps: AcceptDeps,
  actor: Actor,
  change: Change,
  { definition: { subject }, input }: Request<Input>,
): Promise<string> {
  if (subject.kind === 'NEW') {
    const { engines, secrets, defaultProvider: providerName } = deps;
    return await subject.create(change, { projectId: actor.projectId, engines, secrets, providerName }, input);
  }
  const clusterId = subject.clusterId(input);
  if (!(await lockCluster(change.tx, clusterId, actor.projectId))) throw new NotFoundError('The cluster');
  return clusterId;
}

async function loadFacts(
  { engines }: Pick<AcceptDeps, 'engines'>,
  tx: Transaction,
  projectId: string,
  clusterId: string,
): Promise<Facts> {
  const cluster = await loadOneClusterFacts(tx, { id: clusterId, projectId });
  if (!cluster) throw new NotFoundError('The cluster');
  return { cluster, engine: assertPresent(engines[cluster.engine], `engine ${cluster.engine}`) };
}

function refuseIfBlocked<Input>(
  facts: Facts,
  definition: OperationDefinition<Input>,
  input: Input,
  { expectedVersion }: AcceptOptions,
): void {
  const { name, version } = facts.cluster;
  if (expectedVersion !== null && expectedVersion !== version) {
    throw new StaleVersionError(name, expectedVersion, version);
  }
  const [blocker] = [...definition.blockers(facts), ...(definition.inputBlockers?.(facts, input) ?? [])];
  if (blocker) throw blocker;
}

/** The first transitions of all: from nothing. */
function recordBirth(
  { record }: Change,
  { id: clusterId, name: cluster, status, instances }: ClusterFacts,
  operationId: string,
): void {
  record({ type: 'CLUSTER_STATUS_CHANGED', clusterId, operationId, toStatus: status, payload: { cluster } });
  for (const { id: instanceId, name: instance, status: toStatus } of instances) {
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

async function raiseVersion(tx: Transaction, clusterId: string): Promise<number> {
  const { version } = await tx.cluster.update({
    where: { id: clusterId },
    data: { version: { increment: 1 } },
    select: { version: true },
  });
  return version;
}

async function writeOperation<Input>(
  deps: AcceptDeps,
  actor: Actor,
  change: Change,
  { definition, input, options, hash }: Request<Input>,
  { cluster, engine, version, before }: Facts & { version: number; before: ClusterLifecycle | null },
): Promise<string> {
  const now = deps.clock.now();
  const steps = definition.plan({ cluster, engine }, input);
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
      lifecycleBefore: before,
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
  if (!done) await deps.jobs.sendOperation(change.tx, id, deadlineAt);
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
