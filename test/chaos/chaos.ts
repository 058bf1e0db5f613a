import { createClosers } from '#lib/closers.ts';
import { createGroveHome, type GroveHome } from '../support/groveProcess.ts';
import { textTable } from '../support/textTable.ts';
import { isEndingMoment, type Moment, moments } from './killPoint.ts';
import type { Scenario } from './scenario.ts';
import { scenarios } from './scenarios.ts';
import { type Case, itsEnd, type Outcome, type RecordedStep, Sweep } from './sweep.ts';

const usage = `Usage: npm run chaos -- [SCENARIO…] [step=TEXT] [moment=${moments.join('|')}]
Kills Grove with -9 in every step of every scenario, or in its end where it is to end badly (${Object.keys(scenarios).join(', ')}), and looks at what becomes of it.
step: only steps whose name has this text. moment: only this one.`;

type Row = { scenario: string; case: Case; outcome: Outcome };
type Choice = { scenarios: [string, Scenario][]; step: string; moments: readonly Moment[] };

const tell = (line: string) => process.stdout.write(`${line}\n`);
const closers = createClosers((name, error) => tell(`${name} could not be cleaned up: ${String(error)}`));
const interrupted = new AbortController();

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (interrupted.signal.aborted) return;
    interrupted.abort();
    tell('\ninterrupted; cleaning up');
    void closers.closeAll().finally(() => process.exit(130));
  });
}

function chosen(words: readonly string[]): Choice {
  const optionOf = (name: string) => words.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1);
  const names = words.filter((word) => !word.includes('='));
  const moment = optionOf('moment');
  const unknown = [
    ...names.filter((name) => !Object.hasOwn(scenarios, name)),
    ...(moment === undefined || moments.includes(moment as Moment) ? [] : [moment]),
  ];
  if (unknown.length > 0) throw new Error(`Unknown: ${unknown.join(', ')}.\n${usage}`);
  return {
    scenarios: Object.entries(scenarios).filter(([name]) => names.length === 0 || names.includes(name)),
    step: optionOf('step') ?? '',
    moments: moments.filter((one) => moment === undefined || one === moment),
  };
}

/** A Grove of its own for a scenario; another one after a fault, so that one fault is not told twice. */
async function sweepScenario(name: string, scenario: Scenario, choice: Choice): Promise<Row[]> {
  const rows: Row[] = [];
  let place = await openPlace();
  try {
    const rehearsal = await place.sweep.rehearse(scenario);
    const cases = casesOf(scenario, rehearsal.steps, choice);
    tell(`\n${name}: ${rehearsal.steps.length} steps, ${cases.length} cases`);
    if (rehearsal.faults.length > 0) throw new Error(`It fails if nobody is killed: ${rehearsal.faults.join('; ')}`);
    for (const one of cases) {
      if (interrupted.signal.aborted) break;
      const outcome = await place.sweep.kill(scenario, one).catch(asOutcome);
      rows.push({ scenario: name, case: one, outcome });
      tell(`  ${one.step.name}, ${one.moment}: ${verdict(outcome)} ${outcome.faults.join('; ')}`.trimEnd());
      if (outcome.faults.length === 0) continue;
      await place.leave(true);
      place = await openPlace();
      await place.sweep.rehearse(scenario);
    }
  } finally {
    await place.leave(false);
  }
  return rows;
}

function casesOf({ endings }: Scenario, steps: readonly RecordedStep[], choice: Choice): Case[] {
  if (endings) {
    const moments = endings.filter((moment) => itsEnd.name.includes(choice.step) && choice.moments.includes(moment));
    return moments.map((moment) => ({ step: itsEnd, moment }));
  }
  return steps
    .filter(({ name }) => name.includes(choice.step))
    .flatMap((step) =>
      choice.moments
        .filter((moment) => !isEndingMoment(moment) && (moment !== 'COMMAND' || step.commands.length > 0))
        .map((moment) => ({ step, moment })),
    );
}

const asOutcome = (error: unknown): Outcome => ({
  met: false,
  end: '',
  ms: 0,
  faults: [error instanceof Error ? (error.stack ?? error.message) : String(error)],
});

type Place = { sweep: Sweep; leave(failed: boolean): Promise<void> };

async function openPlace(): Promise<Place> {
  const home: GroveHome = await createGroveHome();
  closers.add('a Grove of the sweep', () => home.destroy());
  const sweep = new Sweep(home);
  return {
    sweep,
    async leave(failed) {
      await sweep.close().catch((error: unknown) => tell(`  Grove did not stop in order: ${String(error)}`));
      await home.destroy(failed ? { result: { state: 'fail' } } : {});
    },
  };
}

const verdict = ({ met, faults }: Outcome): string =>
  faults.length > 0 ? 'FAULT' : met ? 'ok' : 'over before the kill';

function table(rows: readonly Row[]): string {
  return textTable([
    ['scenario', 'step', 'killed', 'end', 'after', 'verdict'],
    ...rows.map(({ scenario, case: { step, moment }, outcome }) => [
      scenario,
      step.name,
      moment,
      outcome.end,
      `${(outcome.ms / 1000).toFixed(1)} s`,
      verdict(outcome),
    ]),
  ]);
}

async function main(): Promise<void> {
  if (process.platform !== 'linux') throw new Error('The sweep reads /proc, which only Linux has.');
  const choice = chosen(process.argv.slice(2));
  const rows: Row[] = [];
  for (const [name, scenario] of choice.scenarios) {
    if (!interrupted.signal.aborted) rows.push(...(await sweepScenario(name, scenario, choice)));
  }
  if (interrupted.signal.aborted) return;
  const bad = rows.filter(({ outcome }) => outcome.faults.length > 0).length;
  tell(`\n${table(rows)}\n\n${rows.length} cases, ${bad} with faults`);
  if (bad > 0) process.exitCode = 1;
}

main()
  .catch((error: unknown) => {
    tell(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  })
  .finally(() => closers.closeAll());
