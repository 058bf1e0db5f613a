/** For people, who follow how a copy goes on. */
export function inMebibytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
