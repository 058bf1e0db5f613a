import { groveMain } from '../cli/person.ts';
import type { Shape } from './apiClient.ts';
import type { GroveHome } from './groveProcess.ts';
import { openTerminal, type Terminal } from './terminal.ts';

type Size = { columns?: number; rows?: number; NO_COLOR?: string };

/** `grove watch` on a terminal, of a Grove that keeps its first key in this home. */
export const openMonitor = (
  home: GroveHome,
  url: string,
  { columns = 130, rows = 120, ...environment }: Size = {},
): Promise<Terminal> =>
  openTerminal({
    command: [process.execPath, groveMain, 'watch', '--url', url],
    environment: { PATH: process.env.PATH ?? '', HOME: home.directory, GROVE_DATA: home.directory, ...environment },
    columns,
    rows,
  });

export const screenOf = async (terminal: Terminal): Promise<string> => (await terminal.lines()).join('\n');

/** The feed as it is on the screen: "OPERATION_STATUS_CHANGED CREATE_CLUSTER QUEUED → RUNNING". */
export async function shownEvents(terminal: Terminal): Promise<string[]> {
  const lines = await terminal.lines();
  const events = lines.slice(lines.indexOf('EVENTS') + 1).filter((line) => /^ {2}\d\d:/.test(line));
  return events.map((line) => line.replace(/^ {2}\S+ /, '').replaceAll(/ +/g, ' '));
}

/** An event of the log as the screen shows it. */
export const asShown = ({ type, payload, fromStatus, toStatus }: Shape): string =>
  [
    type,
    payload.step ?? payload.instance ?? payload.kind ?? payload.cluster ?? payload.name,
    fromStatus,
    toStatus && `→ ${toStatus}`,
  ]
    .filter((part) => part !== null)
    .join(' ');
