import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import type { GroveHome } from '../support/groveProcess.ts';

/** A session with the store that a Grove keeps in its data directory. The store's server outlives a Grove that is killed. */
export async function openStoreSession({ directory }: Pick<GroveHome, 'directory'>): Promise<pg.Client> {
  const password = await readFile(join(directory, 'store/password'), 'utf8');
  const [, , , port] = (await readFile(join(directory, 'store/data/postmaster.pid'), 'utf8')).split('\n');
  const place = { host: '127.0.0.1', port: Number(port), user: 'grove', database: 'grove' };
  return await openSession({ ...place, password: password.trim() });
}

/** Its end is told by the failure of what is asked next. */
export async function openSession(config: pg.ClientConfig): Promise<pg.Client> {
  const client = new pg.Client({ ...config, application_name: 'chaos' });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}
