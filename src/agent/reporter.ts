import type { InstanceSide } from '#engines/instanceSide.ts';
import type { Logger } from '#lib/log/logger.ts';
import type { ControlLink } from './controlLink.ts';

const everyMs = 2000;

export type ReporterOptions = {
  side: Pick<InstanceSide, 'observe'>;
  link: Pick<ControlLink, 'report'>;
  logger: Logger;
};

/** Reports what is seen of the server: regularly, and at once when something changed. */
export class Reporter {
  readonly #side: Pick<InstanceSide, 'observe'>;
  readonly #link: Pick<ControlLink, 'report'>;
  readonly #logger: Logger;
  #timer: NodeJS.Timeout | null = null;
  #busy = false;
  #again = false;

  constructor({ side, link, logger }: ReporterOptions) {
    this.#side = side;
    this.#link = link;
    this.#logger = logger;
  }

  start(): void {
    this.#timer = setInterval(() => this.reportNow(), everyMs);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** While a report is on its way another one follows it, however often it is asked for. */
  reportNow(): void {
    if (this.#busy) {
      this.#again = true;
      return;
    }
    this.#busy = true;
    void this.#report();
  }

  async #report(): Promise<void> {
    do {
      this.#again = false;
      try {
        await this.#link.report(await this.#side.observe());
      } catch (error) {
        this.#logger.error({ err: error }, 'the server could not be observed');
      }
    } while (this.#again);
    this.#busy = false;
  }
}
