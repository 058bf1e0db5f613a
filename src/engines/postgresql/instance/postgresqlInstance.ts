import { chmod, mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, type ClientConfig } from 'pg';
import { replaceFile } from '#lib/files/replaceFile.ts';
import { syncPath } from '#lib/files/syncPath.ts';
import { disownStalePid, runningPostmaster } from '#lib/postgres/postmaster.ts';
import { type CommandCall, CommandFailure, type InstanceHost } from '../../instanceSide.ts';
import { ServerEnded, type ServerLaunch, ServerSupervisor } from '../../serverSupervisor.ts';
import { adminRole, replicatorRole } from '../roles.ts';
import type { PostgresqlToolchain } from '../toolchain.ts';
import { accessRules, noAccess } from './accessRules.ts';
import { type InstanceLayout, instanceLayout } from './instanceLayout.ts';
import { type InstanceState, readInstanceState, readSecrets, writeInstanceState } from './instanceState.ts';
import { serverSettings } from './serverSettings.ts';

const connectMs = 5000;
/** A start that takes longer replays WAL. */
const recoveringAfterMs = 2000;

const wayOutOfReplica = 'Let it be copied anew from its primary (rejoinInstance), or drop it and add another.';
const wayOutOfPrimary =
  'If it is the primary, promote a replica (promoteInstance with FAILOVER; where failover is automatic, Grove does), and it is copied anew; without a replica, restore a backup.';

/** One PostgreSQL server: what is wanted of it, its files and its process. The commands work through this. */
export class PostgresqlInstance {
  readonly host: InstanceHost;
  readonly layout: InstanceLayout;
  readonly supervisor: ServerSupervisor;
  readonly #toolchain: PostgresqlToolchain;
  #state: InstanceState | null = null;
  /** SHA-256 of the part whose data it has. Only this agent knows: nothing has made them durable yet. */
  restoredPart: string | null = null;
  #secrets: Record<string, string> | null = null;
  #keeping: Promise<void> = Promise.resolve();

  constructor(host: InstanceHost, toolchain: PostgresqlToolchain) {
    this.host = host;
    this.layout = instanceLayout(host.directory);
    this.#toolchain = toolchain;
    this.supervisor = new ServerSupervisor({
      prepare: () => this.#prepare(),
      findRunning: async () => (await runningPostmaster(this.layout.data))?.pid ?? null,
      isReady: async (pid) => {
        const postmaster = await runningPostmaster(this.layout.data);
        return postmaster?.pid === pid && postmaster.ready;
      },
      stopSignals: [
        { signal: 'SIGINT', waitMs: 60_000 },
        { signal: 'SIGQUIT', waitMs: 10_000 },
        { signal: 'SIGKILL', waitMs: 5000 },
      ],
      logFile: this.layout.logFile,
      serverUser: host.serverUser,
      logger: host.logger,
    });
  }

  async state(): Promise<InstanceState> {
    this.#state ??= await readInstanceState(this.layout.stateFile);
    return this.#state;
  }

  async changeState(change: Partial<InstanceState>): Promise<void> {
    const state = { ...(await this.state()), ...change };
    await writeInstanceState(this.layout.stateFile, state);
    this.#state = state;
  }

  /** As changeState, but a later agent will not know of it. */
  async assumeState(change: Partial<InstanceState>): Promise<void> {
    this.#state = { ...(await this.state()), ...change };
  }

  /** From now on it is what a later agent would find. */
  forgetAssumptions(): void {
    this.#state = null;
    this.restoredPart = null;
  }

  /** Keeps the secrets that a command brought, so that the server can be watched and started again without the control plane. */
  keepSecrets(secrets: Record<string, string>): Promise<void> {
    // One after another: commands may run beside each other, and the file has one writer at a time.
    this.#keeping = this.#keeping.catch(() => {}).then(() => this.#keepSecrets(secrets));
    return this.#keeping;
  }

