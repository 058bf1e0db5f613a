import { realpath, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentAssignment } from '#agent/protocol.ts';
import type { NetworkFacts } from '#domain/facts.ts';
import { fenceFile } from '#domain/fence.ts';
import { systemFault } from '#lib/faults/systemFault.ts';
import { replaceFile } from '#lib/files/replaceFile.ts';
import type { ServerUser } from '#lib/host/serverUser.ts';
import type { Logger } from '#lib/log/logger.ts';
import {
  type InstancePlace,
  type InstancePresence,
  type InstanceRef,
  type InstanceSpec,
  type Provider,
  ProviderError,
} from '#providers/provider.ts';
import { type AgentProcesses, type AgentProgram, createAgentProcesses } from './agentProcess.ts';
import { ensureDirectory, listNames, readText } from './files.ts';
import { writeHostsFile } from './hostsFile.ts';
import { instanceProcesses } from './instanceProcesses.ts';
import { createKeyedQueue } from './keyedQueue.ts';
import { createLayout, isId, type Layout } from './layout.ts';
import { createNetworks, type Networks } from './networks.ts';
import { createPlaces, type Places } from './places.ts';
import { listProcesses, type ProcessEntry } from './processTable.ts';
import { stopAgent, stopProcesses } from './stopProcesses.ts';

export type LocalProviderOptions = {
  /** Holds all that the provider makes. */
  dataDirectory: string;
  /** Loopback addresses to share out among the clusters, in CIDR notation. Used on Linux only. */
  networkPool?: string;
  /** How the agent of the instance in this directory is run. Its environment is passed on to what it starts. */
  agentCommand(instanceDirectory: string): AgentProgram;
  /** File that holds the control plane's WebSocket URL for agents. */
  controlUrlFile: string;
  /** The user that database servers run as. Null: this process's own. */
  serverUser: ServerUser | null;
  logger: Logger;
  platform?: NodeJS.Platform;
};

/**
 * Instances as processes of this host, detached, so that they survive Grove. Each one's directory is the record of what it is:
 * every call can be killed between any two lines, and the next ensure or destroy puts it right.
 */
export function createLocalProvider(options: LocalProviderOptions): Provider {
  return new LocalProvider(options);
}

class LocalProvider implements Provider {
  readonly name = 'local';
  readonly #options: LocalProviderOptions;
  readonly #layout: Layout;
  readonly #networks: Networks;
  readonly #places: Places;
  readonly #agents: AgentProcesses;
  readonly #inTurn = createKeyedQueue();

  constructor(options: LocalProviderOptions) {
    const { dataDirectory, networkPool = '127.64.0.0/10', serverUser, platform = process.platform } = options;
    const layout = createLayout(dataDirectory);
    this.#options = options;
    this.#layout = layout;
    // Only Linux answers on the whole of 127.0.0.0/8 without being set up for it.
    this.#networks = createNetworks({ layout, pool: platform === 'linux' ? networkPool : null, serverUser });
    this.#places = createPlaces(layout);
    const processesOf = (instance: InstanceRef) => this.#processesOf(instance);
    this.#agents = createAgentProcesses({ layout, agentCommand: options.agentCommand, processesOf });
  }

