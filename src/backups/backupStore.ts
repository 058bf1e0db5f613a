/** A file of the store, as a listing tells it. */
export type StoredFile = { key: string; bytes: number };

export type StoreCall = { signal?: AbortSignal };

/**
 * Where the files of backups are kept. A key is a path of names joined by "/" (a-z, A-Z, 0-9, "-", "_" and "."). Every call is safe
 * to repeat. What the store or the way to it refuses is a BackupStoreError.
 */
export interface BackupStore {
  /** What people are told of where it is. Holds no secret. */
  readonly description: string;
  /**
   * Stores all that comes, in constant memory, and replaces what is there. Whoever looks sees the whole file or none, also after a
   * crash; on return it is durable. A file has one writer at a time.
   * @param expectedBytes about how much will come; may be far from it
   */
  write(key: string, content: AsyncIterable<Uint8Array>, call?: StoreCall & { expectedBytes?: number }): Promise<void>;
  /** The content, as fast as it is read. Throws StoredFileMissing, before or while it is read. */
  read(key: string, call?: StoreCall): AsyncIterable<Uint8Array>;
  /** Null: there is no such file. */
  stat(key: string, call?: StoreCall): Promise<StoredFile | null>;
  /** Every file whose key begins with these names, in the order of their keys. */
  list(prefix: string, call?: StoreCall): Promise<StoredFile[]>;
  /** Every file below these names is gone on return, and what interrupted writes of them left. */
  removeAll(prefix: string, call?: StoreCall): Promise<void>;
}

/** The store could not do what it was asked. `retryable`: trying again may help. */
export class BackupStoreError extends Error {
  readonly retryable: boolean;
  constructor(message: string, { retryable, cause }: { retryable: boolean; cause?: unknown }) {
    super(message, { cause });
    this.retryable = retryable;
  }
}

/** The store has no file of this key. */
export class StoredFileMissing extends BackupStoreError {
  constructor(key: string, cause?: unknown) {
    super(`The backup store has no file ${key}.`, { retryable: false, cause });
  }
}

const keyPattern = /^[\w-][\w.-]*(\/[\w-][\w.-]*)*$/;

/** Refuses what could leave the store's place. */
export function assertKey(key: string): void {
  if (!keyPattern.test(key)) throw new BackupStoreError(`"${key}" is no key of a file.`, { retryable: false });
}
