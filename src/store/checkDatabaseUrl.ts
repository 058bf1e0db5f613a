import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { StartupError } from '#lib/faults/startupError.ts';

const connectMs = 5_000;
const startingMs = 10_000;
const retryMs = 200;
const oldestVersion = 14;

/** Throws a StartupError that says what is wrong with the database at `url`, and never tells the password. */
export async function checkDatabaseUrl(url: string): Promise<void> {
  const deadline = performance.now() + startingMs;
  for (;;) {
    const client = newClient(url);
    // Without a listener the loss of the connection would end the process.
    client.on('error', () => undefined);
    try {
      await client.connect();
      return await checkFitness(client);
    } catch (error) {
      if (error instanceof StartupError) throw error;
      if (!isStarting(error) || performance.now() >= deadline) throw describe(error, client);
      await delay(retryMs);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}

function newClient(url: string): Client {
  try {
    return new Client({ connectionString: url, connectionTimeoutMillis: connectMs });
  } catch {
    throw new StartupError(
      'DATABASE_URL is not a URL of a PostgreSQL database: postgresql://user:password@host:port/database',
    );
  }
}

type Fitness = { version: string; encoding: string; user: string; mayCreate: boolean };

/** What Grove needs of a database: its version, an encoding that holds every text, the right to make tables. */
async function checkFitness(client: Client): Promise<void> {
  const { rows } = await client.query<Fitness>(`
    SELECT current_setting('server_version') AS version, current_setting('server_encoding') AS encoding, current_user AS "user",
           has_database_privilege(current_database(), 'CREATE')
             AND coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS "mayCreate"`);
  const fault = rows[0] ? faultOf(rows[0]) : 'does not describe itself';
  if (fault !== null) throw new StartupError(`The store ${placeOf(client)} ${fault}.`);
}

function faultOf({ version, encoding, user, mayCreate }: Fitness): string | null {
  if (Number.parseInt(version, 10) < oldestVersion)
    return `is PostgreSQL ${version}; Grove needs ${oldestVersion} or newer`;
  if (encoding !== 'UTF8') return `is encoded in ${encoding}; Grove needs a database with ENCODING 'UTF8'`;
  if (mayCreate) return null;
  return `does not let user "${user}" make tables: GRANT CREATE on the database and on its schema, or make the user their owner`;
}

function describe(error: unknown, client: Client): StartupError {
  const place = placeOf(client);
  switch (codeOf(error)) {
    case '28P01':
    case '28000':
      return new StartupError(
        `The store ${place} refuses user "${client.user}": check the user and password in DATABASE_URL.`,
      );
    case '3D000':
      return new StartupError(`The store ${place} does not exist: create the database, or check DATABASE_URL.`);
    default:
      return new StartupError(`The store ${place} cannot be reached (${reasonOf(error)}): check DATABASE_URL.`);
  }
}

function placeOf(client: Client): string {
  return `${client.host}:${client.port}/${client.database}`;
}

/** The server is there and says that it will be ready soon. */
function isStarting(error: unknown): boolean {
  return codeOf(error) === '57P03';
}

function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message || codeOf(error) || 'no reason given';
}

function codeOf(error: unknown): string | undefined {
  return (error as { code?: string }).code;
}
