import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createClosers } from '#lib/flow/closers.ts';
import { textTable } from '../support/textTable.ts';
import { createGround } from './ground.ts';
import type { Scenario } from './scenario.ts';
import { scenarios } from './scenarios.ts';
import { allStrikes, type FaultNumber, faultNumbers, strikesOn } from './strikes.ts';
import { type Case, itsEnd, type Outcome, type RecordedStep, Sweep } from './sweep.ts';

/** The word for the faults under subscribers, which are a test of their own. */
const realtime = 'REALTIME';

const usage = `Usage: npm run chaos -- [${[...faultNumbers, realtime].join('|')}] [SCENARIO…] [step=TEXT] [what=${allStrikes.join('|')}]
Does the faults of docs/lifecycle.md in every step of every scenario (${Object.keys(scenarios).join(', ')}), and looks at what
becomes of it. F01: Grove is killed, also in the end of those that are to end badly. F02: an agent is killed. F03: the store or Redis is away for a second.
${realtime}: 100 faults under 50 subscribers of two api processes (npm run chaos:realtime). Last, where nothing is chosen.
step: only steps whose name has this text. what: only this one.`;

type Row = { scenario: string; case: Case; outcome: Outcome };
type Choice = {
  faults: readonly FaultNumber[];
  realtime: boolean;
  scenarios: [string, Scenario][];
  step: string;
  what: string | null;
};

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
  const faults = faultNumbers.filter((fault) => words.includes(fault));
  const names = words.filter((word) => !word.includes('=') && ![...faults, realtime].includes(word));
  const what = optionOf('what') ?? null;
  const unknown = [
    ...words.filter((word) => word.includes('=') && !/^(step|what)=/.test(word)),
    ...names.filter((name) => !Object.hasOwn(scenarios, name)),
    ...(what === null || allStrikes.includes(what) ? [] : [what]),
  ];
  if (unknown.length > 0) throw new Error(`Unknown: ${unknown.join(', ')}.\n${usage}`);
  return {
    faults: faults.length > 0 || words.includes(realtime) ? faults : faultNumbers,
    realtime: words.length === 0 || words.includes(realtime),
    scenarios: Object.entries(scenarios).filter(([name]) => names.length === 0 || names.includes(name)),
    step: optionOf('step') ?? '',
    what,
  };
}

/** A Grove of its own for a scenario; another one after a fault, so that one fault is not told twice. */
async function sweepScenario(name: string, scenario: Scenario, fault: FaultNumber, choice: Choice): Promise<Row[]> {
  // Nobody but Grove takes part in an end.
  if (scenario.endings && fault !== 'F01') return [];
  const rows: Row[] = [];
  let place = await openPlace(fault);
  try {
    const rehearsal = await place.sweep.rehearse(scenario);
    const cases = casesOf(scenario, rehearsal.steps, { fault, ...choice });
    tell(`\n${fault}, ${name}: ${rehearsal.steps.length} steps, ${cases.length} cases`);
    if (rehearsal.faults.length > 0)
      throw new Error(`It fails if nothing is done to it: ${rehearsal.faults.join('; ')}`);
    for (const one of cases) {
      if (interrupted.signal.aborted) break;
      const outcome = await place.sweep.strike(scenario, one).catch(asOutcome);
      rows.push({ scenario: name, case: one, outcome });
      tell(`  ${one.step.name}, ${one.strike.what}: ${verdict(outcome)} ${outcome.faults.join('; ')}`.trimEnd());
      if (outcome.faults.length === 0) continue;
      await place.leave(true);
      place = await openPlace(fault);
      await place.sweep.rehearse(scenario);
    }
  } finally {
    await place.leave(false);
  }
  return rows;
}

type Wanted = Choice & { fault: FaultNumber };

function casesOf({ endings }: Scenario, steps: readonly RecordedStep[], { fault, step: text, what }: Wanted): Case[] {
  const cases: Case[] = endings
    ? endings.map((moment) => ({ step: itsEnd, strike: { fault: 'F01', what: moment } }))
    : steps.flatMap((step) => strikesOn(step, fault).map((strike) => ({ step, strike })));
  return cases.filter(({ step, strike }) => step.name.includes(text) && (what === null || strike.what === what));
}

const asOutcome = (error: unknown): Outcome => ({
  hit: 'OVER',
  end: '',
  ms: 0,
  faults: [error instanceof Error ? (error.stack ?? error.message) : String(error)],
});

type Place = { sweep: Sweep; leave(failed: boolean): Promise<void> };

async function openPlace(fault: FaultNumber): Promise<Place> {
  const ground = await createGround(fault);
  let left = false;
  // The files of a fault stay.
  closers.add('a Grove of the sweep', async () => {
    if (!left) await ground.destroy();
  });
  const sweep = new Sweep(ground);
  return {
    sweep,
    async leave(failed) {
      await sweep.close().catch((error: unknown) => tell(`  Grove did not stop in order: ${String(error)}`));
      await ground.destroy(failed ? { result: { state: 'fail' } } : {});
      left = true;
    },
  };
}

const words = { HIT: 'ok', OVER: 'ok (over by then)', NOBODY: 'ok (nobody to kill)' };
const verdict = ({ hit, faults }: Outcome): string => (faults.length > 0 ? 'FAULT' : words[hit]);

function table(rows: readonly Row[]): string {
  return textTable([
    ['scenario', 'step', 'fault', 'what', 'end', 'after', 'verdict'],
    ...rows.map(({ scenario, case: { step, strike }, outcome }) => [
      scenario,
      step.name,
      strike.fault,
      strike.what,
      outcome.end,
      `${(outcome.ms / 1000).toFixed(1)} s`,
      verdict(outcome),
    ]),
  ]);
}

async function main(): Promise<void> {
  if (process.platform !== 'linux') throw new Error('The sweep reads /proc, which only Linux has.');
  const choice = chosen(process.argv.slice(2));
  if (choice.faults.length > 0) await sweepAll(choice);
  if (choice.realtime && !interrupted.signal.aborted) await strikeSubscribers();
}

async function sweepAll(choice: Choice): Promise<void> {
  const rows: Row[] = [];
  for (const fault of choice.faults) {
    for (const [name, scenario] of choice.scenarios) {
      if (!interrupted.signal.aborted) rows.push(...(await sweepScenario(name, scenario, fault, choice)));
    }
  }
  if (interrupted.signal.aborted) return;
  const bad = rows.filter(({ outcome }) => outcome.faults.length > 0).length;
  tell(`\n${table(rows)}\n\n${rows.length} cases, ${bad} with faults`);
  if (bad > 0) process.exitCode = 1;
}

async function strikeSubscribers(): Promise<void> {
  tell(`\n${realtime}`);
  const test = spawn('npm', ['run', '--silent', 'chaos:realtime'], { stdio: 'inherit' });
  const [code] = await once(test, 'exit');
  if (code !== 0) process.exitCode = 1;
}

main()
  .catch((error: unknown) => {
    tell(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  })
  .finally(() => closers.closeAll());
