import S3rver from '@20minutes/s3rver';
import { onTestFinished } from 'vitest';
import type { StoreSettings } from '#backups/storeSettings.ts';
import { temporaryDirectory } from './temporaryDirectory.ts';

export const s3Bucket = 'grove-backups';

/** An S3 server with one empty bucket, and how to open a store in it. It ends with the test. */
export async function s3Server(): Promise<{ endpoint: string; settings: StoreSettings }> {
  const server = new S3rver({
    address: '127.0.0.1',
    port: 0,
    silent: true,
    // It canonicalises a bucket's own path otherwise than S3 and its clients do; an unknown access key is refused all the same.
    allowMismatchedSignatures: true,
    directory: await temporaryDirectory(),
    configureBuckets: [{ name: s3Bucket, configs: [] }],
  });
  const { port } = await server.run();
  onTestFinished(() => server.close());
  const endpoint = `http://127.0.0.1:${port}`;
  return {
    endpoint,
    settings: {
      place: { kind: 'S3', bucket: s3Bucket, prefix: 'grove/', region: 'eu-central-1', endpoint },
      credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
    },
  };
}
