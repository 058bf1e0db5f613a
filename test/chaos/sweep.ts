import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import { processIsRunning } from '#lib/host/processes.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import type { ApiClient } from '../support/apiClient.ts';
import { retryOperation, uuidOf } from '../support/clusterCalls.ts';
import type { GroveProcess } from '../support/groveProcess.ts';
import { ensureManual } from './failoverScenarios.ts';
import type { Ground } from './ground.ts';
import { type Armed, arm, clear, isEndingMoment, type KillPoint, type Moment, steadyName } from './killPoint.ts';
import { type Inventory, inventoryOf, leftovers } from './leftovers.ts';
import { type End, endWithin } from './operationEnd.ts';
import type { Asked, Round, Scenario } from './scenario.ts';
import type { Strike } from './strikes.ts';
import { killVictim } from './victim.ts';
import { absentAgents, failoversByItself, liveClusters, wholenessFaults } from './wholeness.ts';

/** A step as a run that was left alone recorded it. */
export type RecordedStep = {
  name: string;
  ms: number;
  /** Kinds of the commands that it sent to agents, in order. */
  commands: string[];
};

/** What is killed instead of a step where an operation ends badly. */
export const itsEnd: RecordedStep = { name: '(its end)', ms: 0, commands: [] };

export type Case = { step: RecordedStep; strike: Strike };

/** HIT: in the step. OVER: the step was over by then. NOBODY: whom the strike is for does not run during the step. */
type Hit = 'HIT' | 'OVER' | 'NOBODY';

export type Outcome = {
  hit: Hit;
  /** How the operation ended. */
  end: string;
  /** From the strike to the operation's end, in milliseconds; where Grove was killed, from its next start. */
  ms: number;
  /** What is not as it must be. */
  faults: string[];
};

/** An operation that has not ended by then after the strike never will. */
const endsWithinMs = 180_000;
/** Until then an agent that was killed runs again, and its server follows again. */
const isWholeWithinMs = 90_000;
/** A step that was over before the kill of Grove is tried again, with the kill sooner. */
const tries = 4;
/** The middle of a step that takes less cannot be met, in milliseconds. */
const tooShortMs = 60;

