import type { Closers } from '#lib/flow/closers.ts';

/** One line of the result. */
export type Figure = { name: string; measured: string; limit: string; verdict: 'kept' | 'MISSED' | 'for information' };

export type Bench = {
  /** What must be ended or removed afterwards, also if the benchmark fails or is interrupted. */
  closers: Closers;
  /** Tells the person who waits how far it is. */
  tell(line: string): void;
};

export type Benchmark = (bench: Bench) => Promise<Figure[]>;

/** A figure with an upper limit. */
export function atMost(name: string, value: number, limit: number, show: (value: number) => string): Figure {
  return { name, measured: show(value), limit: `≤ ${show(limit)}`, verdict: value <= limit ? 'kept' : 'MISSED' };
}

/** A figure without a limit. */
export function information(name: string, measured: string): Figure {
  return { name, measured, limit: '', verdict: 'for information' };
}

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
export const milliseconds = (ms: number): string => `${Math.round(ms)} ms`;
export const times = (ratio: number): string => `${ratio.toFixed(2)} times`;
export const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
export const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
