/** How statuses look. Those that are not known here, of a newer Grove, look like any text. */
export type Color = 'green' | 'yellow' | 'red' | 'cyan' | 'gray';

const colors: Record<Color, readonly string[]> = {
  green: ['ACTIVE', 'HEALTHY', 'SUCCEEDED'],
  yellow: ['DEGRADED', 'BUSY', 'UNREACHABLE', 'CANCELLING', 'CANCELLED', 'UNKNOWN', 'STOPPED'],
  red: ['DOWN', 'ERROR', 'FAILED'],
  cyan: [
    'BUILDING',
    'RUNNING',
    'QUEUED',
    'PENDING',
    'PROVISIONING',
    'SYNCING',
    'RESTARTING',
    'PROMOTING',
    'RESTORING',
    'BACKING_UP',
  ],
  gray: ['DELETING', 'DELETED', 'REMOVING', 'REMOVED', 'DRAINING', 'SKIPPED'],
};

const colorByWord = new Map(
  Object.entries(colors).flatMap(([color, words]) => words.map((word) => [word, color as Color] as const)),
);

export const colorOf = (status: string | null): Color | undefined => colorByWord.get(status ?? '');

export type OperationStatus = string;

export const hasEnded = (status: OperationStatus): boolean => ['SUCCEEDED', 'FAILED', 'CANCELLED'].includes(status);

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Three digits and a unit. */
export function bytesInWords(bytes: bigint): string {
  let value = Number(bytes);
  let unit = 0;
  while (value >= 1_000 && unit < units.length - 1) {
    value /= 1_024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** "4 s", "3 min", "2 h". */
export function secondsInWords(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3_600)} h`;
}
