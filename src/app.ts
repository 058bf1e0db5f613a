import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { authenticate } from '#auth/authenticate.ts';
import { defaultProjectName, ensureDefaultProject } from '#auth/ensureDefaultProject.ts';
import { openBackupStore } from '#backups/openBackupStore.ts';
import type { StoreSettings } from '#backups/storeSettings.ts';
import { createEngines } from '#engines/engines.ts';
import { findPostgresqlToolchain } from '#engines/postgresql/toolchain.ts';
import type { Bus } from '#events/bus.ts';
import { createFeed } from '#events/feed.ts';
import { createInProcessBus } from '#events/inProcessBus.ts';
import { createRedisBus } from '#events/redisBus.ts';
import { createAgentChannel } from '#fleet/agentChannel.ts';
import { createAgentGateway } from '#fleet/gateway.ts';
import { createObservationIntake } from '#fleet/observations.ts';
import { eventAsJson } from '#graphql/eventAsJson.ts';
import { buildSchema } from '#graphql/schema.ts';
import { createJobs } from '#jobs/jobs.ts';
import { StartupError } from '#lib/faults/startupError.ts';
import { type Closers, createClosers } from '#lib/flow/closers.ts';
import { type ServerUser, serverUser } from '#lib/host/serverUser.ts';
import type { Logger } from '#lib/log/logger.ts';
import { embeddedPostgresBinaries } from '#lib/postgres/embeddedPostgresBinaries.ts';
import { keptSecret, writePrivately } from '#lib/secrets/keptSecret.ts';
import { createSecretBox } from '#lib/secrets/secretBox.ts';
import { systemClock } from '#lib/time/clock.ts';
import { startMonitors } from '#monitors/startMonitors.ts';
import type { OperationDeps, OperationTiming } from '#operations/deps.ts';
import { runOperation } from '#operations/runOperation.ts';
import { settleCluster } from '#operations/settleCluster.ts';
import { takeScheduledBackup } from '#operations/takeScheduledBackup.ts';
import { createLocalProvider } from '#providers/local/localProvider.ts';
import type { Provider } from '#providers/provider.ts';
import { createServer } from '#server/server.ts';
import { defaultDataDirectory, openDataDirectory } from '#store/dataDirectory.ts';
import { openStore, type Store } from '#store/openStore.ts';
import { startDeliveries } from '#webhooks/startDeliveries.ts';
import { agentCommand } from './agentCommand.ts';
import type { Config } from './config.ts';

/** `all`: everything in one process. `api`: server and agents' gateway. `worker`: operations, monitors and webhooks. */
export type Mode = 'all' | 'api' | 'worker';

export type App = {
  /** Where the API is. Null: this process serves none. */
  url: string | null;
  /** The file with the first ADMIN key. Null: it was made elsewhere. */
  adminKeyFile: string | null;
  dataDirectory: string;
  /** Stops in order; clusters go on running. */
  close(): Promise<void>;
};

const operationTiming: OperationTiming = {
  cancelGraceMs: 20_000,
  stepRetryMs: 1000,
  stepAttempts: 4,
  agentHangsMs: 20_000,
  agentSilentMs: 60_000,
};

type Starting = { config: Config; mode: Mode; logger: Logger; closers: Closers };

/** Builds everything once and starts it. On a failure, what was started is stopped again. */
export async function startApp(config: Config, mode: Mode, logger: Logger): Promise<App> {
  const closers = createClosers((name, error) => logger.warn({ err: error }, `${name} could not be closed in order`));
  try {
    return await start({ config, mode, logger, closers });
  } catch (error) {
    await closers.closeAll();
    throw error;
  }
}

async function start(starting: Starting): Promise<App> {
  const { config, mode, closers } = starting;
  requireSharedSettings(config, mode);
  const ground = await takeGround(starting);
  const { dataDirectory } = ground;
  const backups = config.backupStore ?? localBackups(dataDirectory);
  const { looks, ...shared } = await openSharedState(starting, ground);
  const operations = await buildOperations(starting, ground, { ...shared, backups });
  const adminKeyFile = await ensureFirstKey(operations, dataDirectory);
  const url = mode === 'worker' ? null : await serve(starting, operations, { ...backups, looks });
  const ownUrl = url ?? `http://${config.host}:${config.port}`;
  const controlUrls = config.controlUrls ?? [ownUrl.replace(/^http/, 'ws')];
  if (mode !== 'api') await writePrivately(ground.controlUrlFile, `${controlUrls.join('\n')}\n`);
  if (mode !== 'api') await work(starting, operations);
  return { url, adminKeyFile, dataDirectory, close: () => closers.closeAll() };
}

