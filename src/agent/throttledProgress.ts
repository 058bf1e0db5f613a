/** Passes on messages, at most one in `intervalMs`; of those in between only the last. */
export class ThrottledProgress {
  readonly #send: (message: string) => void;
  readonly #intervalMs: number;
  #waiting: string | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(send: (message: string) => void, intervalMs: number) {
    this.#send = send;
    this.#intervalMs = intervalMs;
  }

  say(message: string): void {
    if (this.#timer !== null) {
      this.#waiting = message;
      return;
    }
    this.#send(message);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      const waiting = this.#waiting;
      this.#waiting = null;
      if (waiting !== null) this.say(waiting);
    }, this.#intervalMs);
  }

  /** What still waits is dropped. */
  end(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#waiting = null;
  }
}
