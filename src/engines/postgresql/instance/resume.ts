import type { PostgresqlInstance } from './postgresqlInstance.ts';
import { endFormerProgram } from './runProgram.ts';

/** Brings the server to where the state on disk wants it, whatever was assumed meanwhile. */
export async function resume(instance: PostgresqlInstance): Promise<void> {
  await endFormerProgram(instance);
  instance.forgetAssumptions();
  if ((await instance.isFenced()) && !(await instance.isStandby())) await instance.assumeState({ wanted: 'stopped' });
  const { wanted } = await instance.state();
  if (wanted === 'running') instance.supervisor.keepRunning();
  if (wanted === 'stopped') await instance.supervisor.stop();
}
