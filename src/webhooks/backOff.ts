/** The pause after so many failures in a row, in milliseconds: doubled each time, and between half and all of that by chance. */
export function backOffMs(
  failures: number,
  { firstPauseMs, longestPauseMs }: { firstPauseMs: number; longestPauseMs: number },
  random: () => number = Math.random,
): number {
  const whole = Math.min(firstPauseMs * 2 ** (failures - 1), longestPauseMs);
  return Math.round(whole * (0.5 + random() / 2));
}
