import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { createGroveHome, type GroveHome } from '../support/groveProcess.ts';
import { atMost, type Bench, type Figure, seconds } from './benchmark.ts';
import { median } from './median.ts';

const rounds = 3;
const limitsMs = { cold: 6000, warm: 3000 };
/** As `npm start` sets it. */
const compiledCode = resolve(import.meta.dirname, '../../node_modules/.cache/grove');

/** From `npm start` to the first answer of the API: as after the installation, with nothing made yet (cold), and once more (warm). */
export async function startTime({ closers, tell }: Bench): Promise<Figure[]> {
  const times: { cold: number[]; warm: number[] } = { cold: [], warm: [] };
  for (let round = 1; round <= rounds; round += 1) {
    const home = await createGroveHome();
    closers.add('the data directory of a start', () => home.destroy());
    await rm(compiledCode, { recursive: true, force: true });
    const cold = await firstAnswer(home);
    const warm = await firstAnswer(home);
    times.cold.push(cold);
    times.warm.push(warm);
    await closers.closeAll();
    tell(`round ${round} of ${rounds}: cold ${seconds(cold)}, warm ${seconds(warm)}`);
  }
  return [
    atMost('cold start to the first answer', median(times.cold), limitsMs.cold, seconds),
    atMost('warm start to the first answer', median(times.warm), limitsMs.warm, seconds),
  ];
}

async function firstAnswer(home: GroveHome): Promise<number> {
  const begun = performance.now();
  const grove = await home.start();
  await grove.client.data('{ __typename }');
  const ms = performance.now() - begun;
  await grove.interrupt();
  return ms;
}