/** Where this process keeps its files, and as whom it runs servers. */
type Ground = { dataDirectory: string; toolsDirectory: string; controlUrlFile: string; serverUser: ServerUser | null };

async function takeGround(starting: Starting): Promise<Ground> {
  const user = serverUser();
  const dataDirectory = await takeDataDirectory(starting, user);
  return {
    dataDirectory,
    toolsDirectory: join(dataDirectory, 'tools'),
    controlUrlFile: join(dataDirectory, 'control-url'),
    serverUser: user,
  };
}

type Shared = Pick<OperationDeps, 'db' | 'bus' | 'jobs'>;

async function buildOperations(
  starting: Starting,
  ground: Ground,
  { backups, ...shared }: Shared & { backups: StoreSettings },
): Promise<OperationDeps> {
  const { config, logger } = starting;
  const toolchain = await findPostgresqlToolchain({
    configuredDirectories: config.postgresqlBin,
    searchPath: config.path,
    ...binariesOn(ground),
  });
  const local = localProvider(starting, ground);
  const startedAt = systemClock.now();
  return {
    ...shared,
    ...{ logger, clock: systemClock },
    engines: createEngines({ postgresql: toolchain }),
    providers: { local },
    defaultProvider: local.name,
    agents: createAgentChannel({ ...shared, clock: systemClock, logger }),
    backups: { store: openBackupStore(backups), place: backups.place },
    secrets: createSecretBox(config.secretKey ?? (await localSecretKey(ground.dataDirectory))),
    silence: () => ({ now: systemClock.now(), leaseMs: config.agentLeaseMs, listeningSince: startedAt }),
    quotaDefaults: config.quotaDefaults,
    workerId: `${hostname()}/${process.pid}/${randomUUID()}`,
    webhookNetworks: config.webhookNetworks,
    timing: operationTiming,
  };
}

/** What processes share: the store, the bus that wakes them, the jobs. */
async function openSharedState(starting: Starting, ground: Ground): Promise<Shared & Pick<Store, 'looks'>> {
  const { config, logger, closers } = starting;
  const { databaseUrl } = config;
  const binDirectory = databaseUrl === null ? await embeddedPostgresBinaries(binariesOn(ground)) : null;
  const { dataDirectory, serverUser } = ground;
  const store = await openStore({ databaseUrl, dataDirectory, binDirectory, serverUser, logger });
  closers.add('the store', () => store.close());
  const bus = await openBus(starting);
  const jobs = await createJobs({ url: store.url, logger, concurrency: config.operationsAtOnce });
  closers.add('the job queue', () => jobs.stop());
  return { db: store.db, looks: store.looks, bus, jobs };
}

const binariesOn = ({ serverUser, toolsDirectory }: Ground) => ({ serverUser, reachableCopyIn: toolsDirectory });

function localProvider({ config, logger }: Starting, ground: Ground): Provider {
  const { dataDirectory, toolsDirectory, controlUrlFile, serverUser } = ground;
  return createLocalProvider({
    dataDirectory,
    networkPool: config.networkPool,
    agentCommand: agentCommand({ config, dataDirectory, toolsDirectory }),
    controlUrlFile,
    serverUser,
    logger,
  });
}

/** Processes that share a store must share what one process keeps in its data directory. */
function requireSharedSettings({ databaseUrl, secretKey }: Config, mode: Mode): void {
  if (mode === 'all') return;
  if (databaseUrl === null)
    throw new StartupError(`grove ${mode} needs DATABASE_URL: its processes share one PostgreSQL.`);
  if (secretKey === null) {
    throw new StartupError(
      `grove ${mode} needs GROVE_SECRET_KEY, the same for every process: openssl rand -base64 32 makes one.`,
    );
  }
}

