import { z } from 'zod';
import { clusterIdSchema } from './inputs.ts';

export const promotionInputSchema = z.strictObject({
  clusterId: clusterIdSchema,
  /** Null: the replica that has most is elected. */
  instanceId: z.uuid().nullish(),
  mode: z.enum(['PLANNED', 'FAILOVER']),
  /** Null: as the cluster's failover policy says. */
  maxLagBytes: z.int().min(0, 'must not be negative').nullish(),
  acceptDataLoss: z.boolean().nullish(),
  /** Why Grove asks for it by itself. */
  evidence: z.record(z.string(), z.json()).nullish(),
});

export type PromoteInstanceInput = z.infer<typeof promotionInputSchema>;
