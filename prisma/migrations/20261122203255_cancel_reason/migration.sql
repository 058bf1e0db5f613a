-- AlterTable
ALTER TABLE "operation" ADD COLUMN     "cancel_reason" TEXT;
