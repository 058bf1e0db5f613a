import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Actor } from '#domain/actor.ts';
import { IdempotencyConflictError } from '#domain/errors.ts';
import { parseInput } from '#domain/parseInput.ts';
import { requirePermission } from '#domain/requirePermission.ts';
import type { Transaction } from '#store/database.ts';
import type { OperationDefinition } from './operation.ts';

export type AcceptOptions = { idempotencyKey: string | null; expectedVersion: number | null };

/** The cluster and the operation that an accepted request concerns. */
export type Accepted = { operationId: string; clusterId: string };

/** A request that its maker may make, with an input that is as it must be. */
export type Request<Input> = {
  definition: OperationDefinition<Input>;
  input: Input;
  options: AcceptOptions;
  hash: Buffer<ArrayBuffer>;
};

const idempotencyKeySchema = z.object({
  idempotencyKey: z.string().regex(/^[\x20-\x7e]{1,255}$/, 'must have 1 to 255 printable ASCII characters'),
});

/** Permission and input, for what is to be done and for what is only to be planned. */
export function readRequest<Input>(
  actor: Actor,
  definition: OperationDefinition<Input>,
  rawInput: unknown,
  options: AcceptOptions,
): Request<Input> {
  requirePermission(actor, definition.kind, definition.permission);
  const input = parseInput(definition.input, rawInput);
  for (const { field, permission } of definition.inputPermissions?.(input) ?? []) {
    requirePermission(actor, `The field ${field} of ${definition.kind}`, permission);
  }
  if (options.idempotencyKey !== null) parseInput(idempotencyKeySchema, { idempotencyKey: options.idempotencyKey });
  return { definition, input, options, hash: hashOf(definition.kind, input) };
}

const hashOf = (kind: string, input: unknown): Buffer<ArrayBuffer> =>
  createHash('sha256')
    .update(JSON.stringify([kind, input]))
    .digest() as Buffer<ArrayBuffer>;

/** The stored answer to the same request with the same key; null where the key is new. */
export async function answerFromRecord<Input>(
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
