import { printable } from '../printable.ts';
import type { Followed } from './followProject.ts';
import { type Cluster, eventsOf, lagOf, type Operation, type WatchedEvent } from './project.ts';
import { bytesInWords, type Color, colorOf, hasEnded, secondsInWords } from './words.ts';

export type Span = { text: string; color?: Color | undefined; bold?: boolean };
export type Line = readonly Span[];

/** What the keys have chosen. */
export type Choice = { clusterId: string | null; view: 'project' | 'cluster' | 'help' };
export type Size = { columns: number; rows: number };
export type Screen = { url: string; followed: Followed; choice: Choice; size: Size; now: number };

/** The whole screen, as many lines as it has rows. */
export function screen(what: Screen): Line[] {
  const { size, choice } = what;
  const body = { project: projectBody, cluster: clusterBody, help: helpBody }[choice.view](what, size.rows - 2);
  const filled = [...body.slice(0, size.rows - 2)];
  while (filled.length < size.rows - 2) filled.push([]);
  return [headline(what), ...filled, footline(choice)];
}

/** `now` is a second old at most: a message may be newer. */
function headline({ url, followed: { project, connection, lastMessageAt }, now }: Screen): Line {
  const age =
    lastMessageAt === null
      ? 'nothing heard yet'
      : `heard ${secondsInWords(Math.max(now - lastMessageAt, 0) / 1_000)} ago`;
  const isLive = connection.state === 'live';
  const why = connection.state === 'waiting' ? ` (${printable(connection.reason)})` : '';
  return [
    { text: 'grove ', bold: true },
    { text: `${printable(project.name)} at ${url}  ` },
    isLive
      ? { text: 'live', color: 'green' }
      : { text: lastMessageAt === null ? 'connecting…' : 'reconnecting…', color: 'yellow' },
    { text: `  ${age}${why}` },
    ...(project.gap === null ? [] : [{ text: `  events are missing: ${project.gap}`, color: 'red' as const }]),
  ];
}

const footline = ({ view }: Choice): Line => [
  { text: view === 'project' ? '↑↓ choose  enter open  ? help  q quit' : 'esc back  ? help  q quit', color: 'gray' },
];

function projectBody(what: Screen, height: number): Line[] {
  const { followed, choice } = what;
  const { clusters, operations } = followed.project;
  const chosen = clusters.find(({ id }) => id === choice.clusterId) ?? null;
  const running = operationLines(operations, what.size.columns);
  const operationRows = Math.min(running.length, Math.max(2, Math.floor(height / 6)));
  const clusterRows = Math.min(Math.max(clusters.length, 1), Math.max(3, Math.floor(height / 4)));
  const instances = chosen === null ? [] : instanceLines(chosen);
  const instanceRows = Math.min(instances.length, Math.max(3, Math.floor(height / 5)));
  const top = [
    title(`CLUSTERS ${clusters.length}`),
    ...window(
      clusterLines(clusters, choice.clusterId),
      clusters.findIndex(({ id }) => id === choice.clusterId),
      clusterRows,
    ),
    ...(chosen === null ? [] : [title(`INSTANCES of ${chosen.name}`), ...cut(instances, instanceRows)]),
    ...(running.length === 0 ? [] : [title('OPERATIONS'), ...cut(running, operationRows)]),
  ];
  return [
    ...top,
    title('EVENTS'),
    ...eventsOf(followed.project)
      .slice(-Math.max(height - top.length - 1, 0))
      .map((event) => eventLine(event, what.size.columns)),
  ];
}

function clusterBody(what: Screen, height: number): Line[] {
  const { followed, choice } = what;
  const cluster = followed.project.clusters.find(({ id }) => id === choice.clusterId);
  if (!cluster) return [[{ text: 'The cluster is gone. Esc leads back.' }]];
  const operation = followed.project.operations.find(({ cluster: { id } }) => id === cluster.id);
  const events = eventsOf(followed.project).filter(({ clusterId }) => clusterId === cluster.id);
  const top = [
    title(cluster.name),
    [
      { text: '  ' },
      status(cluster.status),
      { text: `  ${cluster.engine.name} ${cluster.engineVersion}  ` },
      status(cluster.health.level),
      { text: `  ${printable(cluster.statusReason ?? '')}` },
    ],
    ...cluster.health.reasons.map(({ message }) => [{ text: `  ${printable(message)}`, color: 'yellow' as const }]),
    ...cluster.endpoints.map(({ kind, uri }) => [
      { text: `  ${kind === 'READ_WRITE' ? 'writes' : 'reads '}  ${printable(uri)}` },
    ]),
    title('INSTANCES'),
    ...instanceLines(cluster),
    ...(operation ? stepLines(operation, what.size.columns) : []),
  ];
  const eventRows = Math.max(height - top.length - 1, 3);
  return [
    ...top.slice(0, height - eventRows - 1),
    title('EVENTS'),
    ...events.slice(-eventRows).map((event) => eventLine(event, what.size.columns)),
  ];
}