  ensureNetwork(clusterId: string): Promise<NetworkFacts> {
    return asProvider(clusterOf(clusterId), () => this.#networkOf(clusterId));
  }

  ensureInstance(spec: InstanceSpec): Promise<InstancePlace> {
    return asProvider(`Instance ${spec.instanceName}`, async () => {
      // Outside the instance's turn: destroyNetwork takes the turns the other way round.
      const network = await this.#networkOf(spec.clusterId);
      return this.#inTurn(keyOf(spec), () => this.#ensure(spec, network));
    });
  }

  inspect(instance: InstanceRef): Promise<InstancePresence> {
    return asProvider(instanceOf(instance), () => this.#inspect(instance));
  }

  stopInstance(instance: InstanceRef, { fence = false }: { fence?: boolean } = {}): Promise<void> {
    return asProvider(instanceOf(instance), () =>
      // Who is fenced gets no time: as long as it runs, it may take writes.
      this.#inTurn(keyOf(instance), () => this.#stop(instance, { grace: !fence, fence })),
    );
  }

  startInstance(instance: InstanceRef, options: { liftFence?: boolean } = {}): Promise<void> {
    return asProvider(instanceOf(instance), () => this.#inTurn(keyOf(instance), () => this.#start(instance, options)));
  }

  destroyInstance(instance: InstanceRef): Promise<void> {
    return asProvider(instanceOf(instance), () => this.#inTurn(keyOf(instance), () => this.#destroy(instance)));
  }

  destroyNetwork(clusterId: string): Promise<void> {
    return asProvider(clusterOf(clusterId), () => this.#inTurn(clusterId, () => this.#destroyAll(clusterId)));
  }

  #networkOf(clusterId: string): Promise<NetworkFacts> {
    return this.#inTurn(clusterId, () => this.#networks.ensure(clusterId));
  }

  #updateNames(): Promise<void> {
    return this.#inTurn('hosts', () => writeHostsFile(this.#layout));
  }

  async #processesOf(instance: InstanceRef): Promise<ProcessEntry[]> {
    const { serverUser } = this.#options;
    const { directory } = this.#layout.instance(instance);
    const owner = {
      instanceId: instance.instanceId,
      directory: await realpath(directory).catch(() => directory),
      uids: [process.getuid?.() ?? -1, ...(serverUser === null ? [] : [serverUser.uid])],
    };
    return instanceProcesses(await listProcesses(), owner, process.pid);
  }

  async #ensure(spec: InstanceSpec, network: NetworkFacts): Promise<InstancePlace> {
    const { directory, assignmentFile } = this.#layout.instance(spec);
    await ensureDirectory(directory, 0o711);
    const place = await this.#places.ensure(spec, network);
    const assignment = JSON.stringify(assignmentOf(spec, place, this.#options), null, 2);
    if ((await readText(assignmentFile)) !== assignment) await replaceFile(assignmentFile, assignment);
    await this.#updateNames();
    await this.#agents.ensure(spec);
    return place;
  }

  async #start(instance: InstanceRef, { liftFence = false }: { liftFence?: boolean }): Promise<void> {
    const { assignmentFile, directory } = this.#layout.instance(instance);
    if ((await readText(assignmentFile)) === null) {
      const missing = `The directory of instance ${instance.instanceId} is missing on this host, or what it was made as.`;
      throw new ProviderError(`${missing} It cannot be started: drop it and add another.`, { retryable: false });
    }
    if (liftFence) await rm(join(directory, fenceFile), { force: true });
    await this.#agents.ensure(instance);
  }

  async #stop(instance: InstanceRef, { grace, fence }: { grace: boolean; fence: boolean }): Promise<void> {
    const { directory, pidFile } = this.#layout.instance(instance);
    // Before the stop: an agent that somebody starts meanwhile finds it.
    if (fence) await raiseFence(directory);
    const agent = await this.#agents.find(instance);
    if (agent !== null) await stopAgent(agent, { grace });
    await stopProcesses(() => this.#processesOf(instance), `instance ${instance.instanceId}`);
    await rm(pidFile, { force: true });
  }

  async #destroy(instance: InstanceRef): Promise<void> {
    await this.#stop(instance, { grace: false, fence: false });
    await this.#places.release(instance);
    await rm(this.#layout.instance(instance).directory, { recursive: true, force: true, maxRetries: 3 });
    await this.#updateNames();
  }

  async #destroyAll(clusterId: string): Promise<void> {
    const { directory } = this.#layout.cluster(clusterId);
    const instanceIds = (await listNames(directory)).filter(isId);
    await Promise.all(
      instanceIds.map((instanceId) => {
        const instance = { clusterId, instanceId };
        return this.#inTurn(keyOf(instance), () => this.#destroy(instance));
      }),
    );
    await this.#networks.release(clusterId);
    await rm(directory, { recursive: true, force: true, maxRetries: 3 });
    await this.#updateNames();
  }

  async #inspect(instance: InstanceRef): Promise<InstancePresence> {
    try {
      await stat(this.#layout.instance(instance).directory);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'absent';
      const { logger } = this.#options;
      logger.warn({ err: error, instanceId: instance.instanceId }, 'could not look at an instance');
      return 'unknown';
    }
    return (await this.#agents.find(instance)) === null ? 'stopped' : 'running';
  }
}

function assignmentOf(
  spec: InstanceSpec,
  { address, port }: InstancePlace,
  { controlUrlFile, serverUser }: LocalProviderOptions,
): AgentAssignment {
  const { instanceId, clusterId, instanceName: name, engine, engineVersion, size, agentToken: token } = spec;
  return { instanceId, clusterId, name, engine, engineVersion, address, port, size, token, controlUrlFile, serverUser };
}

/** Where there is no directory, nothing can start either. */
async function raiseFence(directory: string): Promise<void> {
  if (!(await isDirectory(directory))) return;
  await replaceFile(join(directory, fenceFile), '', { mode: 0o644, durable: true });
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    // Whatever else it is, there may be one.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

const keyOf = ({ clusterId, instanceId }: InstanceRef) => `${clusterId}/${instanceId}`;
const instanceOf = ({ instanceId }: InstanceRef) => `Instance ${instanceId}`;
const clusterOf = (clusterId: string) => `Cluster ${clusterId}`;

/** What the system refuses (a full disk, a missing right) may be put right by a person: worth another try. A bug is not. */
async function asProvider<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const fault = systemFault(error);
    if (fault === null) throw error;
    throw new ProviderError(`${what}: the host refused: ${fault.message}.`, { retryable: true, cause: error });
  }
}
