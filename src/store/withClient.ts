import { Client, type ClientConfig } from 'pg';
import { connectionOptions } from './database.ts';

/** Connects, does the work and disconnects. A server that goes away fails the query that waits for it, and nothing else. */
export async function withClient<T>(config: ClientConfig, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ options: connectionOptions, ...config });
  // Without a listener the loss of the connection would end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}
