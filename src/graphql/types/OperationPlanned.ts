import type { Warning, WarningCode as WarningCodeName } from '#domain/warning.ts';
import type { OperationPlan } from '#operations/planOperation.ts';
import { builder } from '../builder.ts';
import { describedEnum } from '../describedEnum.ts';
import { asValue, ErrorInterface } from './Error.ts';
import { OperationKind } from './Operation.ts';
import { QuotaChange } from './Quota.ts';

const WarningCode = describedEnum<WarningCodeName>(
  'WarningCode',
  'What may not be meant, for programs. A code keeps its meaning for ever; more may be added.',
  {
    DATA_LOSS: 'Data goes that only a backup brings back, or that of a backup itself.',
    NOBODY_MAY_CONNECT: 'The access rules let nobody in.',
    SESSIONS_END: 'Sessions that the access rules let in so far are ended.',
    NO_FAILOVER_TARGET: 'No other instance could take over.',
    WRITES_MAY_BE_LOST: 'Writes that were acknowledged may be lost.',
    NO_EFFECT: 'Something that is asked for changes nothing as the cluster is.',
    ALREADY_ACCEPTED: 'The request was accepted before under its idempotency key.',
  },
);

const OperationWarning = builder.objectRef<Warning>('OperationWarning').implement({
  description: 'What is allowed and may yet not be meant.',
  fields: (t) => ({
    code: t.expose('code', { type: WarningCode, description: 'What may not be meant, for programs.' }),
    message: t.exposeString('message', { description: 'What may not be meant, for people.' }),
  }),
});

const PlannedStep = builder.objectRef<OperationPlan['steps'][number]>('PlannedStep').implement({
  description: 'A step that an operation would have.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'What is done, in words.' }),
    instanceName: t.exposeString('instanceName', {
      nullable: true,
      description: 'The name of the instance that it works on, which may have to be made yet; null if it is none.',
    }),
  }),
});

export const OperationPlanned = builder.objectRef<OperationPlan>('OperationPlanned').implement({
  description:
    'The answer to a request with `plan: true`: what it would bring about, had it been accepted now. Nothing was written.',
  fields: (t) => ({
    kind: t.expose('kind', { type: OperationKind, description: 'What would be done.' }),
    allowed: t.boolean({
      description: 'True if nothing blocks it.',
      resolve: ({ blockers }) => blockers.length === 0,
    }),
    steps: t.field({
      type: [PlannedStep],
      description: 'What would be done, in order. Empty where something blocks it, or where nothing is left to do.',
      resolve: ({ steps }) => steps,
    }),
    blockers: t.field({
      type: [ErrorInterface],
      description: 'Every reason why it would be refused; the request would be answered with the first.',
      resolve: ({ blockers }) => blockers.map(asValue),
    }),
    warnings: t.field({
      type: [OperationWarning],
      description: 'What is allowed and may yet not be meant.',
      resolve: ({ warnings }) => warnings,
    }),
    quota: t.field({
      type: [QuotaChange],
      description: "What it takes of the project's quota, or gives back; only of the resources that it changes.",
      resolve: ({ quota }) => quota,
    }),
  }),
});
