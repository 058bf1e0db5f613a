import { withClient } from '#store/withClient.ts';

const repetitions = 20;
const logFile = "current_setting('data_directory') || '/../postgresql.log'";

/**
 * The statements that a request takes, as the store's server logs them: those that occur in each of its repetitions. What else
 * the process does meanwhile, in its own rhythm, occurs less often.
 */
export async function statementsOf(url: string, request: () => Promise<unknown>): Promise<string[]> {
  return await withClient({ connectionString: url, options: '-c log_statement=none' }, async (client) => {
    const logged = async (): Promise<string> =>
      (await client.query<{ log: string }>(`SELECT pg_read_file(${logFile}) AS log`)).rows[0]?.log ?? '';
    await logAll(url, true);
    const before = (await logged()).length;
    for (let count = 0; count < repetitions; count += 1) await request();
    const log = (await logged()).slice(before);
    await logAll(url, false);
    const counts = new Map<string, number>();
    for (const [, statement = ''] of log.matchAll(/LOG: {2}(?:execute [^:]+|statement): (.+)$/gm)) {
      counts.set(statement, (counts.get(statement) ?? 0) + 1);
    }
    return [...counts].flatMap(([statement, count]) =>
      Array.from({ length: Math.round(count / repetitions) }, () => statement),
    );
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
