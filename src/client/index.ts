export type { BackoffOptions } from './backoff.ts';
export { createGroveClient, type GroveClientOptions } from './createGroveClient.ts';
export { type IterateOptions, iterateWithResume } from './iterateWithResume.ts';
export type { Result, ResultError, ResumeGap } from './messages.ts';
export { StreamRefusedError } from './streamEnd.ts';
export {
  type ResumableSubscription,
  type ResumeOptions,
  type ResumeRequest,
  type ResumeSink,
  type StreamStatus,
  subscribeWithResume,
} from './subscribeWithResume.ts';
