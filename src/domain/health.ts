import type { HealthLevel } from '#generated/prisma/enums.ts';

const healthReasonCodes = [
  'NO_PRIMARY',
  'PRIMARY_UNKNOWN',
  'TWO_PRIMARIES',
  'INSTANCE_DOWN',
  'INSTANCE_STOPPED',
  'INSTANCE_UNREACHABLE',
  'INSTANCE_FAILED',
  'INSTANCE_BUSY',
  'REPLICATION_BROKEN',
  'REPLICATION_LAGGING',
  'COMMITS_WAIT',
  'NOTHING_OBSERVED',
] as const;
export type HealthReasonCode = (typeof healthReasonCodes)[number];

/** Why a cluster is not HEALTHY. `instanceId` is null where the reason is the group's. */
export type HealthReason = { code: HealthReasonCode; message: string; instanceId: string | null };

/** How a cluster is doing. */
export type Health = { level: HealthLevel; reasons: HealthReason[] };
