export type { BackoffOptions } from './backoff.ts';
export { createGroveClient, type GroveClientOptions } from './createGroveClient.ts';
export { type IterateOptions, iterateWithResume } from './iterateWithResume.ts';
export type { Result, ResultError, ResumeGap } from './messages.ts';
export type {
  ResumableSubscription,
  ResumeOptions,
  ResumeRequest,
  ResumeSink,
  StreamStatus,
} from './resumption.ts';
export { StreamRefusedError } from './streamEnd.ts';
export { subscribeWithResume } from './subscribeWithResume.ts';
