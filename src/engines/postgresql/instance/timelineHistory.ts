import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TimelineEnd } from '../commands.ts';

/** The timelines before this one, oldest first, from the history file that its promotion wrote. The first timeline has none. */
export async function timelineHistory(dataDirectory: string, timeline: number): Promise<TimelineEnd[]> {
  if (timeline === 1) return [];
  const name = `${timeline.toString(16).toUpperCase().padStart(8, '0')}.history`;
  return parseTimelineHistory(await readFile(join(dataDirectory, 'pg_wal', name), 'utf8'));
}

/** Lines of "timeline, where it ended, why", and comments. */
export function parseTimelineHistory(text: string): TimelineEnd[] {
  return text
    .split('\n')
    .filter((line) => /^\s*\d/.test(line))
    .map((line) => {
      const [timeline = '', endLsn = ''] = line.trim().split(/\s+/);
      return { timeline: Number(timeline), endLsn };
    });
}
