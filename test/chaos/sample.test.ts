import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assertPresent } from '#lib/values/assertPresent.ts';
import { redisHint, redisIsInstalled } from '../support/redisServer.ts';
import { createGround, type Ground } from './ground.ts';
import { isEndingMoment } from './killPoint.ts';
import type { Scenario } from './scenario.ts';
import { scenarios } from './scenarios.ts';
import type { FaultNumber, Strike } from './strikes.ts';
import { type RecordedStep, Sweep } from './sweep.ts';

type Sample = [scenario: string, step: string, strike: Strike];

/** A few places of the sweep; `npm run chaos` has all of them. One Grove, and each case goes on with what the one before left. */
function sample(fault: FaultNumber, samples: readonly Sample[]): void {
  let ground: Ground;
  let sweep: Sweep;

  beforeAll(async () => {
    ground = await createGround(fault);
    sweep = new Sweep(ground);
    return () => sweep.close();
  });
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads from this pattern which fixtures are wanted
  afterAll(({}, suite) => ground.destroy(suite));

  test.each(samples.map(([name, step, strike]) => ({ name, stepName: step, strike })))(
    '$name, $stepName, $strike.what',
    async ({ name, stepName, strike }) => {
      const scenario = assertPresent(scenarios[name], `scenario ${name}`);
      const step = await recorded(sweep, scenario, stepName, strike);
      const outcome = await sweep.strike(scenario, { step, strike });
      expect(outcome).toMatchObject({ hit: 'HIT', end: scenario.end ?? 'SUCCEEDED', faults: [] });
    },
    120_000,
  );
}

/** The step as a run that is left alone records it, where the strike goes by that, and where a fraction of a second is not near enough. */
async function recorded(sweep: Sweep, scenario: Scenario, name: string, strike: Strike): Promise<RecordedStep> {
  if (strike.fault !== 'F01') return { name, ms: 300, commands: [] };
  const { what } = strike;
  if (what === 'START' || what === 'END' || isEndingMoment(what)) return { name, ms: 0, commands: [] };
  const { steps, faults } = await sweep.rehearse(scenario);
  expect(faults).toEqual([]);
  return assertPresent(
    steps.find((step) => step.name === name),
    `step "${name}"`,
  );
}

describe('an operation whose Grove is killed with -9 goes on after the next start, to its good or bad end, and leaves nothing over', () => {
  sample('F01', [
    ['createCluster', 'join orders-3', { fault: 'F01', what: 'COMMAND' }],
    ['updateCluster', 'apply the access rules on orders-2', { fault: 'F01', what: 'MIDDLE' }],
    ['updateCluster', 'record that the access rules are in force', { fault: 'F01', what: 'START' }],
    ['backupClusterCancelled', '(its end)', { fault: 'F01', what: 'TAKING_BACK' }],
    ['deleteCluster', 'remove orders-1', { fault: 'F01', what: 'END' }],
  ]);
});

describe('an operation goes on when an agent and its server that were killed with -9 come back', () => {
  sample('F02', [['createCluster', 'join orders-2', { fault: 'F02', what: 'AGENT_AND_SERVER' }]]);
});

describe.skipIf(!redisIsInstalled)(`an operation goes on when its store was away${redisHint}`, () => {
  sample('F03', [['createCluster', 'join orders-2', { fault: 'F03', what: 'STORE' }]]);
});
