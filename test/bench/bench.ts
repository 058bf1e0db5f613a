import { createClosers } from '#lib/closers.ts';
import { backupThroughput } from './backupThroughput.ts';
import type { Benchmark, Figure } from './benchmark.ts';
import { clustersPage } from './clustersPage.ts';
import { creationTime } from './creationTime.ts';
import { residentMemory } from './residentMemory.ts';
import { startTime } from './startTime.ts';

const benchmarks: Record<string, Benchmark> = {
  creationTime,
  clustersPage,
  residentMemory,
  startTime,
  backupThroughput,
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

/** All benchmarks, or those that the command line names. */
function chosen(names: readonly string[]): [string, Benchmark][] {
  const unknown = names.filter((name) => !Object.hasOwn(benchmarks, name));
  if (unknown.length > 0) {
    throw new Error(`There is no benchmark ${unknown.join(', ')}. There are ${Object.keys(benchmarks).join(', ')}.`);
  }
  return Object.entries(benchmarks).filter(([name]) => names.length === 0 || names.includes(name));
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
  const rows = [
    ['figure', 'measured', 'limit', 'verdict'],
    ...figures.map(({ name, measured, limit, verdict }) => [name, measured, limit, verdict]),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join(' | ')
        .trimEnd(),
    )
    .join('\n');
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
