import { join } from 'node:path';
import { fenceFile } from '#domain/fence.ts';

/** Where an instance's files are. The server owns `data`; the agent owns the rest. */
export type InstanceLayout = ReturnType<typeof instanceLayout>;

export function instanceLayout(directory: string) {
  const configuration = join(directory, 'conf');
  const data = join(directory, 'data');
  return {
    directory,
    data,
    standbySignal: join(data, 'standby.signal'),
    recoverySignal: join(data, 'recovery.signal'),
    /** A data directory in the making: complete only once it is renamed to `data`. */
    unfinishedData: join(directory, 'data.new'),
    configuration,
    configFile: join(configuration, 'postgresql.conf'),
    hbaFile: join(configuration, 'pg_hba.conf'),
    identFile: join(configuration, 'pg_ident.conf'),
    passwordFile: join(configuration, 'pgpass'),
    /** Holds the superuser's password while initdb runs. */
    initialPasswordFile: join(configuration, 'initial-password'),
    /** Holds the same for pg_rewind. */
    rewindPasswordFile: join(configuration, 'pgpass-rewind'),
    /** The program besides the server that works on the files now. */
    programFile: join(directory, 'program.json'),
    secretsFile: join(directory, 'secrets.json'),
    fenceFile: join(directory, fenceFile),
    stateFile: join(directory, 'state.json'),
    logFile: join(directory, 'server.log'),
  };
}
