import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, type ClientConfig } from 'pg';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { openStore } from '#agent/openStore.ts';
import type { InstanceHost, InstanceSide } from '#engines/instanceSide.ts';
import type { AccessPolicy, PostgresqlCommands, ServerAddress } from '#engines/postgresql/commands.ts';
import { createPostgresqlInstanceSide } from '#engines/postgresql/instance/createPostgresqlInstanceSide.ts';
import { findPostgresqlToolchain, type PostgresqlToolchain } from '#engines/postgresql/toolchain.ts';
import { freePort } from '#lib/host/freePort.ts';
import { serverUser } from '#lib/host/serverUser.ts';
import { temporaryDirectory } from './temporaryDirectory.ts';

export const secrets = { grove_admin: 'admin-secret', grove_replicator: 'replicator:\\secret', app: "app's-secret" };
export const loopbackOnly: AccessPolicy = { clients: ['127.0.0.1/32'], peers: ['127.0.0.1/32'] };

export const toolchain: PostgresqlToolchain = await findPostgresqlToolchain({
  configuredDirectories: null,
  searchPath: '',
  serverUser: serverUser(),
  reachableCopyIn: join(tmpdir(), 'grove-test-programs'),
});

/** One database server of a test, driven as an agent would drive it. */
export type TestInstance = {
  host: InstanceHost;
  side: InstanceSide;
  address: ServerAddress;
  progress: string[];
  run<Kind extends keyof PostgresqlCommands>(
    kind: Kind,
    payload: PostgresqlCommands[Kind]['input'],
    signal?: AbortSignal,
  ): Promise<PostgresqlCommands[Kind]['result']>;
  /** Rows of a statement that a client sends. As the customer's user unless told otherwise. */
  query<Row extends object>(sql: string, config?: ClientConfig): Promise<Row[]>;
  /** The instance as a new agent finds it, after this one has let go. */
  succeed(): TestInstance;
};

/** An empty instance with a directory, an address and a port of its own. Its server is stopped when the test ends. */
export async function postgresqlInstance(
  name: string,
  version: string,
  clusterSecrets: Record<string, string> = secrets,
): Promise<TestInstance> {
  const host: InstanceHost = {
    directory: await temporaryDirectory(),
    name,
    engineVersion: version,
    address: '127.0.0.1',
    port: await freePort(),
    size: { cpuMillis: 1000, memoryMiB: 256, storageGiB: 1 },
    serverUser: serverUser(),
    environment: {},
    logger: pino({ level: 'silent' }),
  };
  return drive(host, clusterSecrets);
}

function drive(host: InstanceHost, clusterSecrets: Record<string, string>): TestInstance {
  const side = createPostgresqlInstanceSide(host, toolchain);
  onTestFinished(() => side.stop());
  const progress: string[] = [];
  return {
    host,
    side,
    address: { host: host.address, port: host.port },
    progress,
    async run(kind, payload, signal = new AbortController().signal) {
      const command = side.commands[kind];
      if (!command) throw new Error(`No command ${kind}`);
      return (await command({
        payload,
        secrets: clusterSecrets,
        openStore: () => openStore(payload, undefined),
        progress: (message) => progress.push(message),
        signal,
      })) as never;
    },
    async query<Row extends object>(sql: string, config: ClientConfig = {}) {
      const client = new Client({
        host: host.address,
        port: host.port,
        user: 'app',
        password: secrets.app,
        database: 'app',
        ...config,
      });
      client.on('error', () => {});
      await client.connect();
      try {
        return (await client.query<Row>(sql)).rows;
      } finally {
        await client.end();
      }
    },
    succeed() {
      side.detach();
      return drive(host, clusterSecrets);
    },
  };
}