const helpBody = (): Line[] =>
  [
    '',
    '  ↑ ↓ or k j     choose a cluster',
    '  g G            the first, the last',
    '  enter          open the chosen cluster: reasons, addresses, steps, its events',
    '  esc            back',
    '  ?              this text',
    '  q or ctrl-c    quit',
    '',
    '  Everything comes over one connection. When it is lost, the monitor comes',
    '  back by itself and goes on behind the last event that it has shown. Lag is',
    '  as it was observed; it is looked at every two seconds.',
    '',
    '  For programs: grove watch --json',
  ].map((text) => [{ text }]);

const title = (text: string): Line => [{ text: printable(text), bold: true }];
const status = (text: string, width = 0): Span => ({ text: text.padEnd(width), color: colorOf(text) });

/** The lines around the chosen one, as many as fit. */
function window(lines: Line[], chosen: number, rows: number): Line[] {
  const begin = Math.min(Math.max(chosen - Math.floor(rows / 2), 0), Math.max(lines.length - rows, 0));
  return lines.slice(begin, begin + rows);
}

const cut = (lines: Line[], rows: number): Line[] =>
  lines.length <= rows
    ? lines
    : [...lines.slice(0, rows - 1), [{ text: `  and ${lines.length - rows + 1} more`, color: 'gray' }]];

function clusterLines(clusters: readonly Cluster[], chosenId: string | null): Line[] {
  if (clusters.length === 0) return [[{ text: '  none yet: grove clusters create NAME', color: 'gray' }]];
  const width = Math.min(Math.max(...clusters.map(({ name }) => name.length)), 24);
  return clusters.map((cluster) => {
    const { id, name, health, instances, instanceCount } = cluster;
    const lag = lagOf(cluster);
    const serving = instances.nodes.filter((instance) => instance.status === 'ACTIVE').length;
    const seconds = lag?.seconds == null || lag.bytes === 0n ? '' : ` ${secondsInWords(lag.seconds)}`;
    return [
      { text: id === chosenId ? '▸ ' : '  ', bold: true },
      { text: `${name.slice(0, width).padEnd(width)}  `, bold: id === chosenId },
      status(cluster.status, 9),
      { text: ' ' },
      status(health.level, 9),
      { text: ` ${serving}/${instanceCount}  ${(cluster.primary?.name ?? '–').padEnd(width + 3)}` },
      { text: lag === null ? '' : `lag ${bytesInWords(lag.bytes)}${seconds}` },
    ];
  });
}

function instanceLines({ instances: { nodes } }: Cluster): Line[] {
  const width = Math.min(Math.max(...nodes.map(({ name }) => name.length), 0), 28);
  return nodes.map(({ name, role, status: stands, statusReason, address, port, replication }) => {
    const lag = replication?.lagBytes == null ? '' : `lag ${bytesInWords(BigInt(replication.lagBytes))}`;
    return [
      { text: `  ${name.slice(0, width).padEnd(width)}  ${(role ?? '–').padEnd(8)}` },
      status(stands, 12),
      { text: ` ${(address === null ? '' : `${address}:${port}`).padEnd(21)}` },
      { text: printable([replication?.state, lag, statusReason].filter(Boolean).join('  ')) },
    ];
  });
}

function operationLines(operations: readonly Operation[], columns: number): Line[] {
  return operations.map(({ kind, cluster, status: stands, progress, waitingFor, error, steps }) => {
    const done = Math.round(progress * 10);
    const current = steps.filter((step) => step.status === 'RUNNING').map(({ name }) => name);
    const told = hasEnded(stands)
      ? (error?.message ?? '')
      : [current.join(', '), waitingFor].filter(Boolean).join(': ');
    const words: Line = [
      { text: `  ${kind} ${printable(cluster.name)}  ` },
      { text: `${'█'.repeat(done)}${'░'.repeat(10 - done)} ` },
      status(stands),
      {
        text: ` ${steps.filter((step) => step.status === 'SUCCEEDED').length}/${steps.length}  ${printable(told)}`.slice(
          0,
          columns,
        ),
      },
    ];
    return words;
  });
}

const stepLines = (operation: Operation, columns: number): Line[] => [
  title('OPERATION'),
  ...operationLines([operation], columns),
  ...operation.steps.map(({ name, status: stands }) => [
    { text: '    ' },
    status(stands, 10),
    { text: printable(name) },
  ]),
];

function eventLine({ at, type, payload, fromStatus, toStatus }: WatchedEvent, columns: number): Line {
  const isNarrow = columns < 100;
  const { step, instance, kind, cluster, name } = payload;
  const subject = [step, instance, kind, cluster, name].find((part) => typeof part === 'string') ?? '';
  return [
    { text: `  ${timeOf(at).slice(0, isNarrow ? 8 : 12)} `, color: 'gray' },
    { text: `${type.padEnd(23)} ${printable(String(subject)).padEnd(isNarrow ? 18 : 22)} ` },
    ...(fromStatus === null ? [] : [{ text: `${printable(fromStatus)} ` }]),
    ...(toStatus === null ? [] : [{ text: '→ ' }, status(printable(toStatus))]),
  ];
}

/** Of this place's clock: hours, minutes, seconds, milliseconds. */
function timeOf(at: string): string {
  const time = new Date(at);
  const part = (value: number, digits = 2) => String(value).padStart(digits, '0');
  return `${part(time.getHours())}:${part(time.getMinutes())}:${part(time.getSeconds())}.${part(time.getMilliseconds(), 3)}`;
}
