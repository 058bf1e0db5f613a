import type { Client, SubscribePayload } from 'graphql-ws';
import { backoffMs } from './backoff.ts';
import { cursorOf, gapOf, messageOf, type Result, type StreamMessage } from './messages.ts';
import { RecentCursors } from './recentCursors.ts';
import { type ResumePlan, resumePlan } from './resumePlan.ts';
import type { ResumableSubscription, ResumeOptions, ResumeRequest, ResumeSink } from './resumption.ts';
import { endByErrors, type StreamEnd, streamEnd } from './streamEnd.ts';

const SILENCE_MS = 45_000;
const LATER_ATTEMPT = 3;

/** One subscription over as many connections as it takes. Each attempt has its own `leave`; whatever an earlier one says is not heard. */
export class ResumingStream implements ResumableSubscription {
  readonly #client: Client;
  readonly #sink: ResumeSink<Record<string, unknown>>;
  readonly #options: ResumeOptions;
  readonly #plan: ResumePlan;
  /** Sent anew by graphql-ws too, if its client retries by itself: so the newest cursor is written into it. */
  readonly #payload: SubscribePayload & { variables: Record<string, unknown> };
  #recent = new RecentCursors();
  #state: 'paused' | 'running' | 'ended' = 'paused';
  #failedAttempts = 0;
  #isLive = false;
  #leave = () => {};
  #silence: ReturnType<typeof setTimeout> | undefined;

  constructor(
    client: Client,
    { query, variables, operationName, extensions }: ResumeRequest,
    sink: ResumeSink<Record<string, unknown>>,
    options: ResumeOptions,
  ) {
    this.#client = client;
    this.#sink = sink;
    this.#options = options;
    this.#plan = resumePlan(query, operationName);
    this.#payload = {
      query,
      variables: { ...variables },
      ...(operationName == null ? {} : { operationName }),
      ...(extensions == null ? {} : { extensions }),
    };
  }

  unsubscribe(): void {
    this.#state = 'ended';
    this.#stop();
  }

  pause(): void {
    if (this.#state !== 'running') return;
    this.#state = 'paused';
    this.#stop();
  }

  resume(): void {
    if (this.#state !== 'paused') return;
    this.#state = 'running';
    this.#attempt();
  }

  #stop(): void {
    clearTimeout(this.#silence);
    const leave = this.#leave;
    this.#leave = () => {};
    leave();
  }

  #attempt(): void {
    this.#isLive = false;
    this.#options.onStatus?.({ state: 'connecting' });
    this.#listenForSilence();
    let current = true;
    let closed = false;
    const unlisten = [
      this.#client.on('closed', () => {
        closed = true;
      }),
      this.#client.on('connected', () => {
        closed = false;
        this.#beLive();
      }),
    ];
    const unsubscribe = this.#client.subscribe(this.#payload, {
      next: (result) => current && this.#take(result as Result),
      error: (error) => current && this.#end(streamEnd(error)),
      // graphql-ws completes also when its client was disposed of; the socket is closed then.
      complete: () =>
        current &&
        (this.#plan.of === 'log' && !closed ? this.#comeBack('the server ended the stream') : this.#finish()),
    });
    this.#leave = () => {
      current = false;
      for (const off of unlisten) off();
      unsubscribe();
    };
  }

  #beLive(): void {
    if (this.#isLive) return;
    this.#isLive = true;
    this.#options.onStatus?.({ state: 'live' });
  }

  #take(result: Result): void {
    this.#listenForSilence();
    const message = messageOf(result, this.#plan.responseKey);
    if (message === null && result.errors !== undefined) {
      // Without its message the result has no cursor: what it told is asked for again, or is never to be had.
      this.#end(endByErrors(result.errors));
      return;
    }
    this.#failedAttempts = 0;
    this.#beLive();
    if (message === null || this.#plan.of === 'state') this.#handOn(result);
    else this.#takeMessage(result, message);
  }

  #takeMessage(result: Result, message: StreamMessage): void {
    const cursor = cursorOf(message);
    if (cursor === null && (message.events !== undefined || message.cluster !== undefined)) {
      this.#fail(new TypeError('The subscription cannot be resumed: select "cursor" in each message.'));
      return;
    }
    const gap = gapOf(message);
    if (gap !== null) {
      // What follows may be another history, whose events have the cursors of those that were lost.
      this.#recent = new RecentCursors();
      this.#options.onGap?.(gap);
    }
    const fresh = this.#recent.withoutRepeated(result, this.#plan.responseKey, message);
    if (fresh !== null && !this.#handOn(fresh)) return;
    if (cursor !== null) this.#remember(cursor);
    if (gap !== null && this.#plan.beginsWithSnapshot) this.#beginAnew();
  }

  /** False if the stream has ended over it. */
  #handOn(result: Result): boolean {
    try {
      this.#sink.next(result);
      return true;
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
      return false;
    }
  }

  #remember(cursor: string | null): void {
    if (this.#plan.cursorVariable !== null) this.#payload.variables[this.#plan.cursorVariable] = cursor;
  }

  /** After a gap the state has to be read anew, and here it is the stream itself that tells it. */
  #beginAnew(): void {
    this.#remember(null);
    if (this.#state !== 'running') return;
    this.#stop();
    this.#attempt();
  }

  #listenForSilence(): void {
    if (this.#plan.of === 'state') return;
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      this.#comeBack('the server was silent for too long');
      // The connection is half open, or its server is frozen: whoever shares it is better off with another one.
      this.#client.terminate();
    }, this.#options.longestSilenceMs ?? SILENCE_MS);
  }

  #end(end: StreamEnd): void {
    if (end.comeBack) this.#comeBack(end.reason, end.later);
    else this.#fail(end.error);
  }

  #fail(error: Error): void {
    this.unsubscribe();
    this.#sink.error(error);
  }

  #finish(): void {
    this.unsubscribe();
    this.#sink.complete();
  }

  #comeBack(reason: string, later = false): void {
    this.#stop();
    const attempt = later ? Math.max(this.#failedAttempts, LATER_ATTEMPT) : this.#failedAttempts;
    this.#failedAttempts = attempt + 1;
    const delayMs = backoffMs(attempt, this.#options.backoff ?? {});
    const timer = setTimeout(() => this.#attempt(), delayMs);
    this.#leave = () => clearTimeout(timer);
    this.#options.onStatus?.({ state: 'waiting', reason, delayMs, attempt: attempt + 1 });
  }
}
