import type { Json } from '#lib/values/json.ts';
import type { CommandCall, InstanceHost, InstanceSide } from '../../instanceSide.ts';
import type { PostgresqlCommands } from '../commands.ts';
import type { PostgresqlToolchain } from '../toolchain.ts';
import { applyAccess } from './applyAccess.ts';
import { backUp } from './backUp.ts';
import { clone } from './clone.ts';
import { demote } from './demote.ts';
import { follow } from './follow.ts';
import { followPart } from './followPart.ts';
import { initialize } from './initialize.ts';
import { lead } from './lead.ts';
import { Observer } from './observer.ts';
import { checkpoint, position } from './position.ts';
import { PostgresqlInstance } from './postgresqlInstance.ts';
import { readProbe, writeProbe } from './probe.ts';
import { promote } from './promote.ts';
import { restore } from './restore.ts';
import { resume } from './resume.ts';
import { rewind } from './rewind.ts';
import { serverFailure } from './serverFailure.ts';
import { dropSlots, ensureSlots } from './slots.ts';
import { restart, start, stop } from './startAndStop.ts';
import { awaitSynchronous, setSynchronous } from './synchronous.ts';
import { abandonTakeover, prepareTakeover } from './takeover.ts';

type Handlers = {
  [Kind in keyof PostgresqlCommands]: (
    instance: PostgresqlInstance,
    input: PostgresqlCommands[Kind]['input'],
    call: CommandCall,
  ) => Promise<PostgresqlCommands[Kind]['result']>;
};

const handlers: Handlers = {
  initialize,
  clone,
  ensureSlots,
  dropSlots,
  applyAccess,
  writeProbe,
  readProbe,
  position,
  checkpoint,
  prepareTakeover,
  abandonTakeover,
  demote,
  promote,
  follow,
  rewind,
  setSynchronous,
  awaitSynchronous,
  backUp,
  restore,
  lead,
  followPart,
  start,
  stop,
  restart,
};

const beside: ReadonlySet<string> = new Set<keyof PostgresqlCommands>([
  'position',
  'backUp',
  'readProbe',
  'writeProbe',
  'checkpoint',
  'awaitSynchronous',
]);

/** The agent's side of PostgreSQL: one server. */
export function createPostgresqlInstanceSide(host: InstanceHost, toolchain: PostgresqlToolchain): InstanceSide {
  const instance = new PostgresqlInstance(host, toolchain);
  const observer = new Observer(instance);
  return {
    commands: commandsOf(instance),
    beside,
    resume: () => resume(instance),
    observe: () => observer.observe(),
    onChange: (listener) => instance.supervisor.onChange(listener),
    stop: () => instance.supervisor.stop(),
    detach: () => {
      instance.supervisor.detach();
      observer.close();
    },
  };
}

function commandsOf(instance: PostgresqlInstance): InstanceSide['commands'] {
  const { host } = instance;
  return Object.fromEntries(
    Object.entries(handlers).map(([kind, handler]) => [
      kind,
      async (call: CommandCall): Promise<Json> => {
        await instance.keepSecrets(call.secrets);
        // The control plane's types made the payload (commands.ts); it came over an authenticated wire.
        return handler(instance, call.payload as never, call).catch((error: unknown) => {
          throw serverFailure(error, host.name) ?? error;
        });
      },
    ]),
  );
}
