import { createLogger, type Logger } from '#lib/log/logger.ts';
import { type App, type Mode, startApp } from './app.ts';
import { loadConfig } from './config.ts';

/** How long an orderly stop may take before the process ends anyway, in milliseconds. */
const longestStopMs = 4500;

type Host = {
  environment: NodeJS.ProcessEnv;
  workingDirectory: string;
  /** Ends the process at once. */
  exit(code: number): void;
};

/** Runs Grove until the process is told to stop. */
export async function runAsServer(mode: Mode, { environment, workingDirectory, exit }: Host): Promise<void> {
  const config = loadConfig(environment, workingDirectory);
  const logger = createLogger({ level: config.logLevel, pretty: process.stderr.isTTY === true });
  const stopping = stopRequest(logger, exit);
  const app = await startApp(config, mode, logger);
  if (!stopping.isRequested()) welcome(app);
  await stopping.requested;
  await app.close();
  logger.info('stopped');
}

/** The first signal asks for an orderly stop and bounds it, also while Grove is starting; the second ends it at once. */
function stopRequest(logger: Logger, exit: Host['exit']) {
  let signals = 0;
  const requested = new Promise<void>((resolve) => {
    const onSignal = (signal: NodeJS.Signals) => {
      signals += 1;
      if (signals > 1) return exit(1);
      logger.info({ signal }, 'stopping; clusters go on running');
      setTimeout(() => {
        logger.error('could not stop in order in time');
        exit(1);
      }, longestStopMs).unref();
      resolve();
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
  return { requested, isRequested: () => signals > 0 };
}

function welcome({ url, adminKeyFile }: App): void {
  if (url === null) return void process.stdout.write('Grove worker is ready.\n');
  const key =
    adminKeyFile === null ? 'the one that the first start of this store wrote to its admin.key' : `in ${adminKeyFile}`;
  process.stdout.write(`
Grove is ready.

  API       ${url}/graphql
  GraphiQL  ${url}/graphiql
  Key       ${key}

Try this in GraphiQL:

  mutation {
    createCluster(input: { name: "orders", engine: "postgresql", instanceCount: 3 }) {
      ... on CreateClusterPayload { cluster { id status } operation { id } }
      ... on Error { code message }
    }
  }

`);
}
