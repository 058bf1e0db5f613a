import { createClosers } from '#lib/flow/closers.ts';
import { textTable } from '../support/textTable.ts';
import { additionTime } from './additionTime.ts';
import { backupThroughput } from './backupThroughput.ts';
import type { Benchmark, Figure } from './benchmark.ts';
import { clustersPage } from './clustersPage.ts';
import { creationTime } from './creationTime.ts';
import { hourOfLoad } from './hourOfLoad.ts';
import { promotionGap } from './promotionGap.ts';
import { realtime } from './realtime.ts';
import { residentMemory } from './residentMemory.ts';
import { restartGap } from './restartGap.ts';
import { startTime } from './startTime.ts';

const benchmarks: Record<string, Benchmark> = {
  creationTime,
  clustersPage,
  realtime,
  residentMemory,
  startTime,
  restartGap,
  additionTime,
  promotionGap,
  backupThroughput,
};

/** Too long for every run: only where the command line names them. */
const onlyByName: Record<string, Benchmark> = { hourOfLoad };

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

/** All benchmarks, or those that the command line names. */
function chosen(names: readonly string[]): [string, Benchmark][] {
  const all = { ...benchmarks, ...onlyByName };
  const unknown = names.filter((name) => !Object.hasOwn(all, name));
  if (unknown.length > 0) {
    throw new Error(`There is no benchmark ${unknown.join(', ')}. There are ${Object.keys(all).join(', ')}.`);
  }
  return names.length === 0 ? Object.entries(benchmarks) : Object.entries(all).filter(([name]) => names.includes(name));
}

async function run(name: string, benchmark: Benchmark): Promise<Figure[]> {
  tell(`\n${name}`);
  try {
    return await benchmark({ closers, tell: (line) => tell(`  ${line}`) });
  } catch (error) {
    if (!interrupted.signal.aborted) tell(error instanceof Error ? `${error.stack}` : String(error));
    return [{ name, measured: 'failed', limit: '', verdict: 'MISSED' }];
  } finally {
    await closers.closeAll();
  }
}

function table(figures: readonly Figure[]): string {
  return textTable([
    ['figure', 'measured', 'limit', 'verdict'],
    ...figures.map(({ name, measured, limit, verdict }) => [name, measured, limit, verdict]),
  ]);
}

async function main(): Promise<void> {
  if (process.platform !== 'linux') throw new Error('The benchmarks read /proc, which only Linux has.');
  const figures: Figure[] = [];
  for (const [name, benchmark] of chosen(process.argv.slice(2))) {
    if (!interrupted.signal.aborted) figures.push(...(await run(name, benchmark)));
  }
  if (interrupted.signal.aborted) return;
  tell(`\n${table(figures)}`);
  if (figures.some(({ verdict }) => verdict === 'MISSED')) process.exitCode = 1;
}

main().catch((error: unknown) => {
  tell(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
});
