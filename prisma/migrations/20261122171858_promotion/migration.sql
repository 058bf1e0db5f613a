-- CreateEnum
CREATE TYPE "FailoverMode" AS ENUM ('AUTOMATIC', 'MANUAL');

-- AlterEnum
ALTER TYPE "EventType" ADD VALUE 'PRIMARY_LOST';

-- AlterEnum
-- This migration adds more than one value to an enum.
-- With PostgreSQL versions 11 and earlier, this is not possible
-- in a single migration. This can be worked around by creating
-- multiple migrations, each migration adding only one value to
-- the enum.


ALTER TYPE "OperationKind" ADD VALUE 'PROMOTE_INSTANCE';
ALTER TYPE "OperationKind" ADD VALUE 'REJOIN_INSTANCE';

-- AlterTable
ALTER TABLE "cluster" ADD COLUMN     "failover_detect_after_seconds" INTEGER NOT NULL DEFAULT 3,
ADD COLUMN     "failover_max_lag_bytes" BIGINT NOT NULL DEFAULT 16777216,
ADD COLUMN     "failover_mode" "FailoverMode" NOT NULL DEFAULT 'AUTOMATIC',
ADD COLUMN     "synchronous" BOOLEAN NOT NULL DEFAULT false;

-- AlterTable
ALTER TABLE "instance" ADD COLUMN     "agent_lost_at" TIMESTAMPTZ(3),
ADD COLUMN     "fenced_at" TIMESTAMPTZ(3);
