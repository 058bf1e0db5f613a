/** How long to wait before something is tried again that has failed so often: twice as long each time, but no longer than the longest. */
export const growingPauseMs = (
  failures: number,
  { firstMs, longestMs }: { firstMs: number; longestMs: number },
): number => Math.min(firstMs * 2 ** Math.max(0, failures - 1), longestMs);
