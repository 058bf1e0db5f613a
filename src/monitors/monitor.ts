import type { OperationDeps } from '#operations/deps.ts';

/** Something that the clock makes happen. One process at a time does each round. */
export type Monitor = { name: string; everyMs: number; round(): Promise<void> };

export type MonitorDeps = Pick<
  OperationDeps,
  | 'db'
  | 'bus'
  | 'clock'
  | 'logger'
  | 'engines'
  | 'providers'
  | 'jobs'
  | 'silence'
  | 'workerId'
  | 'secrets'
  | 'defaultProvider'
  | 'quotaDefaults'
>;
