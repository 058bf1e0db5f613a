/** When backups of a cluster are taken by themselves, and how long these are kept. */
export type BackupPolicy = {
  /** Cron expression of five fields, in UTC. */
  schedule: string;
  /** At most so many are kept. Null: any number. */
  keepCount: number | null;
  /** None is kept for longer than so many days. Null: for ever. */
  keepDays: number | null;
  /** Whether each is restored into a throw-away cluster once it is completed. */
  verify: boolean;
};