/** One Grove in which operations are struck, one after the other. */
export class Sweep {
  readonly #ground: Ground;
  #grove: GroveProcess | null = null;
  #store: pg.Client | null = null;
  /** The cluster that the case before left whole. */
  #left: string | null = null;
  #round = 0;
  #inventory: Inventory | null = null;

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  /** Runs the scenario without a strike: its steps, and what must not be there already. */
  async rehearse(scenario: Scenario): Promise<{ steps: RecordedStep[]; faults: string[] }> {
    const { client } = await this.#ready();
    const { clusterId, round } = await this.#prepare(scenario);
    if (clusterId !== null) this.#inventory ??= inventoryOf(this.#ground.home);
    const asked = await scenario.ask(client, clusterId, round);
    const end = await endWithin(client, asked.operationId, endsWithinMs);
    const faults = end.status === wantedEnd(scenario) ? await this.#faults(scenario, asked, round) : [badEnd(end)];
    if (scenario.leavesCluster) this.#inventory ??= inventoryOf(this.#ground.home);
    return { steps: await this.#stepsOf(asked.operationId), faults };
  }

  /** Runs the scenario, strikes at this place, and looks at what has become of it all. */
  async strike(scenario: Scenario, { step, strike }: Case): Promise<Outcome> {
    const points = pointsFor(scenario, { step, strike });
    for (const [index, point] of points.entries()) {
      const outcome = await this.#strikeOnce(scenario, strike, point);
      if (outcome.hit === 'HIT' || outcome.faults.length > 0 || index === points.length - 1) return outcome;
    }
    throw new Error('There is no place to strike at');
  }

  /** Ends in order. Faults: what goes on running. */
  async close(): Promise<void> {
    await this.#store?.end();
    await this.#grove?.interrupt();
    this.#grove = null;
  }

  async #ready(): Promise<{ client: ApiClient; store: pg.Client }> {
    this.#grove ??= await this.#ground.start();
    this.#store ??= await this.#ground.openStore();
    return { client: this.#grove.client, store: this.#store };
  }

  /**
   * Where an instance is killed nobody promotes another one by himself: that an operation goes on with the agent that comes back is
   * another case than that a primary is lost for good, and whether it is back within three seconds is left to the host.
   */
  async #prepare(scenario: Scenario): Promise<{ clusterId: string | null; round: Round }> {
    const { client } = await this.#ready();
    const { home, fault } = this.#ground;
    this.#round += 1;
    const clusterId = await scenario.prepare(client, this.#left, home);
    if (fault === 'F02' && clusterId !== null) await ensureManual(client, clusterId);
    return { clusterId, round: { number: this.#round, fault, struckAt: new Date() } };
  }

  async #strikeOnce(scenario: Scenario, strike: Strike, point: KillPoint): Promise<Outcome> {
    const { client, store } = await this.#ready();
    const { clusterId, round } = await this.#prepare(scenario);
    const armed = await arm(store, point);
    const asked = await scenario.ask(client, clusterId, round);
    const place = { operationId: uuidOf(asked.operationId), step: point.step, moment: point.moment };
    const reached = await armed.reached(place.operationId);
    const hit = await this.#hit(strike, { ...place, armed, held: point.moment !== 'MIDDLE' });
    round.struckAt = new Date();
    return { hit: reached ? hit : 'OVER', ...(await this.#conclude(scenario, asked, round)) };
  }

  async #hit(strike: Strike, { armed, ...place }: Place & { armed: Armed; held: boolean }): Promise<Hit> {
    const store = assertPresent(this.#store, 'a store');
    if (strike.fault === 'F01') {
      await assertPresent(this.#grove, 'a Grove').kill();
      await armed.disarm();
      const running = await isRunning(store, place);
      this.#grove = await this.#ground.start();
      return running ? 'HIT' : 'OVER';
    }
    if (strike.fault === 'F02') {
      const killed = await killVictim(store, place, strike.what);
      const running = await isRunning(store, place);
      await armed.release();
      if (!killed) return 'NOBODY';
      return running ? 'HIT' : 'OVER';
    }
    const running = await isRunning(store, place);
    if (strike.what === 'REDIS') {
      await this.#ground.restart(strike.what, armed.release);
    } else {
      await this.#ground.restart(strike.what, () => store.end().catch(() => undefined));
      this.#store = await this.#ground.openStore();
      await clear(this.#store);
    }
    return running ? 'HIT' : 'OVER';
  }

  /** The operation's end, the way out of it where it failed as it may, and what is wrong then. */
  async #conclude(scenario: Scenario, asked: Asked, round: Round): Promise<Omit<Outcome, 'hit'>> {
    const { client } = await this.#ready();
    const end = await endWithin(client, asked.operationId, endsWithinMs);
    const ms = Date.now() - round.struckAt.getTime();
    if (!processIsRunning(assertPresent(this.#grove, 'a Grove').pid)) {
      return { end: end.status, ms, faults: ['Grove has ended'] };
    }
    if (end.status === wantedEnd(scenario)) {
      return { end: end.status, ms, faults: await this.#faults(scenario, asked, round) };
    }
    const code = end.error?.code ?? '';
    const wayOut = end.status === 'FAILED' && round.fault !== 'F01' ? scenario.mayFail?.[code] : undefined;
    if (wayOut === undefined) return { end: `${end.status} ${code}`.trim(), ms, faults: [badEnd(end)] };
    const next = await this.#takeWayOut(scenario, { asked, round, wayOut });
    const last = await endWithin(client, next.operationId, endsWithinMs);
    const faults = last.status === 'SUCCEEDED' ? await this.#faults(scenario, next, round) : [badEnd(last)];
    return { end: `${code}, ${wayOut}: ${last.status}`, ms, faults };
  }

  async #takeWayOut(
    scenario: Scenario,
    { asked, round, wayOut }: { asked: Asked; round: Round; wayOut: 'RETRY' | 'ASK_AGAIN' },
  ): Promise<Asked> {
    const { client } = await this.#ready();
    if (wayOut === 'ASK_AGAIN') {
      // As a person does, once what stood in the way is gone.
      await this.#broken(asked, round);
      return await scenario.ask(client, asked.clusterId, round);
    }
    const answer = await retryOperation(client, asked.operationId);
    if (!answer.operation) throw new Error(`The retry was refused: ${JSON.stringify(answer)}`);
    return asked;
  }

  async #faults(scenario: Scenario, asked: Asked, round: Round): Promise<string[]> {
    const { client, store } = await this.#ready();
    const atOnce = (await scenario.afterwards?.(client, asked)) ?? [];
    const broken = await this.#broken(asked, round);
    const clusters = await liveClusters(client);
    const own = clusters.find(({ id }) => id === asked.clusterId);
    this.#left = own?.id ?? null;
    if (scenario.leavesCluster && !own) return ['the cluster is gone'];
    return [
      ...atOnce,
      ...(await scenario.faults(client, asked, round)),
      ...broken,
      ...(round.fault === 'F02' ? [] : await failoversByItself(store)),
      ...(await leftovers(this.#ground, store, clusters, this.#inventory)),
    ];
  }

  /** What is still not whole of the cluster that there is when everything has had its time. */
  async #broken({ clusterId }: Asked, { fault, struckAt }: Round): Promise<string[]> {
    const { client, store } = await this.#ready();
    return await noneWithin(fault === 'F01' ? 0 : isWholeWithinMs, async () => {
      const own = (await liveClusters(client)).find(({ id }) => id === clusterId);
      if (!own) return [];
      const absent = fault === 'F01' ? [] : await absentAgents(store, own, struckAt);
      return absent.length > 0 ? absent : await wholenessFaults(client, own);
    });
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

type Place = { operationId: string; step: string; moment: Moment };

/** Where to strike; if the step is over there already, or has nobody to kill, at the next place. */
function pointsFor({ kind }: Scenario, { step, strike }: Case): KillPoint[] {
  const command = step.commands[Math.floor(step.commands.length / 2)] ?? null;
  const point = { kind, step: step.name, command };
  const middle = (afterMs: number): KillPoint => ({ ...point, moment: 'MIDDLE', afterMs });
  const start: KillPoint = { ...point, moment: 'START', afterMs: null };
  if (strike.fault !== 'F01') return step.ms < tooShortMs ? [start] : [middle(step.ms / 2), start];
  if (strike.what !== 'MIDDLE') return [{ ...point, moment: strike.what, afterMs: null }];
  return Array.from({ length: tries }, (_, index) => middle(index === tries - 1 ? 0 : step.ms / 2 ** (index + 1)));
}

const wantedEnd = ({ end }: Scenario): string => end ?? 'SUCCEEDED';

const badEnd = ({ status, error, waitingFor }: End): string =>
  `the operation is ${status}: ${error === null ? waitingFor : `${error.code} in "${error.step}": ${error.message}`}`;

/** What is wrong once there is nothing, or the time is up. */
async function noneWithin(withinMs: number, look: () => Promise<string[]>): Promise<string[]> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const found = await look().catch((error: unknown) => [String(error)]);
    if (found.length === 0 || performance.now() > deadline) return found;
    await pause(200);
  }
}

/** The step has not ended: it was being done, or was about to be begun. Or the operation has not, where its end is meant. */
async function isRunning(store: pg.Client, { operationId, step, moment }: Place): Promise<boolean> {
  const { rowCount } = isEndingMoment(moment)
    ? await store.query('SELECT FROM operation WHERE id = $1 AND finished_at IS NULL', [operationId])
    : await store.query(
        `SELECT FROM operation_step WHERE operation_id = $1 AND ${steadyName('name')} = $2 AND finished_at IS NULL`,
        [operationId, step],
      );
  return rowCount === 1;
}
