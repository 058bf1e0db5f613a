import type pg from 'pg';
import { assertPresent } from '#lib/assertPresent.ts';
import { operationEnd, readOperation, uuidOf } from '../support/clusterCalls.ts';
import type { GroveHome, GroveProcess } from '../support/groveProcess.ts';
import { arm, isEndingMoment, type KillPoint, type Moment, steadyName } from './killPoint.ts';
import { type Inventory, inventoryOf, leftovers } from './leftovers.ts';
import type { Asked, Scenario } from './scenario.ts';
import { openStoreSession } from './storeSession.ts';
import { liveClusters, wholenessFaults } from './wholeness.ts';

/** A step as a run that was left alone recorded it. */
export type RecordedStep = {
  name: string;
  ms: number;
  /** Kinds of the commands that it sent to agents, in order. */
  commands: string[];
};

/** What is killed instead of a step where an operation ends badly. */
export const itsEnd: RecordedStep = { name: '(its end)', ms: 0, commands: [] };

export type Case = { step: RecordedStep; moment: Moment };

export type Outcome = {
  /** False: the step was over before the kill. */
  met: boolean;
  /** How the operation ended. */
  end: string;
  /** From the next start's being ready to the operation's end, in milliseconds. */
  ms: number;
  /** What is not as it must be. */
  faults: string[];
};

/** An operation that has not ended by then after the restart never will. */
const endsWithinMs = 120_000;
/** A step that was over before the kill is tried again, with the kill sooner. */
const tries = 4;

/** One Grove in which operations are killed, one after the other. */
export class Sweep {
  readonly #home: GroveHome;
  #grove: GroveProcess | null = null;
  #store: pg.Client | null = null;
  /** The cluster that the case before left whole. */
  #left: string | null = null;
  #round = 0;
  #inventory: Inventory | null = null;

  constructor(home: GroveHome) {
    this.#home = home;
  }

  /** Runs the scenario and kills nobody: its steps, and what must not be there already. */
  async rehearse(scenario: Scenario): Promise<{ steps: RecordedStep[]; faults: string[] }> {
    const { client } = await this.#ready();
    this.#round += 1;
    const clusterId = await scenario.prepare(client, this.#left, this.#home);
    if (clusterId !== null) this.#inventory ??= inventoryOf(this.#home);
    const asked = await scenario.ask(client, clusterId, this.#round);
    const end = await operationEnd(client, asked.operationId);
    const faults = await this.#faults(scenario, asked, end);
    if (scenario.leavesCluster) this.#inventory ??= inventoryOf(this.#home);
    return { steps: await this.#stepsOf(asked.operationId), faults };
  }

  /** Runs the scenario, kills Grove at this place, starts it again and looks at what has become of it all. */
  async kill(scenario: Scenario, { step, moment }: Case): Promise<Outcome> {
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await this.#killOnce(scenario, {
        kind: scenario.kind,
        step: step.name,
        moment,
        afterMs: attempt === tries ? 0 : step.ms / 2 ** attempt,
        command: step.commands[Math.floor(step.commands.length / 2)] ?? null,
      });
      if (outcome.met || outcome.faults.length > 0 || attempt === tries) return outcome;
    }
  }

  /** Ends in order. Faults: what goes on running. */
  async close(): Promise<void> {
    await this.#store?.end();
    await this.#grove?.interrupt();
    this.#grove = null;
  }

  async #ready(): Promise<{ client: GroveProcess['client']; store: pg.Client }> {
    this.#grove ??= await this.#home.start();
    this.#store ??= await openStoreSession(this.#home);
    return { client: this.#grove.client, store: this.#store };
  }

  async #killOnce(scenario: Scenario, point: KillPoint): Promise<Outcome> {
    const { client, store } = await this.#ready();
    this.#round += 1;
    const clusterId = await scenario.prepare(client, this.#left, this.#home);
    const armed = await arm(store, point);
    const asked = await scenario.ask(client, clusterId, this.#round);
    const operationId = uuidOf(asked.operationId);
    const reached = await armed.reached(operationId);
    const grove = assertPresent(this.#grove, 'a Grove');
    await grove.kill();
    await armed.disarm();
    const met = reached && (await isRunning(store, operationId, point));
    this.#grove = await this.#home.start();
    const readyAt = performance.now();
    const end = await endOf(this.#grove, asked.operationId);
    const ms = performance.now() - readyAt;
    return { met, end: end.status, ms, faults: await this.#faults(scenario, asked, end) };
  }

  async #faults(scenario: Scenario, asked: Asked, end: End): Promise<string[]> {
    const { client, store } = await this.#ready();
    const wanted = scenario.end ?? 'SUCCEEDED';
    if (end.status !== wanted) return [`the operation is ${end.status}: ${end.error?.message ?? end.waitingFor}`];
    const atOnce = (await scenario.afterwards?.(client, asked)) ?? [];
    const clusters = await liveClusters(client);
    const own = clusters.find(({ id }) => id === asked.clusterId);
    this.#left = own?.id ?? null;
    if (scenario.leavesCluster && !own) return ['the cluster is gone'];
    return [
      ...atOnce,
      ...(await scenario.faults(client, asked, this.#round)),
      ...(own ? await wholenessFaults(client, own) : []),
      ...(await leftovers(this.#home, store, clusters, this.#inventory)),
    ];
  }

  async #stepsOf(operationId: string): Promise<RecordedStep[]> {
    const { rows } = await assertPresent(this.#store, 'a store').query<RecordedStep>(
      `SELECT ${steadyName('s.name')} AS name, (1000 * extract(epoch FROM s.finished_at - s.started_at))::float AS ms,
              ARRAY(SELECT c.kind FROM agent_command c WHERE c.operation_id = s.operation_id
                AND split_part(c.step_key, '#', 1) = s.key ORDER BY c.created_at) AS commands
       FROM operation_step s WHERE s.operation_id = $1 AND s.status = 'SUCCEEDED' ORDER BY s.position`,
      [uuidOf(operationId)],
    );
    return rows;
  }
}

type End = { status: string; waitingFor?: string | null; error?: { message: string } | null };

/** The step has not ended: it was being done, or was about to be begun. Or the operation has not, where its end is meant. */
async function isRunning(store: pg.Client, operationId: string, { step, moment }: KillPoint): Promise<boolean> {
  const { rowCount } = isEndingMoment(moment)
    ? await store.query('SELECT FROM operation WHERE id = $1 AND finished_at IS NULL', [operationId])
    : await store.query(
        `SELECT FROM operation_step WHERE operation_id = $1 AND ${steadyName('name')} = $2 AND finished_at IS NULL`,
        [operationId, step],
      );
  return rowCount === 1;
}

async function endOf({ client }: GroveProcess, operationId: string): Promise<End> {
  const late = Promise.withResolvers<End>();
  const timer = setTimeout(() => {
    readOperation(client, operationId).then(late.resolve, late.reject);
  }, endsWithinMs);
  try {
    return await Promise.race([operationEnd(client, operationId), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
