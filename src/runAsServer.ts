import { createLogger } from '#lib/logger.ts';
import { type App, type Mode, startApp } from './app.ts';
import { loadConfig } from './config.ts';

/** How long an orderly stop may take before the process ends anyway, in milliseconds. */
const longestStopMs = 8000;

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
  const stopped = stopRequest();
  const app = await startApp(config, mode, logger);
  if (!stopped.isRequested) welcome(app);
  const signal = await stopped.requested;
  logger.info({ signal }, 'stopping; clusters go on running');
  setTimeout(() => {
    logger.error('could not stop in order in time');
    exit(1);
  }, longestStopMs).unref();
  await app.close();
  logger.info('stopped');
}

function stopRequest() {
  const state = { isRequested: false, requested: Promise.resolve('') };
  state.requested = new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        state.isRequested = true;
        resolve(signal);
      });
    }
  });
  return state;
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
