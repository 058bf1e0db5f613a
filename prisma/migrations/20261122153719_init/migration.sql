-- CreateEnum
CREATE TYPE "ApiKeyRole" AS ENUM ('VIEWER', 'OPERATOR', 'ADMIN');

-- CreateEnum
CREATE TYPE "ClusterLifecycle" AS ENUM ('BUILDING', 'LIVE', 'FAILED', 'DELETING', 'DELETED');

-- CreateEnum
CREATE TYPE "ClusterStatus" AS ENUM ('BUILDING', 'BUSY', 'ACTIVE', 'DEGRADED', 'DOWN', 'ERROR', 'DELETING', 'DELETED');

-- CreateEnum
CREATE TYPE "HealthLevel" AS ENUM ('HEALTHY', 'DEGRADED', 'DOWN', 'UNKNOWN');

-- CreateEnum
CREATE TYPE "InstanceActivity" AS ENUM ('PENDING', 'PROVISIONING', 'SYNCING', 'RESTARTING', 'PROMOTING', 'BACKING_UP', 'RESTORING', 'DRAINING', 'REMOVING', 'REMOVED', 'FAILED', 'NONE');

-- CreateEnum
CREATE TYPE "InstanceStatus" AS ENUM ('PENDING', 'PROVISIONING', 'SYNCING', 'ACTIVE', 'RESTARTING', 'PROMOTING', 'BACKING_UP', 'RESTORING', 'DRAINING', 'REMOVING', 'REMOVED', 'STOPPED', 'DOWN', 'UNREACHABLE', 'ERROR');

-- CreateEnum
CREATE TYPE "InstanceRole" AS ENUM ('PRIMARY', 'REPLICA', 'MEMBER');

-- CreateEnum
CREATE TYPE "OperationKind" AS ENUM ('CREATE_CLUSTER', 'UPDATE_CLUSTER', 'DELETE_CLUSTER');

-- CreateEnum
CREATE TYPE "OperationStatus" AS ENUM ('QUEUED', 'RUNNING', 'CANCELLING', 'SUCCEEDED', 'FAILED', 'CANCELLED');

