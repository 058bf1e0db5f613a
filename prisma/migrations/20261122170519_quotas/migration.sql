-- AlterEnum
ALTER TYPE "EventType" ADD VALUE 'PROJECT_UPDATED';

-- AlterTable
ALTER TABLE "project" ADD COLUMN     "quota_backups" INTEGER,
ADD COLUMN     "quota_instances" INTEGER,
ADD COLUMN     "quota_storage_gib" INTEGER;

-- CreateIndex
CREATE INDEX "instance_present_in_project" ON "instance"("project_id") WHERE ("removed_at" IS NULL);
