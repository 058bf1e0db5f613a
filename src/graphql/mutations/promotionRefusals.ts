import {
  InstanceNotPromotableError,
  NoPrimaryError,
  PrimaryHealthyError,
  PromotionUnsupportedError,
  ReplicasUnseenError,
  ReplicaTooFarBehindError,
} from '#domain/errors.ts';

/** What only a promotion is refused with. */
export const promotionRefusals = [
  PromotionUnsupportedError,
  InstanceNotPromotableError,
  ReplicaTooFarBehindError,
  ReplicasUnseenError,
  PrimaryHealthyError,
  NoPrimaryError,
];
