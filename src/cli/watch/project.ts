import { hasEnded, type OperationStatus } from './words.ts';

/** What the monitor knows of a project, as the streams have told it. */
export type Project = {
  name: string;
  /** By name. Those that are deleted are not among them. */
  clusters: readonly Cluster[];
  /** Those that run, then the newest of those that have ended while we looked. */
  operations: readonly Operation[];
  /** What the log held when it was read, oldest first: up to where the stream began, or further. */
  history: readonly WatchedEvent[];
  /** What the stream has told since it began or since its last gap, oldest first. */
  told: readonly WatchedEvent[];
  gap: string | null;
};

export type Instance = {
  id: string;
  name: string;
  role: string | null;
  status: string;
  statusReason: string | null;
  address: string | null;
  port: number | null;
  replication: { state: string | null; lagBytes: string | null; lagSeconds: number | null } | null;
};

export type Cluster = {
  id: string;
  name: string;
  status: string;
  statusReason: string | null;
  health: { level: string; reasons: { message: string }[] };
  engine: { name: string };
  engineVersion: string;
  instanceCount: number;
  primary: { name: string } | null;
  endpoints: { kind: string; uri: string }[];
  instances: { nodes: Instance[] };
  currentOperation: Operation | null;
};

export type Operation = {
  id: string;
  kind: string;
  status: OperationStatus;
  progress: number;
  waitingFor: string | null;
  cluster: { id: string; name: string };
  error: { message: string } | null;
  steps: { name: string; status: string }[];
};

export type WatchedEvent = {
  cursor: string;
  at: string;
  type: string;
  clusterId: string | null;
  fromStatus: string | null;
  toStatus: string | null;
  payload: Record<string, unknown>;
  cluster?: Cluster | null;
  operation?: Operation | null;
};

const KEPT_EVENTS = 1_000;
const KEPT_ENDED = 2;

export const emptyProject: Project = { name: '', clusters: [], operations: [], history: [], told: [], gap: null };

/** The state as it was read, but for what was told of meanwhile: that is newer. */
export function withState(
  project: Project,
  { name, clusters, operations }: Pick<Project, 'name' | 'clusters' | 'operations'>,
  newer: ReadonlySet<string>,
): Project {
  return {
    ...project,
    name,
    clusters: sorted(exceptNewer(clusters, project.clusters, newer)),
    operations: arranged(exceptNewer(operations, project.operations, newer)),
  };
}

const exceptNewer = <Thing extends { id: string }>(
  read: readonly Thing[],
  told: readonly Thing[],
  newer: ReadonlySet<string>,
): Thing[] => [...told.filter(({ id }) => newer.has(id)), ...read.filter(({ id }) => !newer.has(id))];

export function withCluster(project: Project, cluster: Cluster): Project {
  const others = project.clusters.filter(({ id }) => id !== cluster.id);
  const clusters = cluster.status === 'DELETED' ? others : sorted([...others, cluster]);
  const changed = { ...project, clusters };
  return cluster.currentOperation === null ? changed : withOperation(changed, cluster.currentOperation);
}

/** New events, each with what it is about as it was when it was told. */
export function withEvents(project: Project, events: readonly WatchedEvent[]): Project {
  const told = [...project.told, ...events].slice(-KEPT_EVENTS);
  return events.reduce<Project>(
    (changed, { cluster, operation }) => {
      const withItsCluster = cluster ? withCluster(changed, cluster) : changed;
      return operation ? withOperation(withItsCluster, operation) : withItsCluster;
    },
    { ...project, told },
  );
}

/** What follows may be another history: its events may even have the cursors of those that were told. */
export const withGap = (project: Project, gap: string): Project => ({ ...project, history: [], told: [], gap });

/** The events to show, oldest first: the history up to where the stream meets it, then what the stream has told. */
export function eventsOf({ history, told }: Project): WatchedEvent[] {
  const cursors = new Set(told.map(({ cursor }) => cursor));
  const meeting = history.findIndex(({ cursor }) => cursors.has(cursor));
  return [...(meeting < 0 ? history : history.slice(0, meeting)), ...told].slice(-KEPT_EVENTS);
}

function withOperation(project: Project, operation: Operation): Project {
  const others = project.operations.filter(({ id }) => id !== operation.id);
  return { ...project, operations: arranged([operation, ...others]) };
}

const sorted = (clusters: readonly Cluster[]): Cluster[] => clusters.toSorted((a, b) => (a.name < b.name ? -1 : 1));

function arranged(operations: readonly Operation[]): Operation[] {
  const running = operations.filter(({ status }) => !hasEnded(status));
  return [...running, ...operations.filter(({ status }) => hasEnded(status)).slice(0, KEPT_ENDED)];
}

/** The furthest that a replica is behind; null if none says. */
export function lagOf({ instances }: Cluster): { bytes: bigint; seconds: number | null } | null {
  const lags = instances.nodes.flatMap(({ replication }) =>
    replication?.lagBytes == null ? [] : [{ bytes: BigInt(replication.lagBytes), seconds: replication.lagSeconds }],
  );
  return lags.reduce<(typeof lags)[number] | null>(
    (worst, lag) => (worst && worst.bytes >= lag.bytes ? worst : lag),
    null,
  );
}
