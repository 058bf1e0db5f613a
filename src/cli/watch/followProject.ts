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
  withGap,
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
export function followProject(client: Client, { lookMs = LOOK_MS }: { lookMs?: number } = {}): FollowedProject {
  return new ProjectFollower(client, lookMs);
}

class ProjectFollower implements FollowedProject {
  readonly #client: Client;
  readonly #listeners = new Set<() => void>();
  readonly #end = Promise.withResolvers<void>();
  readonly #stream: ResumableSubscription;
  readonly #timer: NodeJS.Timeout;
  #followed: Followed = { project: emptyProject, connection: { state: 'connecting' }, lastMessageAt: null };
  /** Of each answer that is on its way, the ids of what was told of meanwhile: what is told of them is newer than the answer. */
  readonly #awaited = new Set<Set<string>>();
  #hasBegun = false;
  #isRead = false;
  #lookedAt: readonly string[] = [];
  #turn = 0;

  constructor(client: Client, lookMs: number) {
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
    this.#timer = setInterval(() => this.#look(), lookMs);
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
    this.#isToldOf(
      events.flatMap(({ cluster, operation }) => [cluster?.id, cluster?.currentOperation?.id, operation?.id]),
    );
    this.#changeProject((project) => withEvents(project, events));
    if (reason !== undefined) this.#beginAnew(reason);
    void this.#readState();
  }

  #beginAnew(reason: string): void {
    this.#isRead = false;
    // Of what they tell nobody knows any more whether it is newer than what is here.
    this.#awaited.clear();
    this.#changeProject((project) => withGap(project, reason));
  }

  #isToldOf(ids: readonly (string | undefined)[]): void {
    for (const newer of this.#awaited) for (const id of ids) if (id !== undefined) newer.add(id);
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
      await this.#ask<StateAnswer>(state, {}, ({ viewer, clusters, operations }, newer) => {
        const read = { name: viewer.project.name, clusters: clusters.nodes, operations: operations.nodes };
        this.#changeProject((project) => withState(project, read, newer));
      });
      await this.#ask<{ events: { nodes: WatchedEvent[] } }>(newestEvents, {}, ({ events: { nodes: history } }) =>
        this.#changeProject((project) => ({ ...project, history })),
      );
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
      this.#ask<{ cluster: { cluster?: Cluster } }>(clusterNow, { id }, ({ cluster: { cluster } }, newer) => {
        if (!cluster || newer.has(id)) return;
        this.#isToldOf([id]);
        this.#changeProject((project) => withCluster(project, cluster));
      }).catch(() => {
        // It is deleted by now, or the connection is lost: the stream of events says which.
      });
    }
  }

  /**
   * Takes the answer, with the ids of what was told of since the question: of these the answer may be older. What was told before
   * the question is in the answer.
   */
  async #ask<Data>(
    query: string,
    variables: Record<string, unknown>,
    take: (answer: Data, newer: ReadonlySet<string>) => void,
  ): Promise<void> {
    const newer = new Set<string>();
    this.#awaited.add(newer);
    try {
      const answer = await ask<Data>(this.#client, query, variables);
      if (this.#awaited.has(newer)) take(answer, newer);
    } finally {
      this.#awaited.delete(newer);
    }
  }
}

/** The first answer, over the same connection; then it is let go. */
function ask<Data>(client: Client, query: string, variables: Record<string, unknown>): Promise<Data> {
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
