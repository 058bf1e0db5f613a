import type { Client } from 'graphql-ws';
import type { Result, ResumableSubscription, StreamStatus } from '#client/index.ts';
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
  readonly ended: Promise<void>;
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
  return new ProjectFollower(client);
}

class ProjectFollower implements FollowedProject {
  readonly #client: Client;
  readonly #listeners = new Set<() => void>();
  readonly #end = Promise.withResolvers<void>();
  readonly #stream: ResumableSubscription;
  readonly #timer: NodeJS.Timeout;
  #followed: Followed = { project: emptyProject, connection: { state: 'connecting' }, lastMessageAt: null };
  #hasBegun = false;
  #isRead = false;
  #lookedAt: readonly string[] = [];
  #turn = 0;

  constructor(client: Client) {
    this.#client = client;
    this.#stream = subscribeWithResume<{ events: Message }>(
      client,
      { query: eventsWithState },
      {
        next: ({ data }) => this.#take(data?.events ?? {}),
        error: this.#end.reject,
        complete: () => this.#end.resolve(),
      },
      { onStatus: (connection) => this.#connectionIs(connection) },
    );
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  readonly current = (): Followed => this.#followed;

  readonly subscribe = (onChange: () => void): (() => void) => {
    this.#listeners.add(onChange);
    return () => this.#listeners.delete(onChange);
  };

  get ended(): Promise<void> {
    return this.#end.promise;
  }

  lookAt(clusterIds: readonly string[]): void {
    this.#lookedAt = clusterIds;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#stream.unsubscribe();
    this.#end.resolve();
  }

  #change(changed: Partial<Followed>): void {
    this.#followed = { ...this.#followed, ...changed };
    for (const listener of this.#listeners) listener();
  }

  #changeProject(how: (project: Project) => Project): void {
    this.#change({ project: how(this.#followed.project), lastMessageAt: Date.now() });
  }

  #take({ events = [], reason }: Partial<Message>): void {
    this.#hasBegun = true;
    if (reason !== undefined) this.#isRead = false;
    this.#changeProject((project) => ({ ...withEvents(project, events), gap: reason ?? project.gap }));
    void this.#readState();
  }

  #connectionIs(connection: StreamStatus): void {
    const isLive = connection.state === 'live';
    this.#change({ connection, ...(isLive ? { lastMessageAt: Date.now() } : {}) });
    if (isLive) void this.#readState();
  }

  async #readState(): Promise<void> {
    // Not before the stream has begun: whatever changes after that is told by it.
    if (this.#isRead || !this.#hasBegun) return;
    this.#isRead = true;
    try {
      const { viewer, clusters, operations } = await ask<StateAnswer>(this.#client, state);
      const { events } = await ask<{ events: { nodes: WatchedEvent[] } }>(this.#client, newestEvents);
      const read = { name: viewer.project.name, clusters: clusters.nodes, operations: operations.nodes };
      this.#changeProject((project) => withHistory(withState(project, read), events.nodes));
    } catch {
      // The connection was lost over it: when it is back, or at the next message, it is read again.
      this.#isRead = false;
    }
  }

  #look(): void {
    if (this.#followed.connection.state !== 'live') return;
    const [first, ...others] = this.#lookedAt;
    this.#turn += 1;
    const wanted = [first, others[this.#turn % Math.max(others.length, 1)]].filter((id) => id !== undefined);
    for (const id of wanted) {
      ask<{ cluster: { cluster?: Cluster } }>(this.#client, clusterNow, { id }).then(
        ({ cluster: { cluster } }) => cluster && this.#changeProject((project) => withCluster(project, cluster)),
        // It is deleted by now, or the connection is lost: the stream of events says which.
        () => {},
      );
    }
  }
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
