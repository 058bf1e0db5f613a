import type { Client } from 'graphql-ws';
import type { Result, StreamStatus } from '#client/index.ts';
import { subscribeWithResume } from '#client/subscribeWithResume.ts';
import { clusterNow, eventsWithState, newestEvents, state } from './documents.ts';
import {
  type Cluster,
  emptyProject,
  type Operation,
  type Project,
  type WatchedEvent,
  withCluster,
  withEvents,
  withHistory,
  withState,
} from './project.ts';

/** What is shown, and how fresh it is. */
export type Followed = {
  project: Project;
  connection: StreamStatus;
  /** When the server last said anything, in milliseconds since 1970; null if it never did. */
  lastMessageAt: number | null;
};

export type FollowedProject = {
  current(): Followed;
  /** Calls at each change. Returns the function that ends it. */
  subscribe(onChange: () => void): () => void;
  /** Whose observations are read anew, every two seconds: the first one each time, the others by turns. */
  lookAt(clusterIds: readonly string[]): void;
  /** Settles when the stream has ended for good: rejects with the reason. */
  ended: Promise<void>;
  close(): void;
};

type Message = { __typename: string; cursor?: string; events?: WatchedEvent[]; reason?: string };
type StateAnswer = {
  viewer: { project: { name: string } };
  clusters: { nodes: Cluster[] };
  operations: { nodes: Operation[] };
};

/** Agents report this often: more is not to be seen. */
const LOOK_MS = 2_000;

/** Follows a project by one stream of its log, whose events carry the state; at a gap, and at the beginning, the state is read whole. */
export function followProject(client: Client): FollowedProject {
  const end = Promise.withResolvers<void>();
  const listeners = new Set<() => void>();
  let followed: Followed = { project: emptyProject, connection: { state: 'connecting' }, lastMessageAt: null };
  const change = (changed: Partial<Followed>) => {
    followed = { ...followed, ...changed };
    for (const listener of listeners) listener();
  };
  const changeProject = (how: (project: Project) => Project) =>
    change({ project: how(followed.project), lastMessageAt: Date.now() });

  let hasBegun = false;
  let isRead = false;
  async function readState(): Promise<void> {
    // Not before the stream has begun: whatever changes after that is told by it.
    if (isRead || !hasBegun) return;
    isRead = true;
    try {
      const { viewer, clusters, operations } = await ask<StateAnswer>(client, state);
      const { events } = await ask<{ events: { nodes: WatchedEvent[] } }>(client, newestEvents);
      const read = { name: viewer.project.name, clusters: clusters.nodes, operations: operations.nodes };
      changeProject((project) => withHistory(withState(project, read), events.nodes));
    } catch {
      // The connection was lost over it: when it is back, or at the next message, it is read again.
      isRead = false;
    }
  }

  const stream = subscribeWithResume<{ events: Message }>(
    client,
    { query: eventsWithState },
    {
      next({ data }) {
        const { events = [], reason } = data?.events ?? {};
        hasBegun = true;
        if (reason !== undefined) isRead = false;
        changeProject((project) => ({ ...withEvents(project, events), gap: reason ?? project.gap }));
        void readState();
      },
      error: end.reject,
      complete: () => end.resolve(),
    },
    {
      onStatus(connection) {
        const isLive = connection.state === 'live';
        change({ connection, ...(isLive ? { lastMessageAt: Date.now() } : {}) });
        if (isLive) void readState();
      },
    },
  );

  let ids: readonly string[] = [];
  let turn = 0;
  const timer = setInterval(() => {
    if (followed.connection.state !== 'live') return;
    const [first, ...others] = ids;
    turn += 1;
    const wanted = [first, others[turn % Math.max(others.length, 1)]].filter((id) => id !== undefined);
    for (const id of wanted) {
      ask<{ cluster: { cluster?: Cluster } }>(client, clusterNow, { id }).then(
        ({ cluster: { cluster } }) => cluster && changeProject((project) => withCluster(project, cluster)),
        // It is deleted by now, or the connection is lost: the stream of events says which.
        () => {},
      );
    }
  }, LOOK_MS);

  return {
    current: () => followed,
    subscribe(onChange) {
      listeners.add(onChange);
      return () => listeners.delete(onChange);
    },
    lookAt: (clusterIds) => {
      ids = clusterIds;
    },
    ended: end.promise,
    close() {
      clearInterval(timer);
      stream.unsubscribe();
      end.resolve();
    },
  };
}

/** The first answer, over the same connection; then it is let go. */
function ask<Data>(client: Client, query: string, variables: Record<string, unknown> = {}): Promise<Data> {
  return new Promise((resolve, reject) => {
    const leave = client.subscribe(
      { query, variables },
      {
        next(result) {
          const { data, errors } = result as Result;
          if (data && !errors) resolve(data as Data);
          else reject(new Error(errors?.[0]?.message));
          // Not at once: the first answer may come before there is anything to leave.
          queueMicrotask(() => leave());
        },
        error: reject,
        complete: () => reject(new Error('There was no answer')),
      },
    );
  });
}
