-- CreateEnum
CREATE TYPE "BackupStatus" AS ENUM ('PENDING', 'RUNNING', 'COMPLETED', 'FAILED', 'DELETING', 'DELETED');

-- CreateEnum
CREATE TYPE "InstanceBackupStatus" AS ENUM ('PENDING', 'RUNNING', 'COMPLETED', 'FAILED');

-- CreateEnum
CREATE TYPE "InstanceBackupFault" AS ENUM ('MISSING', 'DAMAGED');

-- AlterEnum
-- This migration adds more than one value to an enum.
-- With PostgreSQL versions 11 and earlier, this is not possible
-- in a single migration. This can be worked around by creating
-- multiple migrations, each migration adding only one value to
-- the enum.


ALTER TYPE "EventType" ADD VALUE 'BACKUP_STATUS_CHANGED';
ALTER TYPE "EventType" ADD VALUE 'BACKUP_VERIFIED';
ALTER TYPE "EventType" ADD VALUE 'BACKUP_MISSED';

-- AlterEnum
-- This migration adds more than one value to an enum.
-- With PostgreSQL versions 11 and earlier, this is not possible
-- in a single migration. This can be worked around by creating
-- multiple migrations, each migration adding only one value to
-- the enum.


ALTER TYPE "OperationKind" ADD VALUE 'BACKUP_CLUSTER';
ALTER TYPE "OperationKind" ADD VALUE 'RESTORE_CLUSTER';
ALTER TYPE "OperationKind" ADD VALUE 'DELETE_BACKUP';
ALTER TYPE "OperationKind" ADD VALUE 'VERIFY_BACKUP';

-- AlterTable
ALTER TABLE "cluster" ADD COLUMN     "backup_policy" JSONB,
ADD COLUMN     "restored_from_id" UUID;

-- AlterTable
ALTER TABLE "instance" ADD COLUMN     "restored_from_id" UUID;

-- CreateTable
CREATE TABLE "backup" (
    "id" UUID NOT NULL,
    "project_id" UUID NOT NULL,
    "cluster_id" UUID NOT NULL,
    "cluster_name" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "engine" TEXT NOT NULL,
    "engine_version" TEXT NOT NULL,
    "instance_count" INTEGER NOT NULL,
    "cpu_millis" INTEGER NOT NULL,
    "memory_mib" INTEGER NOT NULL,
    "storage_gib" INTEGER NOT NULL,
    "status" "BackupStatus" NOT NULL DEFAULT 'PENDING',
    "status_reason" TEXT,
    "status_changed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "operation_id" UUID NOT NULL,
    "requested_by" JSONB NOT NULL,
    "scheduled" BOOLEAN NOT NULL DEFAULT false,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "started_at" TIMESTAMPTZ(3),
    "finished_at" TIMESTAMPTZ(3),
    "last_verified_at" TIMESTAMPTZ(3),
    "verify_begun_at" TIMESTAMPTZ(3),
    "deleted_at" TIMESTAMPTZ(3),

    CONSTRAINT "backup_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "instance_backup" (
    "id" UUID NOT NULL,
    "backup_id" UUID NOT NULL,
    "instance_id" UUID NOT NULL,
    "instance_name" TEXT NOT NULL,
    "status" "InstanceBackupStatus" NOT NULL DEFAULT 'PENDING',
    "location" TEXT,
    "bytes" BIGINT,
    "data_bytes" BIGINT,
    "sha256" TEXT,
    "start_position" TEXT,
    "end_position" TEXT,
    "timeline" INTEGER,
    "error" TEXT,
    "fault" "InstanceBackupFault",
    "started_at" TIMESTAMPTZ(3),
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "instance_backup_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "backup_operation_id_key" ON "backup"("operation_id");

-- CreateIndex
CREATE INDEX "backup_cluster_id_created_at_id_idx" ON "backup"("cluster_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "backup_project_id_created_at_id_idx" ON "backup"("project_id", "created_at", "id");

-- CreateIndex
CREATE UNIQUE INDEX "backup_name_taken" ON "backup"("cluster_id", "name") WHERE ("deleted_at" IS NULL);

-- CreateIndex
CREATE UNIQUE INDEX "instance_backup_backup_id_instance_id_key" ON "instance_backup"("backup_id", "instance_id");

-- CreateIndex
CREATE INDEX "cluster_restored_from_id_idx" ON "cluster"("restored_from_id");

-- AddForeignKey
ALTER TABLE "cluster" ADD CONSTRAINT "cluster_restored_from_id_fkey" FOREIGN KEY ("restored_from_id") REFERENCES "backup"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "instance" ADD CONSTRAINT "instance_restored_from_id_fkey" FOREIGN KEY ("restored_from_id") REFERENCES "instance_backup"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "backup" ADD CONSTRAINT "backup_project_id_fkey" FOREIGN KEY ("project_id") REFERENCES "project"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "backup" ADD CONSTRAINT "backup_cluster_id_fkey" FOREIGN KEY ("cluster_id") REFERENCES "cluster"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "backup" ADD CONSTRAINT "backup_operation_id_fkey" FOREIGN KEY ("operation_id") REFERENCES "operation"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "instance_backup" ADD CONSTRAINT "instance_backup_backup_id_fkey" FOREIGN KEY ("backup_id") REFERENCES "backup"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "instance_backup" ADD CONSTRAINT "instance_backup_instance_id_fkey" FOREIGN KEY ("instance_id") REFERENCES "instance"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
