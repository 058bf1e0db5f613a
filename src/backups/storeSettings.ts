/** Where backups are kept, without any secret: also as an agent is told. */
export type StorePlace =
  | { kind: 'DIRECTORY'; path: string }
  | {
      kind: 'S3';
      bucket: string;
      /** Put before every key; ends with "/" or is empty. */
      prefix: string;
      region: string;
      /** URL of an S3-compatible service. Null: Amazon's own. */
      endpoint: string | null;
    };

export type S3Credentials = { accessKeyId: string; secretAccessKey: string };

/** All that it takes to open a store. */
export type StoreSettings = { place: StorePlace; credentials: S3Credentials | null };
