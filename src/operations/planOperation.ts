import type { Actor } from '#domain/actor.ts';
import { DomainError, IdempotencyConflictError } from '#domain/errors.ts';
import type { ClusterFacts } from '#domain/facts.ts';
import type { QuotaChange } from '#domain/quota.ts';
import type { Warning } from '#domain/warning.ts';
import { type Change, rehearse } from '#events/transact.ts';
import type { OperationKind } from '#generated/prisma/enums.ts';
import type { OperationDeps } from './deps.ts';
import { type IntendDeps, intend, judge } from './intend.ts';
import type { OperationDefinition, PlannedStep } from './operation.ts';
import { type AcceptOptions, answerFromRecord, type Request, readRequest } from './readRequest.ts';

/** What a request would bring about, had it been accepted now. */
export type OperationPlan = {
  kind: OperationKind;
  /** In order. Empty where something blocks it. */
  steps: { name: string; instanceName: string | null }[];
  /** Every reason why it would be refused; the first is the one that the request would be answered with. */
  blockers: DomainError[];
  warnings: Warning[];
  /** Of the resources that it takes or gives back. */
  quota: QuotaChange[];
};

type PlanDeps = IntendDeps & Pick<OperationDeps, 'db' | 'bus' | 'clock' | 'backups'>;

/**
 * A dry run: goes through the door as `accept` does, as far as to the rows of what is wanted, and takes it all back. Throws what
 * `accept` throws before it asks any rule: ForbiddenError, InvalidInputError, NotFoundError.
 */
export async function planOperation<Input>(
  deps: PlanDeps,
  actor: Actor,
  definition: OperationDefinition<Input>,
  rawInput: unknown,
  options: AcceptOptions,
): Promise<OperationPlan> {
  const request = readRequest(actor, definition, rawInput, options);
  await definition.lookAgain?.(deps, actor.projectId, request.input);
  const plan = await rehearse(deps, actor, (change) => planned(deps, actor, change, request));
  return { kind: definition.kind, ...plan };
}

async function planned<Input>(
  deps: PlanDeps,
  actor: Actor,
  change: Change,
  request: Request<Input>,
): Promise<Omit<OperationPlan, 'kind'>> {
  const key = await keyState(change, actor, request);
  if (key === 'ANSWERED') return { steps: [], blockers: [], warnings: [alreadyAccepted], quota: [] };
  const judgement = await judge(deps, actor, change, request);
  const { facts, quota } = judgement;
  const warnings = facts ? ((await request.definition.warnings?.(facts, request.input, change.tx)) ?? []) : [];
  const blockers = [...key, ...judgement.blockers];
  if (!facts || blockers.length > 0) return { steps: [], blockers, warnings, quota };
  try {
    const intent = await intend(deps, change, request, facts);
    const steps = intent.steps.map((step) => namedStep(step, intent.facts.cluster));
    return { steps, blockers, warnings, quota };
  } catch (error) {
    if (error instanceof DomainError) return { steps: [], blockers: [error], warnings, quota };
    throw error;
  }
}

const alreadyAccepted: Warning = {
  code: 'ALREADY_ACCEPTED',
  message:
    'This request was accepted before under its idempotency key: sent again, it gets that answer and nothing is done.',
};

/** What stands against the idempotency key, or that its request is answered already. */
async function keyState<Input>(
  { tx }: Change,
  actor: Actor,
  request: Request<Input>,
): Promise<DomainError[] | 'ANSWERED'> {
  try {
    return (await answerFromRecord(tx, actor, request)) ? 'ANSWERED' : [];
  } catch (error) {
    if (error instanceof IdempotencyConflictError) return [error];
    throw error;
  }
}

/** Without ids: those of instances that are yet to be made are never used. */
function namedStep({ name, instanceId }: PlannedStep, { instances }: ClusterFacts): OperationPlan['steps'][number] {
  return { name, instanceName: instances.find(({ id }) => id === instanceId)?.name ?? null };
}
