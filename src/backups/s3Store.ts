import { Readable } from 'node:stream';
import type { S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import {
  assertKey,
  type BackupStore,
  BackupStoreError,
  type StoreCall,
  type StoredFile,
  StoredFileMissing,
} from './backupStore.ts';
import type { S3Credentials, StorePlace } from './storeSettings.ts';

type Bucket = Extract<StorePlace, { kind: 'S3' }>;

/** What S3 allows of one upload. */
const mostParts = 10_000;
const leastPartBytes = 5 * 1024 * 1024;
const usualPartBytes = 8 * 1024 * 1024;
const partsAtOnce = 2;
const deletedAtOnce = 1000;

/** How long the service may take to let a connection in, and how long nothing may move on one that waits or carries content, in milliseconds. */
export type S3Limits = { connectMs: number; idleMs: number };

/** S3 itself may think for a while before it answers that an upload is complete. */
const usualLimits: S3Limits = { connectMs: 10_000, idleMs: 60_000 };

/** Files in a bucket of S3 or of a service that speaks its protocol. The client is loaded at the first call: few processes ever need it. */
export function createS3Store(bucket: Bucket, credentials: S3Credentials | null, limits = usualLimits): BackupStore {
  return new S3Store(bucket, credentials, limits);
}

type Content = AsyncIterable<Uint8Array>;

class S3Store implements BackupStore {
  readonly description: string;
  readonly #bucket: Bucket;
  readonly #credentials: S3Credentials | null;
  readonly #limits: S3Limits;
  #loading: Promise<S3Sdk> | null = null;

  constructor(bucket: Bucket, credentials: S3Credentials | null, limits: S3Limits) {
    this.description = `bucket ${bucket.bucket}${bucket.endpoint === null ? '' : ` at ${bucket.endpoint}`}`;
    this.#bucket = bucket;
    this.#credentials = credentials;
    this.#limits = limits;
  }

  write(key: string, content: Content, call: StoreCall & { expectedBytes?: number } = {}): Promise<void> {
    return asStore(key, () => this.#upload(key, content, call));
  }

  async *read(key: string, { signal }: StoreCall = {}): AsyncGenerator<Uint8Array> {
    try {
      const { client, commands } = await this.#sdk();
      const { Body } = await client.send(new commands.GetObjectCommand(this.#object(key)), options(signal));
      if (!(Body instanceof Readable)) throw new Error('The backup store answered without content.');
      yield* Body as Content;
    } catch (error) {
      throw storeError(key, error);
    }
  }

  stat(key: string, { signal }: StoreCall = {}): Promise<StoredFile | null> {
    return asStore(key, async () => {
      const { client, commands } = await this.#sdk();
      const head = new commands.HeadObjectCommand(this.#object(key));
      const found = await client.send(head, options(signal)).catch(unlessMissing);
      return found === null ? null : { key, bytes: found.ContentLength ?? 0 };
    });
  }

  list(prefix: string, { signal }: StoreCall = {}): Promise<StoredFile[]> {
    return asStore(prefix, () => this.#listAll(prefix, signal));
  }

  removeAll(prefix: string, { signal }: StoreCall = {}): Promise<void> {
    return asStore(prefix, async () => {
      const files = await this.#listAll(prefix, signal);
      for (let from = 0; from < files.length; from += deletedAtOnce)
        await this.#remove(files.slice(from, from + deletedAtOnce), signal);
      await this.#abortUploads(prefix, signal);
    });
  }

  #sdk(): Promise<S3Sdk> {
    this.#loading ??= loadSdk(this.#bucket, this.#credentials, this.#limits);
    return this.#loading;
  }

  #nameOf(key: string): string {
    assertKey(key);
    return `${this.#bucket.prefix}${key}`;
  }

  #object(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket.bucket, Key: this.#nameOf(key) };
  }

  async #upload(key: string, content: Content, call: StoreCall & { expectedBytes?: number }): Promise<void> {
    const { signal, expectedBytes = 0 } = call;
    const sdk = await this.#sdk();
    const body = Readable.from(content, { objectMode: false });
    // Whoever reads it hears of it; it may be destroyed when nobody does any more.
    body.on('error', () => {});
    const upload = new sdk.Upload({
      client: abortable(sdk, signal),
      params: { ...this.#object(key), Body: body },
      partSize: partBytes(expectedBytes),
      queueSize: partsAtOnce,
    });
    const abort = () => {
      body.destroy(signal?.reason instanceof Error ? signal.reason : undefined);
      void upload.abort();
    };
    signal?.throwIfAborted();
    signal?.addEventListener('abort', abort);
    try {
      await upload.done();
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  async #listAll(prefix: string, signal: AbortSignal | undefined): Promise<StoredFile[]> {
    const { client, commands } = await this.#sdk();
    const below = { Bucket: this.#bucket.bucket, Prefix: `${this.#nameOf(prefix)}/` };
    const files: StoredFile[] = [];
    let token: string | undefined;
    do {
      const next = new commands.ListObjectsV2Command({ ...below, ContinuationToken: token });
      const page = await client.send(next, options(signal));
      for (const { Key = '', Size = 0 } of page.Contents ?? [])
        files.push({ key: Key.slice(this.#bucket.prefix.length), bytes: Size });
      token = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
    return files;
  }

  async #remove(files: readonly StoredFile[], signal: AbortSignal | undefined): Promise<void> {
    const { client, commands } = await this.#sdk();
    const Delete = { Objects: files.map(({ key }) => ({ Key: this.#nameOf(key) })), Quiet: true };
    const remove = new commands.DeleteObjectsCommand({ Bucket: this.#bucket.bucket, Delete });
    const { Errors } = await client.send(remove, options(signal));
    const [fault] = Errors ?? [];
    if (fault) throw new BackupStoreError(`${fault.Key} stays: ${fault.Message}`, { retryable: true });
  }

  /** What uploads that were cut off left: it is in no listing, and is paid for. */
  async #abortUploads(prefix: string, signal: AbortSignal | undefined): Promise<void> {
    const { client, commands } = await this.#sdk();
    const Bucket = this.#bucket.bucket;
    const list = new commands.ListMultipartUploadsCommand({ Bucket, Prefix: `${this.#nameOf(prefix)}/` });
    const { Uploads } = await client.send(list, options(signal)).catch(unlessNotImplemented);
    for (const { Key, UploadId } of Uploads ?? [])
      await client.send(new commands.AbortMultipartUploadCommand({ Bucket, Key, UploadId }), options(signal));
  }
}

/** As the client, for one upload. Its own abort would leave requests on their way, and what they carry would be stored after all. */
function abortable({ client, commands }: S3Sdk, signal: AbortSignal | undefined): S3Client {
  const send: S3Client['send'] = (command: Parameters<S3Client['send']>[0]) =>
    client.send(command, command instanceof commands.AbortMultipartUploadCommand ? {} : options(signal));
  return Object.create(client, { send: { value: send } }) as S3Client;
}

const options = (signal: AbortSignal | undefined) => (signal === undefined ? {} : { abortSignal: signal });

type S3Sdk = {
  client: S3Client;
  commands: typeof import('@aws-sdk/client-s3');
  Upload: typeof import('@aws-sdk/lib-storage').Upload;
};

async function loadSdk(
  { region, endpoint }: Bucket,
  credentials: S3Credentials | null,
  { connectMs, idleMs }: S3Limits,
): Promise<S3Sdk> {
  const [commands, { Upload }] = await Promise.all([import('@aws-sdk/client-s3'), import('@aws-sdk/lib-storage')]);
  const client = new commands.S3Client({
    region,
    // Of the socket, not of the request: an upload takes as long as it takes while it moves.
    requestHandler: { connectionTimeout: connectMs, socketTimeout: idleMs },
    // Many services that speak the protocol know neither buckets as host names nor the newer checksums; Grove checks SHA-256 itself.
    ...(endpoint === null ? {} : { endpoint, forcePathStyle: true }),
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    ...(credentials === null ? {} : { credentials }),
  });
  return { client, commands, Upload };
}

/** So large that the whole fits into the parts that are allowed. */
function partBytes(expectedBytes: number): number {
  return Math.max(usualPartBytes, leastPartBytes, Math.ceil((expectedBytes * 1.2) / mostParts));
}

const statusOf = (error: unknown): number | null =>
  (error as Partial<S3ServiceException>).$metadata?.httpStatusCode ?? null;

function unlessMissing(error: unknown): null {
  if (statusOf(error) === 404) return null;
  throw error;
}

/** Some services cannot list them. */
function unlessNotImplemented(error: unknown): { Uploads?: undefined } {
  const status = statusOf(error);
  if (status === 501 || status === 405) return {};
  throw error;
}

async function asStore<T>(key: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storeError(key, error);
  }
}

/** An answer of the service, or a way to it that is cut. What the content's maker threw is not the store's to judge. */
function storeError(key: string, error: unknown): unknown {
  if (error instanceof BackupStoreError || !(error instanceof Error)) return error;
  const status = statusOf(error);
  if (status === 404 && error.name === 'NoSuchKey') return new StoredFileMissing(key, error);
  const connection = typeof (error as NodeJS.ErrnoException).syscall === 'string' || error.name === 'TimeoutError';
  if (status === null && !connection) return error;
  const retryable = status === null || status >= 500 || status === 429;
  return new BackupStoreError(`The backup store refused ${key}: ${error.name}, ${error.message}`, {
    retryable,
    cause: error,
  });
}
