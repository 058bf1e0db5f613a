import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withClient } from '#store/withClient.ts';

const repetitions = 20;

/**
 * The statements that a request takes, as the log of a temporary server has them: those that occur in each of its repetitions.
 * What else goes on meanwhile, in its own rhythm, occurs less often.
 */
export async function statementsOf(url: string, request: () => Promise<unknown>): Promise<string[]> {
  const log = await logOf(url);
  await logAll(url, true);
  const before = (await readFile(log, 'utf8')).length;
  for (let count = 0; count < repetitions; count += 1) await request();
  const lines = (await readFile(log, 'utf8')).slice(before);
  await logAll(url, false);
  const counts = new Map<string, number>();
  for (const [, statement = ''] of lines.matchAll(/LOG: {2}(?:execute [^:]+|statement): (.+)$/gm)) {
    counts.set(statement, (counts.get(statement) ?? 0) + 1);
  }
  return [...counts].flatMap(([statement, count]) =>
    Array.from({ length: Math.round(count / repetitions) }, () => statement),
  );
}

async function logOf(url: string): Promise<string> {
  return await withClient({ connectionString: url }, async (client) => {
    const { rows } = await client.query<{ data_directory: string }>('SHOW data_directory');
    return join(rows[0]?.data_directory ?? '', '../postgresql.log');
  });
}

/** Every session takes the setting up before its next statement, once the server has told it. */
async function logAll(url: string, on: boolean): Promise<void> {
  await withClient({ connectionString: url }, async (client) => {
    await client.query(`ALTER SYSTEM SET log_statement = '${on ? 'all' : 'none'}'`);
    await client.query('SELECT pg_reload_conf()');
  });
  for (let setting = ''; setting !== (on ? 'all' : 'none'); ) {
    setting = await withClient({ connectionString: url }, async (client) => {
      const { rows } = await client.query<{ log_statement: string }>('SHOW log_statement');
      return rows[0]?.log_statement ?? '';
    });
  }
}
