import type {
  ClusterLifecycle,
  ClusterStatus,
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
  role: InstanceRole | null;
  address: string | null;
  port: number | null;
  dnsName: string | null;
  observedAt: Date | null;
  observation: Observation | null;
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
