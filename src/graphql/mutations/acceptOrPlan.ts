import { type Accepted, accept } from '#operations/accept.ts';
import type { OperationDefinition } from '#operations/operation.ts';
import { type OperationPlan, planOperation } from '#operations/planOperation.ts';
import type { Context } from '../context.ts';
import { requireActor } from '../errors.ts';

/** What a mutation's input says of the request itself. */
export type RequestOptions = {
  idempotencyKey?: string | null | undefined;
  expectedVersion?: number | null | undefined;
  plan?: boolean | null | undefined;
};

/** Accepts a change of a cluster, or tells what that would bring about. Goes with `changeResult` and the input field `plan`. */
export async function acceptOrPlan<Input>(
  context: Context,
  definition: OperationDefinition<Input>,
  input: unknown,
  { idempotencyKey = null, expectedVersion = null, plan }: RequestOptions,
): Promise<Accepted | OperationPlan> {
  const go = plan ? planOperation : accept;
  const options = { idempotencyKey, expectedVersion };
  return await go<Input>(context.operations, requireActor(context), definition, input, options);
}
