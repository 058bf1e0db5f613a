import { realpath, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentAssignment } from '#agent/protocol.ts';
import type { NetworkFacts } from '#domain/facts.ts';
import { fenceFile } from '#domain/fence.ts';
import type { Logger } from '#lib/logger.ts';
import { replaceFile } from '#lib/replaceFile.ts';
import type { ServerUser } from '#lib/serverUser.ts';
import { systemFault } from '#lib/systemFault.ts';
import {
  type InstancePlace,
  type InstanceRef,
  type InstanceSpec,
  type Provider,
  ProviderError,
} from '#providers/provider.ts';
import { type AgentProgram, createAgentProcesses } from './agentProcess.ts';
import { ensureDirectory, listNames, readText } from './files.ts';
import { writeHostsFile } from './hostsFile.ts';
import { instanceProcesses } from './instanceProcesses.ts';
import { createKeyedQueue } from './keyedQueue.ts';
import { createLayout, isId } from './layout.ts';
import { createNetworks } from './networks.ts';
import { createPlaces } from './places.ts';
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
  const { dataDirectory, networkPool = '127.64.0.0/10', serverUser, logger, platform = process.platform } = options;
  const layout = createLayout(dataDirectory);
  // Only Linux answers on the whole of 127.0.0.0/8 without being set up for it.
  const networks = createNetworks({ layout, pool: platform === 'linux' ? networkPool : null, serverUser });
  const places = createPlaces(layout);
  const agents = createAgentProcesses({ layout, agentCommand: options.agentCommand, processesOf });
  const inTurn = createKeyedQueue();
  const uids = [process.getuid?.() ?? -1, ...(serverUser === null ? [] : [serverUser.uid])];

  async function processesOf(instance: InstanceRef): Promise<ProcessEntry[]> {
    const { directory } = layout.instance(instance);
    const owner = {
      instanceId: instance.instanceId,
      directory: await realpath(directory).catch(() => directory),
      uids,
    };
    return instanceProcesses(await listProcesses(), owner, process.pid);
  }

  const updateNames = () => inTurn('hosts', () => writeHostsFile(layout));

  async function ensureInstance(spec: InstanceSpec, network: NetworkFacts): Promise<InstancePlace> {
    const { directory, assignmentFile } = layout.instance(spec);
    await ensureDirectory(directory, 0o711);
    const place = await places.ensure(spec, network);
    const assignment = JSON.stringify(assignmentOf(spec, place), null, 2);
    if ((await readText(assignmentFile)) !== assignment) await replaceFile(assignmentFile, assignment);
    await updateNames();
    await agents.ensure(spec);
    return place;
  }

  function assignmentOf(spec: InstanceSpec, { address, port }: InstancePlace): AgentAssignment {
    const { instanceId, clusterId, instanceName: name, engine, engineVersion, size, agentToken: token } = spec;
    const { controlUrlFile } = options;
    return {
      instanceId,
      clusterId,
      name,
      engine,
      engineVersion,
      address,
      port,
      size,
      token,
      controlUrlFile,
      serverUser,
    };
  }

  function networkOf(clusterId: string) {
    return inTurn(clusterId, () => networks.ensure(clusterId));
  }

  async function startInstance(instance: InstanceRef, { liftFence = false }: { liftFence?: boolean }): Promise<void> {
    if ((await readText(layout.instance(instance).assignmentFile)) === null) {
      throw new ProviderError(`Instance ${instance.instanceId} does not exist on this host.`, { retryable: false });
    }
    if (liftFence) await rm(join(layout.instance(instance).directory, fenceFile), { force: true });
    await agents.ensure(instance);
  }

  async function stopInstance(
    instance: InstanceRef,
    { grace, fence = false }: { grace: boolean; fence?: boolean },
  ): Promise<void> {
    // Before the stop: an agent that somebody starts meanwhile finds it.
    if (fence) await raiseFence(layout.instance(instance).directory);
    const agent = await agents.find(instance);
    if (agent !== null) await stopAgent(agent, { grace });
    await stopProcesses(() => processesOf(instance), `instance ${instance.instanceId}`);
    await rm(layout.instance(instance).pidFile, { force: true });
  }

  async function destroyInstance(instance: InstanceRef): Promise<void> {
    await stopInstance(instance, { grace: false });
    await places.release(instance);
    await rm(layout.instance(instance).directory, { recursive: true, force: true, maxRetries: 3 });
    await updateNames();
  }

  async function destroyNetwork(clusterId: string): Promise<void> {
    const { directory } = layout.cluster(clusterId);
    const instanceIds = (await listNames(directory)).filter(isId);
    await Promise.all(
      instanceIds.map((instanceId) => {
        const instance = { clusterId, instanceId };
        return inTurn(keyOf(instance), () => destroyInstance(instance));
      }),
    );
    await networks.release(clusterId);
    await rm(directory, { recursive: true, force: true, maxRetries: 3 });
    await updateNames();
  }

  async function inspect(instance: InstanceRef) {
    try {
      await stat(layout.instance(instance).directory);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'absent';
      logger.warn({ err: error, instanceId: instance.instanceId }, 'could not look at an instance');
      return 'unknown';
    }
    return (await agents.find(instance)) === null ? 'stopped' : 'running';
  }

  return {
    name: 'local',
    ensureNetwork: (clusterId) => asProvider(clusterOf(clusterId), () => networkOf(clusterId)),
    // The network outside the instance's turn: destroyNetwork takes the turns the other way round.
    ensureInstance: (spec) =>
      asProvider(`Instance ${spec.instanceName}`, async () => {
        const network = await networkOf(spec.clusterId);
        return inTurn(keyOf(spec), () => ensureInstance(spec, network));
      }),
    inspect: (instance) => asProvider(instanceOf(instance), () => inspect(instance)),
    stopInstance: (instance, { fence = false } = {}) =>
      asProvider(instanceOf(instance), () =>
        // Who is fenced gets no time: as long as it runs, it may take writes.
        inTurn(keyOf(instance), () => stopInstance(instance, { grace: !fence, fence })),
      ),
    startInstance: (instance, options = {}) =>
      asProvider(instanceOf(instance), () => inTurn(keyOf(instance), () => startInstance(instance, options))),
    destroyInstance: (instance) =>
      asProvider(instanceOf(instance), () => inTurn(keyOf(instance), () => destroyInstance(instance))),
    destroyNetwork: (clusterId) =>
      asProvider(clusterOf(clusterId), () => inTurn(clusterId, () => destroyNetwork(clusterId))),
  };
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