  async #keepSecrets(secrets: Record<string, string>): Promise<void> {
    const known = await this.#knownSecrets();
    if (Object.entries(secrets).every(([name, value]) => known[name] === value)) return;
    this.#secrets = { ...known, ...secrets };
    await replaceFile(this.layout.secretsFile, `${JSON.stringify(this.#secrets)}\n`);
  }

  async secret(name: string): Promise<string> {
    const secret = (await this.#knownSecrets())[name];
    if (secret === undefined) {
      throw new CommandFailure('SECRET_MISSING', `Instance ${this.host.name} was not given the secret "${name}".`);
    }
    return secret;
  }

  async exists(): Promise<boolean> {
    return isPresent(join(this.layout.data, 'PG_VERSION'));
  }

  /** Whether the data directory is a replica's. */
  async isStandby(): Promise<boolean> {
    return isPresent(this.layout.standbySignal);
  }

  /** Makes the data directory a replica's, for good: no start of its server accepts writes from now on. */
  async makeStandby(): Promise<void> {
    await replaceFile(this.layout.standbySignal, '', { owner: this.host.serverUser, durable: true });
  }

  /** True while the instance may not accept writes, whatever its state says. */
  async isFenced(): Promise<boolean> {
    return isPresent(this.layout.fenceFile);
  }

  async liftFence(): Promise<void> {
    await rm(this.layout.fenceFile, { force: true });
    await syncPath(this.layout.directory);
  }

  /** Whether the data directory waits for the end of an archive recovery. */
  async isRecovering(): Promise<boolean> {
    return isPresent(this.layout.recoverySignal);
  }

  /** The path of a program of the instance's PostgreSQL version. */
  program(name: 'initdb' | 'postgres' | 'pg_rewind'): string {
    const directory = this.#toolchain.binDirectory(this.host.engineVersion);
    if (directory !== null) return join(directory, name);
    const version = this.#toolchain.versions().find((known) => known.version === this.host.engineVersion);
    throw new CommandFailure(
      'VERSION_UNAVAILABLE',
      version?.unavailableReason ?? `PostgreSQL ${this.host.engineVersion} is not known to this release.`,
    );
  }

  /** Starts the server if it does not run, and waits until it accepts sessions; when the signal aborts it goes on without. */
  async ensureServing(call: Pick<CommandCall, 'signal' | 'progress'>): Promise<void> {
    await this.#comesUp(call, () => this.supervisor.ensureRunning(call));
  }

  /** The server has ended in order and accepts sessions again: for how long it was away, in milliseconds. Null: it did not run. */
  async restartServer(call: Pick<CommandCall, 'signal' | 'progress'>): Promise<number | null> {
    return await this.#comesUp(call, () => this.supervisor.restart(call));
  }

  /** Refuses a command where there is no server yet. */
  async assertInitialized(): Promise<void> {
    if ((await this.state()).wanted === 'none') {
      throw new CommandFailure('NOT_INITIALIZED', `Instance ${this.host.name} has no database server yet.`);
    }
    await this.#assertDataThere();
  }

  /** Work with one session of the superuser. */
  async withAdmin<T>(work: (client: Client) => Promise<T>, config: ClientConfig = {}): Promise<T> {
    const client = await this.adminClient(config);
    try {
      return await work(client);
    } finally {
      // Not awaited: node-postgres may wait for ever for the end of a session that was lost.
      void client.end().catch(() => {});
    }
  }

  async adminClient(config: ClientConfig = {}): Promise<Client> {
    const client = new Client({
      host: this.host.address,
      port: this.host.port,
      user: adminRole,
      password: await this.secret(adminRole),
      database: 'postgres',
      application_name: 'grove-agent',
      connectionTimeoutMillis: connectMs,
      options: '-c TimeZone=UTC',
      ...config,
    });
    // Without a listener the loss of an idle session would end the agent.
    client.on('error', (error) => this.host.logger.debug({ err: error }, 'lost a session with the server'));
    await client.connect();
    return client;
  }

  /** Writes every file that the server reads besides its data. */
  async writeConfiguration(): Promise<void> {
    const { layout, host } = this;
    const { upstream, access, synchronousStandbys = [], recovering } = await this.state();
    await mkdir(layout.configuration, { recursive: true });
    // The agent's, so that the server cannot put other files in place of these; only their contents are the server's to read.
    await chmod(layout.configuration, 0o755);
    const owner = host.serverUser;
    const settings = serverSettings({ ...host, layout, upstream, synchronousStandbys, recovering });
    await replaceFile(layout.configFile, settings, { owner });
    await replaceFile(layout.hbaFile, recovering ? noAccess : accessRules(access), { owner });
    await replaceFile(layout.identFile, '', { owner });
    if (upstream !== null) await replaceFile(layout.passwordFile, await this.#passwordLine(), { owner });
  }

  async #comesUp<T>({ progress }: Pick<CommandCall, 'progress'>, bringUp: () => Promise<T>): Promise<T> {
    if ((await this.state()).wanted !== 'running') {
      throw new CommandFailure(
        'STOPPED',
        `The server of ${this.host.name} was stopped on purpose. Let it follow the primary again with rejoinInstance.`,
      );
    }
    const recovering = setTimeout(() => progress('recovering: the server accepts no sessions yet'), recoveringAfterMs);
    try {
      return await bringUp();
    } catch (error) {
      if (!(error instanceof ServerEnded)) throw error;
      throw new CommandFailure(
        'SERVER_START_FAILED',
        `The server of ${this.host.name} does not start: ${error.message}`,
        { retryable: true, cause: error },
      );
    } finally {
      clearTimeout(recovering);
    }
  }

  /** A missing data directory would look as if the program were missing: both are ENOENT to whoever starts it. */
  async #assertDataThere(): Promise<void> {
    if (await this.exists()) return;
    const { upstream } = await this.state();
    const wayOut = upstream === null ? wayOutOfPrimary : wayOutOfReplica;
    throw new CommandFailure('DATA_GONE', `The data directory of instance ${this.host.name} is missing. ${wayOut}`);
  }

  async #prepare(): Promise<ServerLaunch> {
    await this.#assertDataThere();
    if ((await this.isFenced()) && !(await this.isStandby())) {
      const why = `${this.host.name} was fenced off: another instance may be the primary by now. It has to join as a replica first.`;
      throw new CommandFailure('FENCED', why);
    }
    await disownStalePid(this.layout.data);
    await this.writeConfiguration();
    return {
      program: this.program('postgres'),
      args: ['-D', this.layout.data, '-c', `config_file=${this.layout.configFile}`],
      cwd: this.layout.data,
      env: { ...this.host.environment, LC_ALL: 'C' },
    };
  }

  async #passwordLine(): Promise<string> {
    const password = (await this.secret(replicatorRole)).replaceAll(/[\\:]/g, '\\$&');
    return `*:*:*:${replicatorRole}:${password}\n`;
  }

  async #knownSecrets(): Promise<Record<string, string>> {
    this.#secrets ??= await readSecrets(this.layout.secretsFile);
    return this.#secrets;
  }
}

async function isPresent(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