/** Only a process that runs machines takes the directory for itself; any number that do not may share one. */
async function takeDataDirectory({ config, mode, closers }: Starting, user: ServerUser | null): Promise<string> {
  const path = config.dataDirectory ?? (await defaultDataDirectory(config.workingDirectory, user));
  if (mode === 'api') {
    await mkdir(path, { recursive: true, mode: 0o700 });
    return path;
  }
  const directory = await openDataDirectory(path, user);
  closers.add('the data directory', () => directory.release());
  return directory.path;
}

async function openBus({ config, logger, closers }: Starting): Promise<Bus> {
  const bus = config.redisUrl === null ? createInProcessBus() : await createRedisBus({ url: config.redisUrl, logger });
  closers.add('the bus', () => bus.close());
  return bus;
}

function localBackups(dataDirectory: string): StoreSettings {
  return { place: { kind: 'DIRECTORY', path: join(dataDirectory, 'backups') }, credentials: null };
}

async function localSecretKey(dataDirectory: string): Promise<Uint8Array> {
  return new Uint8Array(Buffer.from(await keptSecret(join(dataDirectory, 'secret.key'), 32), 'base64'));
}

/** The file with this store's first ADMIN key. A key of another store that lies in the directory is never overwritten. */
async function ensureFirstKey(operations: OperationDeps, dataDirectory: string): Promise<string | null> {
  const files = ['admin.key', 'admin-2.key', 'admin-3.key'].map((name) => join(dataDirectory, name));
  await ensureDefaultProject(operations.db, async (plainKey) => {
    const file = files.find((candidate) => !existsSync(candidate));
    if (file === undefined) throw new StartupError(`${files.join(', ')} hold keys of other stores. Move them away.`);
    await writePrivately(file, `${plainKey}\n`).catch((error: NodeJS.ErrnoException) => {
      throw new StartupError(
        `The first ADMIN key cannot be written to ${file}: ${error.code}. Make the directory writable.`,
      );
    });
    operations.logger.info({ file }, `made project "${defaultProjectName}" and its first ADMIN key`);
  });
  for (const file of files) {
    const key = await readFile(file, 'utf8').catch(() => null);
    if (key !== null && (await authenticate(operations, key.trim()))) return file;
  }
  return null;
}

/** Server, feed and the agents' gateway. Returns the server's URL. */
async function serve(
  { config, logger, closers }: Starting,
  operations: OperationDeps,
  { credentials, looks }: StoreSettings & Pick<Store, 'looks'>,
): Promise<string> {
  const { db, bus, clock } = operations;
  const observations = createObservationIntake({
    db,
    bus,
    clock,
    logger,
    onInstanceChanged: (clusterId) => settleCluster(operations, clusterId),
  });
  closers.add('the observations', () => observations.close());
  const storeCredentials = credentials === null ? null : JSON.stringify(credentials);
  const { secrets } = operations;
  const gateway = createAgentGateway({ db, bus, clock, logger, secrets, storeCredentials, observations });
  closers.add("the agents' gateway", () => gateway.close());
  const feed = await createFeed({ db: looks, bus, clock, logger });
  const server = createServer({ schema: buildSchema(), operations, feed, gateway, looks, config });
  closers.add('the server', () => server.close());
  const { url } = await server.listen();
  return url;
}

/** Operations, monitors and webhooks. */
async function work({ config, closers }: Starting, operations: OperationDeps): Promise<void> {
  const soleProcess = config.databaseUrl === null;
  const stopping = new AbortController();
  if (soleProcess) await operations.jobs.reclaim();
  await operations.jobs.workOperations(({ operationId }, signal) =>
    runOperation(operations, operationId, AbortSignal.any([signal, stopping.signal])),
  );
  await operations.jobs.workBackups((job, attempt) => takeScheduledBackup(operations, job.clusterId, attempt));
  closers.add('the operations', () => stopping.abort());
  const monitors = startMonitors(operations, { soleProcess, retention: config.eventRetention });
  closers.add('the monitors', () => monitors.close());
  const deliveries = await startDeliveries({ ...operations, describe: eventAsJson }, { soleProcess });
  closers.add('the webhooks', () => deliveries.close());
}
