import type {
  ClusterLifecycle,
  ClusterStatus,
  FailoverMode,
  HealthLevel,
  InstanceActivity,
  InstanceRole,
  InstanceStatus,
  OperationKind,
  OperationStatus,
} from '#generated/prisma/enums.ts';
import type { Observation } from './observation.ts';

/** CPU in thousandths of a core, memory in MiB, storage in GiB. */
export type InstanceSize = { cpuMillis: number; memoryMiB: number; storageGiB: number };

/** Who may connect: a source network in CIDR notation. */
export type AccessRule = { cidr: string; description: string | null };

/** What rules know of an instance. */
export type InstanceFacts = {
  id: string;
  name: string;
  size: InstanceSize;
  provider: string;
  activity: InstanceActivity;
  status: InstanceStatus;
  statusReason: string | null;
  statusChangedAt: Date;
  role: InstanceRole | null;
  address: string | null;
  port: number | null;
  dnsName: string | null;
  observedAt: Date | null;
  observation: Observation | null;
  /** Since when its agent's connection has been lost. Null: it is connected, or it is not known. */
  agentLostAt: Date | null;
  /** Since when it may not be primary again before it has followed another. Null: it may. */
  fencedAt: Date | null;
};

/** What Grove does when a primary is lost. */
export type FailoverPolicy = {
  mode: FailoverMode;
  /** How far behind a replica may be to be promoted, in bytes. */
  maxLagBytes: number;
  /** How long the primary must be gone before Grove promotes another by itself, in seconds. */
  detectAfterSeconds: number;
};

/** What rules know of an operation that holds a cluster. */
export type OperationFacts = { id: string; kind: OperationKind; status: OperationStatus };

/** What rules know of a cluster. `instances` leaves out those that are removed. */
export type ClusterFacts = {
  id: string;
  projectId: string;
  name: string;
  version: number;
  engine: string;
  engineVersion: string;
  provider: string;
  lifecycle: ClusterLifecycle;
  status: ClusterStatus;
  healthLevel: HealthLevel;
  size: InstanceSize;
  primaryInstanceId: string | null;
  network: NetworkFacts | null;
  accessRules: AccessRule[];
  deletionProtection: boolean;
  /** A commit is acknowledged only once a replica has it too. */
  synchronous: boolean;
  failover: FailoverPolicy;
  currentOperation: OperationFacts | null;
  instances: InstanceFacts[];
};

/** A cluster's common network. */
export type NetworkFacts = {
  /** The network in CIDR notation. */
  cidr: string;
  /** Networks (CIDR) that the group's own connections can come from: the instances among themselves, and the agents. */
  peers: string[];
};
