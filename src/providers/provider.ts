import type { InstanceSize, NetworkFacts } from '#domain/facts.ts';

/** What a provider is asked to make. */
export type InstanceSpec = {
  projectName: string;
  clusterId: string;
  clusterName: string;
  instanceId: string;
  instanceName: string;
  size: InstanceSize;
  engine: string;
  engineVersion: string;
  /** The engine's standard port: used where each instance has an address of its own. */
  standardPort: number;
  /** What the instance's agent signs in with. Written where only the agent can read it. */
  agentToken: string;
};

/** Where an instance can be reached. */
export type InstancePlace = { address: string; port: number; dnsName: string };

/** `running`: its agent runs. `stopped`: it exists, nothing runs. `unknown`: the provider cannot tell. */
export type InstancePresence = 'running' | 'stopped' | 'absent' | 'unknown';

export type InstanceRef = { clusterId: string; instanceId: string };

/**
 * Where instances come from. Every call is safe to repeat: "ensure" makes what is absent and leaves what is there, "destroy"
 * of what is gone succeeds. A call that cannot be done throws a ProviderError.
 */
export interface Provider {
  readonly name: string;
  /** The group's common network, made if absent. The same answer each time for the same cluster. */
  ensureNetwork(clusterId: string): Promise<NetworkFacts>;
  /** Volume, address, DNS name and a running agent. Does not wait for the agent to connect. */
  ensureInstance(spec: InstanceSpec): Promise<InstancePlace>;
  inspect(instance: InstanceRef): Promise<InstancePresence>;
  /**
   * Stops agent and server, whatever the agent says. On return nothing of the instance runs. `fence`: whoever starts its agent again,
   * also a reboot of its host, its server takes no writes before it has become a replica (domain/fence.ts).
   */
  stopInstance(instance: InstanceRef, options?: { fence?: boolean }): Promise<void>;
  /** Runs the agent of an existing instance again (after a stop, a crash or a reboot of its host). `liftFence`: takes a fence back. */
  startInstance(instance: InstanceRef, options?: { liftFence?: boolean }): Promise<void>;
  /** Process, volume, address, DNS name: gone on return. */
  destroyInstance(instance: InstanceRef): Promise<void>;
  /** The group's network and all that is left of the cluster: gone on return. */
  destroyNetwork(clusterId: string): Promise<void>;
}

/** A provider could not do what it was asked. `retryable`: trying again may help. */
export class ProviderError extends Error {
  readonly retryable: boolean;
  constructor(message: string, { retryable, cause }: { retryable: boolean; cause?: unknown }) {
    super(message, { cause });
    this.retryable = retryable;
  }
}
