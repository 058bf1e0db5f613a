import type { BackupStatus, InstanceBackupFault, InstanceBackupStatus } from '#generated/prisma/enums.ts';
import type { InstanceSize } from './facts.ts';

/** What rules know of the part of a backup that was taken of one instance. */
export type BackupPartFacts = {
  id: string;
  instanceId: string;
  instanceName: string;
  status: InstanceBackupStatus;
  /** Its key in the backup store. Null: it has no file. */
  location: string | null;
  /** Size of the file. Null: it has none. */
  bytes: number | null;
  /** Before compression. Null: not known. */
  dataBytes: number | null;
  sha256: string | null;
  /** In the engine's own notation. Null: not known. */
  endPosition: string | null;
  timeline: number | null;
  /** What a restore found wrong with its file. Null: nothing. */
  fault: InstanceBackupFault | null;
};

/** What rules know of a backup. */
export type BackupFacts = {
  id: string;
  projectId: string;
  clusterId: string;
  clusterName: string;
  name: string;
  engine: string;
  engineVersion: string;
  status: BackupStatus;
  instanceCount: number;
  size: InstanceSize;
  /** By the names of their instances. */
  parts: BackupPartFacts[];
};
