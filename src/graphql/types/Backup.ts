import type { Actor as ActorFacts } from '#domain/actor.ts';
import { faultInWords, gravestFault } from '#domain/backupFault.ts';
import { isCompleted } from '#domain/backupStatus.ts';
import type { Prisma } from '#generated/prisma/client.ts';
import type {
  BackupStatus as BackupStatusName,
  InstanceBackupFault as InstanceBackupFaultName,
  InstanceBackupStatus as InstanceBackupStatusName,
} from '#generated/prisma/enums.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import { builder } from '../builder.ts';
import { keysetConnection } from '../connections/keysetConnection.ts';
import { nodesOf } from '../connections/nodesOf.ts';
import { describedEnum } from '../describedEnum.ts';
import { requireActor } from '../errors.ts';
import { idsOf } from '../globalId.ts';
import { Actor } from './Actor.ts';
import { Engine } from './Engine.ts';
import { directionOf, OrderDirection } from './filters.ts';
import { InstanceSize } from './InstanceSize.ts';

export const BackupStatus = describedEnum<BackupStatusName>(
  'BackupStatus',
  'The status of a backup, derived from its parts. More may be added.',
  {
    PENDING: 'Accepted; nothing is copied yet.',
    RUNNING: 'Its parts are being copied, or read back.',
    COMPLETED: 'Every part is in the backup store and was read back whole. It can be restored.',
    FAILED: 'A part could not be copied; `statusReason` says which and why. No files are kept.',
    DELETING: 'Its files are being removed.',
    DELETED: 'Its files are gone. Kept as a record; its name is free again.',
  },
);

const InstanceBackupStatus = describedEnum<InstanceBackupStatusName>(
  'InstanceBackupStatus',
  'How the part of a backup stands that is taken of one instance.',
  {
    PENDING: 'Not begun.',
    RUNNING: 'Being copied, or read back.',
    COMPLETED: 'In the backup store with every other part, and read back whole.',
    FAILED: 'Not copied, or given up since another part failed.',
  },
);

const InstanceBackupFault = describedEnum<InstanceBackupFaultName>(
  'InstanceBackupFault',
  'What is wrong with the file of a part, found when it was to be restored.',
  { MISSING: 'It is not in the backup store.', DAMAGED: 'It is not what was written.' },
);

/** A part that failed has no file, whatever had been written. */
const keptBytes = ({
  status,
  location,
  bytes,
}: {
  status: InstanceBackupStatusName;
  location: string | null;
  bytes: bigint | null;
}): bigint | null => (status === 'FAILED' && location === null ? null : bytes);

builder.prismaObject('InstanceBackup', {
  description: 'The part of a backup that was taken of one instance: one file in the backup store.',
  select: { id: true },
  fields: (t) => ({
    instance: t.relation('instance', { description: 'The instance, or its record where it is gone.' }),
    instanceName: t.exposeString('instanceName'),
    status: t.expose('status', { type: InstanceBackupStatus, description: 'How it stands.' }),
    bytes: t.field({
      type: 'BigInt',
      nullable: true,
      description: 'Size of the file in bytes. Null until it is written, and where a failed backup kept none.',
      select: { status: true, location: true, bytes: true },
      resolve: keptBytes,
    }),
    dataBytes: t.expose('dataBytes', { type: 'BigInt', nullable: true }),
    sha256: t.exposeString('sha256', { nullable: true }),
    startPosition: t.exposeString('startPosition', { nullable: true }),
    endPosition: t.exposeString('endPosition', { nullable: true }),
    timeline: t.exposeInt('timeline', { nullable: true }),
    error: t.exposeString('error', { nullable: true }),
    fault: t.expose('fault', { type: InstanceBackupFault, nullable: true }),
    startedAt: t.expose('startedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was begun; null if it was not.',
    }),
    finishedAt: t.expose('finishedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was completed or failed; null while it is neither.',
    }),
  }),
});

const faultColumns = { instanceName: true, fault: true } as const;

