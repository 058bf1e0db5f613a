import fc, { type IAsyncProperty } from 'fast-check';

/**
 * Checks a property with as many runs as there is time for, and fails where that is fewer than `leastRuns`: too little was tried to
 * say that it holds.
 */
export async function assertWithin<T>(
  property: IAsyncProperty<T>,
  { runs, leastRuns, withinMs }: { runs: number; leastRuns: number; withinMs: number },
): Promise<void> {
  await fc.assert(property, {
    numRuns: runs,
    interruptAfterTimeLimit: withinMs,
    markInterruptAsFailure: false,
    asyncReporter: async (details) => {
      const failure = await fc.asyncDefaultReportMessage(details);
      if (failure !== undefined) throw new Error(failure, { cause: details.errorInstance });
      if (details.numRuns < leastRuns)
        throw new Error(`Only ${details.numRuns} runs in ${withinMs} ms: at least ${leastRuns} are wanted.`);
    },
  });
}
