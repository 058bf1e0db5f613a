import type { Reporter, TestModule } from 'vitest/node';

/**
 * Ends a run with one line, "N passed, N failed, N skipped". With `failOnSkip` a skipped test fails the run: where everything that
 * tests need can be installed, a skip is a hole.
 */
export class ClosingLineReporter implements Reporter {
  readonly #failOnSkip: boolean;

  constructor({ failOnSkip }: { failOnSkip: boolean }) {
    this.#failOnSkip = failOnSkip;
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const count = (state: string) => tests.filter((test) => test.result().state === state).length;
    const brokenModules = modules.filter((module) => module.state() === 'failed' && module.errors().length > 0).length;
    const failed = count('failed') + brokenModules + unhandledErrors.length;
    const skipped = count('skipped');
    if (this.#failOnSkip && skipped > 0) {
      process.exitCode = 1;
      const names = tests.filter((test) => test.result().state === 'skipped').map((test) => test.fullName);
      process.stdout.write(`\nSkipped, which fails this run:\n${names.map((name) => `  ${name}\n`).join('')}`);
    }
    process.stdout.write(`\n${count('passed')} passed, ${failed} failed, ${skipped} skipped\n`);
  }
}