export const Backup = builder.prismaNode('Backup', {
  id: { field: 'id', description: 'Opaque and for ever the same.' },
  select: { id: true },
  fields: (t) => ({
    name: t.exposeString('name'),
    cluster: t.relation('cluster', {
      description: 'The cluster that it was taken of, or its record where it is deleted.',
    }),
    clusterName: t.exposeString('clusterName'),
    engine: t.field({
      type: Engine,
      description: 'The database product whose data it has.',
      select: { engine: true },
      resolve: ({ engine }, _args, { operations }) => assertPresent(operations.engines[engine], `engine ${engine}`),
    }),
    engineVersion: t.exposeString('engineVersion', { description: 'The only version that it can be restored with.' }),
    status: t.expose('status', { type: BackupStatus, description: 'How it stands.' }),
    statusReason: t.string({
      nullable: true,
      description:
        'Why the status is what it is, or why it cannot be restored all the same, in words. Null when the status says it all.',
      select: { status: true, statusReason: true, parts: { select: faultColumns, orderBy: { instanceName: 'asc' } } },
      resolve: ({ status, statusReason, parts }) => statusReason ?? (isCompleted(status) ? faultInWords(parts) : null),
    }),
    fault: t.field({
      type: InstanceBackupFault,
      nullable: true,
      description:
        'The gravest of what is known to be wrong with its parts; null if nothing is. `verifyBackup` looks at them again.',
      select: { parts: { select: faultColumns, orderBy: { instanceName: 'asc' } } },
      resolve: ({ parts }) => gravestFault(parts),
    }),
    statusChangedAt: t.expose('statusChangedAt', { type: 'DateTime', description: 'Since when it has this status.' }),
    instanceCount: t.exposeInt('instanceCount'),
    instanceSize: t.field({
      type: InstanceSize,
      description: 'The size of each instance when it was taken.',
      select: { cpuMillis: true, memoryMiB: true, storageGiB: true },
      resolve: (size) => size,
    }),
    bytes: t.field({
      type: 'BigInt',
      nullable: true,
      description:
        'Size of all its files in bytes; null until every one is written, and where it failed and keeps none.',
      select: { parts: { select: { status: true, location: true, bytes: true }, orderBy: { instanceName: 'asc' } } },
      resolve: ({ parts }) => {
        const sizes = parts.flatMap((part) => keptBytes(part) ?? []);
        return sizes.length === 0 || sizes.length < parts.length ? null : sizes.reduce((sum, bytes) => sum + bytes, 0n);
      },
    }),
    parts: t.relation('parts', {
      description: 'A part for each instance, by their names.',
      query: { orderBy: { instanceName: 'asc' } },
    }),
    scheduled: t.exposeBoolean('scheduled'),
    requestedBy: t.field({
      type: Actor,
      description: 'Who asked for it.',
      select: { requestedBy: true },
      resolve: ({ requestedBy }) => requestedBy as ActorFacts,
    }),
    operation: t.relation('operation', { description: 'The operation that takes it, or took it.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was accepted.' }),
    startedAt: t.expose('startedAt', { type: 'DateTime', nullable: true }),
    finishedAt: t.expose('finishedAt', { type: 'DateTime', nullable: true }),
    lastVerifiedAt: t.expose('lastVerifiedAt', { type: 'DateTime', nullable: true }),
    verifyBegunAt: t.expose('verifyBegunAt', { type: 'DateTime', nullable: true }),
    deletedAt: t.expose('deletedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When its files were gone; null while they are not.',
    }),
  }),
});

export const BackupConnection = builder.connectionObject(
  { type: Backup, name: 'BackupConnection', description: 'A page of backups.', extensions: nodesOf('Backup') },
  { name: 'BackupEdge', description: 'A backup in a page.' },
);

const BackupFilter = builder.inputType('BackupFilter', {
  description: 'Which backups to list. All that is given must hold.',
  fields: (t) => ({
    clusterId: t.id({ description: 'Only backups of this cluster.' }),
    status: t.field({ type: [BackupStatus], description: 'Only backups with one of these statuses.' }),
    scheduled: t.boolean({ description: 'True: only those that a policy asked for. False: only the others.' }),
    includeDeleted: t.boolean({ defaultValue: false, description: 'List the records of deleted backups too.' }),
  }),
});

const BackupOrderField = describedEnum<'CREATED_AT'>('BackupOrderField', 'What backups are ordered by.', {
  CREATED_AT: 'When it was accepted.',
});

const BackupOrder = builder.inputType('BackupOrder', {
  description: 'The order of a list of backups. Equal ones are ordered by their ids.',
  fields: (t) => ({
    field: t.field({ type: BackupOrderField, defaultValue: 'CREATED_AT', description: 'What to order by.' }),
    direction: t.field({ type: OrderDirection, defaultValue: 'DESC', description: 'Which end comes first.' }),
  }),
});

function backupCondition(
  projectId: string,
  { clusterId, status, scheduled, includeDeleted }: typeof BackupFilter.$inferInput,
): Prisma.BackupWhereInput {
  return {
    projectId,
    ...(clusterId == null ? {} : { clusterId: { in: idsOf('Cluster', [clusterId]) } }),
    ...(status == null ? {} : { status: { in: status } }),
    ...(scheduled == null ? {} : { scheduled }),
    ...(includeDeleted === true ? {} : { deletedAt: null }),
  };
}

builder.queryField('backups', (t) =>
  t.connection(
    {
      type: Backup,
      description: "Backups of the project's clusters, also of deleted ones; the newest first where no order is given.",
      args: {
        filter: t.arg({
          type: BackupFilter,
          description: 'Which backups to list; all that are not deleted when left out.',
        }),
        orderBy: t.arg({ type: BackupOrder, description: 'The order; the newest first when left out.' }),
      },
      resolve: (_root, { filter, orderBy, ...args }, context, info) =>
        keysetConnection({
          context,
          info,
          args,
          ordering: { column: 'createdAt', direction: directionOf[orderBy?.direction ?? 'DESC'] },
          where: backupCondition(requireActor(context).projectId, filter ?? {}),
          find: (query) => context.db.backup.findMany(query),
          count: (query) => context.db.backup.count(query),
        }),
    },
    BackupConnection,
  ),
);
