-- AlterTable
ALTER TABLE "operation" ADD COLUMN     "ending" JSONB;