-- CreateEnum
CREATE TYPE "StepStatus" AS ENUM ('PENDING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'SKIPPED');

-- CreateEnum
CREATE TYPE "EventType" AS ENUM ('CLUSTER_STATUS_CHANGED', 'CLUSTER_HEALTH_CHANGED', 'CLUSTER_UPDATED', 'INSTANCE_STATUS_CHANGED', 'INSTANCE_ROLE_CHANGED', 'OPERATION_STATUS_CHANGED', 'OPERATION_STEP_CHANGED', 'CREDENTIALS_REVEALED', 'API_KEY_CREATED', 'API_KEY_REVOKED');

-- CreateEnum
CREATE TYPE "AgentCommandStatus" AS ENUM ('PENDING', 'SUCCEEDED', 'FAILED');

-- CreateTable
CREATE TABLE "store_identity" (
    "singleton" BOOLEAN NOT NULL DEFAULT true,
    "id" UUID NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "store_identity_pkey" PRIMARY KEY ("singleton")
);

-- CreateTable
CREATE TABLE "lease" (
    "name" TEXT NOT NULL,
    "holder" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "lease_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "project" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "event_seq" BIGINT NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "project_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "api_key" (
    "id" UUID NOT NULL,
    "project_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "role" "ApiKeyRole" NOT NULL,
    "public_id" TEXT NOT NULL,
    "secret_hash" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "api_key_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "cluster" (
    "id" UUID NOT NULL,
    "project_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "version" INTEGER NOT NULL DEFAULT 1,
    "engine" TEXT NOT NULL,
    "engine_version" TEXT NOT NULL,
    "provider" TEXT NOT NULL,
    "lifecycle" "ClusterLifecycle" NOT NULL DEFAULT 'BUILDING',
    "status" "ClusterStatus" NOT NULL DEFAULT 'BUILDING',
    "status_reason" TEXT,
    "status_changed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "health_level" "HealthLevel" NOT NULL DEFAULT 'UNKNOWN',
    "health_reasons" JSONB NOT NULL DEFAULT '[]',
    "health_changed_at" TIMESTAMPTZ(3),
    "instance_count" INTEGER NOT NULL,
    "cpu_millis" INTEGER NOT NULL,
    "memory_mib" INTEGER NOT NULL,
    "storage_gib" INTEGER NOT NULL,
    "primary_instance_id" UUID,
    "network_cidr" TEXT,
    "network_peers" JSONB NOT NULL DEFAULT '[]',
    "access_rules" JSONB NOT NULL,
    "access_rules_in_force" BOOLEAN NOT NULL DEFAULT true,
    "deletion_protection" BOOLEAN NOT NULL DEFAULT false,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "deleted_at" TIMESTAMPTZ(3),

    CONSTRAINT "cluster_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "cluster_secret" (
    "cluster_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "key_id" TEXT NOT NULL,
    "ciphertext" BYTEA NOT NULL,

    CONSTRAINT "cluster_secret_pkey" PRIMARY KEY ("cluster_id","name")
);

-- CreateTable
CREATE TABLE "instance" (
    "id" UUID NOT NULL,
    "project_id" UUID NOT NULL,
    "cluster_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "cpu_millis" INTEGER NOT NULL,
    "memory_mib" INTEGER NOT NULL,
    "storage_gib" INTEGER NOT NULL,
    "provider" TEXT NOT NULL,
    "activity" "InstanceActivity" NOT NULL DEFAULT 'PENDING',
    "status" "InstanceStatus" NOT NULL DEFAULT 'PENDING',
    "status_reason" TEXT,
    "status_changed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "address" TEXT,
    "port" INTEGER,
    "dns_name" TEXT,
    "role" "InstanceRole",
    "serving" BOOLEAN,
    "observed_at" TIMESTAMPTZ(3),
    "observation" JSONB,
    "agent_version" TEXT,
    "agent_token_hash" BYTEA,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "removed_at" TIMESTAMPTZ(3),

    CONSTRAINT "instance_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "operation" (
    "id" UUID NOT NULL,
    "project_id" UUID NOT NULL,
    "cluster_id" UUID NOT NULL,
    "kind" "OperationKind" NOT NULL,
    "status" "OperationStatus" NOT NULL DEFAULT 'QUEUED',
    "input" JSONB NOT NULL,
    "lifecycle_before" "ClusterLifecycle",
    "cluster_version" INTEGER NOT NULL,
    "idempotency_key" TEXT,
    "input_hash" BYTEA NOT NULL,
    "requested_by" JSONB NOT NULL,
    "attempt" INTEGER NOT NULL DEFAULT 0,
    "worker_id" TEXT,
    "waiting_for" TEXT,
    "error" JSONB,
    "result" JSONB,
    "steps_total" INTEGER NOT NULL,
    "steps_done" INTEGER NOT NULL DEFAULT 0,
    "cancel_requested_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "started_at" TIMESTAMPTZ(3),
    "finished_at" TIMESTAMPTZ(3),
    "deadline_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "operation_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "operation_step" (
    "operation_id" UUID NOT NULL,
    "key" TEXT NOT NULL,
    "position" INTEGER NOT NULL,
    "name" TEXT NOT NULL,
    "instance_id" UUID,
    "status" "StepStatus" NOT NULL DEFAULT 'PENDING',
    "attempt" INTEGER NOT NULL DEFAULT 0,
    "failures" INTEGER NOT NULL DEFAULT 0,
    "message" TEXT,
    "result" JSONB,
    "started_at" TIMESTAMPTZ(3),
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "operation_step_pkey" PRIMARY KEY ("operation_id","key")
);

-- CreateTable
CREATE TABLE "event" (
    "project_id" UUID NOT NULL,
    "seq" BIGINT NOT NULL,
    "type" "EventType" NOT NULL,
    "cluster_id" UUID,
    "instance_id" UUID,
    "operation_id" UUID,
    "from_status" TEXT,
    "to_status" TEXT,
    "payload" JSONB NOT NULL DEFAULT '{}',
    "actor" JSONB NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "event_pkey" PRIMARY KEY ("project_id","seq")
);

-- CreateTable
CREATE TABLE "agent_command" (
    "id" UUID NOT NULL,
    "instance_id" UUID NOT NULL,
    "operation_id" UUID NOT NULL,
    "step_key" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "payload" JSONB NOT NULL,
    "status" "AgentCommandStatus" NOT NULL DEFAULT 'PENDING',
    "progress" TEXT,
    "result" JSONB,
    "error" JSONB,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "agent_command_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "project_name_key" ON "project"("name");

-- CreateIndex
CREATE UNIQUE INDEX "api_key_public_id_key" ON "api_key"("public_id");

-- CreateIndex
CREATE INDEX "api_key_project_id_id_idx" ON "api_key"("project_id", "id");

-- CreateIndex
CREATE INDEX "cluster_project_id_created_at_id_idx" ON "cluster"("project_id", "created_at", "id");

-- CreateIndex
CREATE UNIQUE INDEX "cluster_name_taken" ON "cluster"("project_id", "name") WHERE ("deleted_at" IS NULL);

-- CreateIndex
CREATE INDEX "instance_cluster_id_name_idx" ON "instance"("cluster_id", "name");

-- CreateIndex
CREATE INDEX "instance_project_id_created_at_id_idx" ON "instance"("project_id", "created_at", "id");

-- CreateIndex
CREATE UNIQUE INDEX "instance_name_taken" ON "instance"("cluster_id", "name") WHERE ("removed_at" IS NULL);

-- CreateIndex
CREATE INDEX "operation_cluster_id_created_at_id_idx" ON "operation"("cluster_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "operation_project_id_created_at_id_idx" ON "operation"("project_id", "created_at", "id");

-- CreateIndex
CREATE UNIQUE INDEX "operation_one_unfinished_a_cluster" ON "operation"("cluster_id") WHERE ("finished_at" IS NULL);

-- CreateIndex
CREATE UNIQUE INDEX "operation_idempotency_key" ON "operation"("project_id", "idempotency_key");

-- CreateIndex
CREATE INDEX "operation_step_operation_id_position_idx" ON "operation_step"("operation_id", "position");

-- CreateIndex
CREATE INDEX "event_cluster_id_seq_idx" ON "event"("cluster_id", "seq");

-- CreateIndex
CREATE INDEX "agent_command_instance_id_status_idx" ON "agent_command"("instance_id", "status");

-- CreateIndex
CREATE INDEX "agent_command_operation_id_step_key_idx" ON "agent_command"("operation_id", "step_key");

-- AddForeignKey
ALTER TABLE "api_key" ADD CONSTRAINT "api_key_project_id_fkey" FOREIGN KEY ("project_id") REFERENCES "project"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "cluster" ADD CONSTRAINT "cluster_project_id_fkey" FOREIGN KEY ("project_id") REFERENCES "project"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "cluster_secret" ADD CONSTRAINT "cluster_secret_cluster_id_fkey" FOREIGN KEY ("cluster_id") REFERENCES "cluster"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "instance" ADD CONSTRAINT "instance_project_id_fkey" FOREIGN KEY ("project_id") REFERENCES "project"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "instance" ADD CONSTRAINT "instance_cluster_id_fkey" FOREIGN KEY ("cluster_id") REFERENCES "cluster"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "operation" ADD CONSTRAINT "operation_project_id_fkey" FOREIGN KEY ("project_id") REFERENCES "project"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "operation" ADD CONSTRAINT "operation_cluster_id_fkey" FOREIGN KEY ("cluster_id") REFERENCES "cluster"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "operation_step" ADD CONSTRAINT "operation_step_operation_id_fkey" FOREIGN KEY ("operation_id") REFERENCES "operation"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "operation_step" ADD CONSTRAINT "operation_step_instance_id_fkey" FOREIGN KEY ("instance_id") REFERENCES "instance"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "event" ADD CONSTRAINT "event_project_id_fkey" FOREIGN KEY ("project_id") REFERENCES "project"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "agent_command" ADD CONSTRAINT "agent_command_instance_id_fkey" FOREIGN KEY ("instance_id") REFERENCES "instance"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "agent_command" ADD CONSTRAINT "agent_command_operation_id_fkey" FOREIGN KEY ("operation_id") REFERENCES "operation"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
