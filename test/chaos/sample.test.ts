import { beforeAll, describe, expect, test } from 'vitest';
import { assertPresent } from '#lib/assertPresent.ts';
import { createGroveHome, destroyAfterAll, type GroveHome } from '../support/groveProcess.ts';
import { isEndingMoment, type Moment } from './killPoint.ts';
import type { Scenario } from './scenario.ts';
import { scenarios } from './scenarios.ts';
import { type RecordedStep, Sweep } from './sweep.ts';

/** A few places of the sweep; `npm run chaos` has all of them. One Grove, and each case goes on with what the one before left. */
describe('an operation whose Grove is killed with -9 goes on after the next start, to its good or bad end, and leaves nothing over', () => {
  let home: GroveHome;
  let sweep: Sweep;

  beforeAll(async () => {
    home = await createGroveHome();
    sweep = new Sweep(home);
    return () => sweep.close();
  });
  destroyAfterAll(() => home);

  /** The step as a run that is left alone records it, where the kill goes by that. */
  async function recorded(scenario: Scenario, name: string, moment: Moment): Promise<RecordedStep> {
    if (moment === 'START' || moment === 'END' || isEndingMoment(moment)) return { name, ms: 0, commands: [] };
    const { steps, faults } = await sweep.rehearse(scenario);
    expect(faults).toEqual([]);
    return assertPresent(
      steps.find((step) => step.name === name),
      `step "${name}"`,
    );
  }

  test.each<[scenario: string, step: string, moment: Moment]>([
    ['createCluster', 'join orders-3', 'COMMAND'],
    ['updateCluster', 'apply the access rules on orders-2', 'MIDDLE'],
    ['updateCluster', 'record that the access rules are in force', 'START'],
    ['backupClusterCancelled', '(its end)', 'TAKING_BACK'],
    ['deleteCluster', 'remove orders-1', 'END'],
  ])(
    '%s, %s, %s',
    async (name, stepName, moment) => {
      const scenario = assertPresent(scenarios[name], `scenario ${name}`);
      const step = await recorded(scenario, stepName, moment);
      const outcome = await sweep.kill(scenario, { step, moment });
      expect(outcome).toMatchObject({ met: true, end: scenario.end ?? 'SUCCEEDED', faults: [] });
    },
    120_000,
  );
});
