import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import type { GroveHome } from '../support/groveProcess.ts';

/** A session with the store that a Grove keeps in its data directory. The store's server outlives a Grove that is killed. */
export async function openStoreSession({ directory }: Pick<GroveHome, 'directory'>): Promise<pg.Client> {
  const password = await readFile(join(directory, 'store/password'), 'utf8');
  const [, , , port] = (await readFile(join(directory, 'store/data/postmaster.pid'), 'utf8')).split('\n');
  const client = new pg.Client({
    host: '127.0.0.1',
    port: Number(port),
    user: 'grove',
    password: password.trim(),
    database: 'grove',
    application_name: 'chaos',
  });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}
