import type { Credentials } from '../support/clusterCalls.ts';
import type { GroveHome, GroveProcess } from '../support/groveProcess.ts';
import type { RecordingWriter, WriterTarget } from '../support/recordingWriter.ts';

/** How a client of one engine writes and reads: what the cases need to know of a database product. */
export type EngineClient = {
  engine: string;
  version: string;
  /** The most instances that the engine allows. */
  maximum: number;
  /** Writes a row that only this call writes, to the primary. */
  write(uri: string, value: string): Promise<void>;
  /** Every value that was written, as the server at this address has them. */
  readAll(uri: string, host: string): Promise<string[]>;
  /** A client that writes all the while and remembers what was acknowledged. Throws where no server takes writes. */
  record(login: WriterLogin, targets: readonly WriterTarget[]): Promise<RecordingWriter>;
  /** The writes among these that the server does not have. */
  lost(server: WriterTarget, login: WriterLogin, acknowledged: readonly number[]): Promise<number[]>;
};

type WriterLogin = Pick<Credentials, 'username' | 'password' | 'database'>;

/** Where the cases of one engine take place. */
export type Scene = {
  engine: EngineClient;
  home(): GroveHome;
  grove(): GroveProcess;
  /** Of a cluster "orders" of three, whose primary is orders-1. */
  clusterId(): string;
  /** Of a cluster of one beside it. */
  neighbourId(): string;
};
