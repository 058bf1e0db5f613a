/** A process with a local provider that ensures or destroys an instance when it is told to, and is killed while it does. */
import { once } from 'node:events';
import { join } from 'node:path';
import { pino } from 'pino';
import { createLocalProvider } from '#providers/local/localProvider.ts';
import type { InstanceSpec } from '#providers/provider.ts';

const [, , verb, dataDirectory = '', spec = ''] = process.argv;
const instance = JSON.parse(spec) as InstanceSpec;
const standIn = join(import.meta.dirname, 'agentStandIn.ts');

const provider = createLocalProvider({
  dataDirectory,
  agentCommand: (directory) => ({ program: process.execPath, args: [standIn, directory] }),
  controlUrlFile: join(dataDirectory, 'control-url'),
  serverUser: null,
  logger: pino({ level: 'silent' }),
});

process.send?.('ready');
await once(process, 'message');
await (verb === 'ensure' ? provider.ensureInstance(instance) : provider.destroyInstance(instance));
