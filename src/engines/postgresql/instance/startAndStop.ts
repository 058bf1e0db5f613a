import type { CommandCall } from '../../instanceSide.ts';
import type { PostgresqlInstance } from './postgresqlInstance.ts';

/** The server runs and accepts sessions, and is kept running from now on. */
export async function start(instance: PostgresqlInstance, _input: object, call: CommandCall): Promise<null> {
  await instance.assertInitialized();
  await instance.changeState({ wanted: 'running' });
  call.progress('starting the server');
  await instance.ensureServing(call);
  return null;
}

/** The server is stopped in order, and stays so until it is started again. */
export async function stop(instance: PostgresqlInstance, _input: object, { progress }: CommandCall): Promise<null> {
  await instance.assertInitialized();
  await instance.changeState({ wanted: 'stopped' });
  progress('stopping the server');
  await instance.supervisor.stop();
  return null;
}

/** The server has stopped in order and started again. */
export async function restart(instance: PostgresqlInstance, input: object, call: CommandCall): Promise<null> {
  await instance.assertInitialized();
  call.progress('stopping the server');
  await instance.supervisor.stop();
  return start(instance, input, call);
}
