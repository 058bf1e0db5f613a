import type { OperationKind } from '#generated/prisma/enums.ts';

/** What an operation that ended well left behind: its result as stored, and what it was about. */
export type OperationResultFacts = { kind: OperationKind; clusterId: string; clusterVersion: number; result: unknown };
