import {
  InstanceNotPromotableError,
  InstanceNotRejoinableError,
  NoPrimaryError,
  PrimaryHealthyError,
  PromotionUnsupportedError,
  ReplicasUnseenError,
  ReplicaTooFarBehindError,
  type UnpromotableReason as UnpromotableReasonName,
} from '#domain/errors.ts';
import { builder } from '../builder.ts';
import { describedEnum } from '../describedEnum.ts';
import { ErrorInterface } from './Error.ts';

const interfaces = [ErrorInterface];

builder.objectType(PromotionUnsupportedError, {
  name: 'PromotionUnsupportedError',
  description: 'The engine has no promotion: no instance of its clusters is above the others.',
  interfaces,
});

const UnpromotableReason = describedEnum<UnpromotableReasonName>(
  'UnpromotableReason',
  'Why an instance cannot be made the primary. More may be added.',
  {
    IS_PRIMARY: 'It is the primary already.',
    NOT_A_REPLICA: 'It is not a replica.',
    NOT_HEALTHY: 'It does not serve, its agent is away, or it does not follow the primary.',
    NO_CANDIDATE: 'The cluster has no replica that could take over.',
    LAG_UNKNOWN: 'It is not known how far the lost primary was, and so not what would be lost.',
  },
);

builder.objectType(InstanceNotPromotableError, {
  name: 'InstanceNotPromotableError',
  description: 'The instance cannot be made the primary now; or, where none was named, none can.',
  interfaces,
  fields: (t) => ({
    reason: t.expose('reason', { type: UnpromotableReason, description: 'Why not, for programs.' }),
  }),
});

builder.objectType(ReplicaTooFarBehindError, {
  name: 'ReplicaTooFarBehindError',
  description: "The replica lacks more of the primary's data than is allowed.",
  interfaces,
  fields: (t) => ({
    lagBytes: t.expose('lagBytes', { type: 'BigInt', description: 'How far behind it is, in bytes.' }),
    limitBytes: t.expose('limitBytes', { type: 'BigInt', description: 'How far behind it may be, in bytes.' }),
  }),
});

builder.objectType(PrimaryHealthyError, {
  name: 'PrimaryHealthyError',
  description: 'A failover was asked for while the primary is healthy. Use mode PLANNED.',
  interfaces,
});

builder.objectType(NoPrimaryError, {
  name: 'NoPrimaryError',
  description: 'There is no healthy primary that could hand its role over, or be followed.',
  interfaces,
});

builder.objectType(ReplicasUnseenError, {
  name: 'ReplicasUnseenError',
  description:
    'The cluster is synchronous, and a replica that is not seen may have acknowledged writes that no other has.',
  interfaces,
  fields: (t) => ({
    unseen: t.stringList({
      description: 'The names of the replicas that are not seen.',
      resolve: ({ unseen }) => unseen,
    }),
  }),
});

builder.objectType(InstanceNotRejoinableError, {
  name: 'InstanceNotRejoinableError',
  description: 'The instance cannot, or need not, be made to follow the primary again.',
  interfaces,
  fields: (t) => ({ reason: t.exposeString('reason', { description: 'Why, in words.' }) }),
});
