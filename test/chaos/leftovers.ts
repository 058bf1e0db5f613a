import { hash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import type { GroveHome } from '../support/groveProcess.ts';
import { processesOf } from '../support/processTree.ts';
import { differences } from './scenario.ts';
import type { LiveCluster } from './wholeness.ts';

type Home = Pick<GroveHome, 'directory'>;
type Place = { home: Home; ownStore: boolean };

/** The names of files that a Grove in which nobody was killed has, with ids and numbers struck out. */
export type Inventory = ReadonlySet<string>;

const idPattern = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
const settlesWithinMs = 5000;

/**
 * Every file that Grove and its agents made, with ids and numbers struck out. But not what the servers have in theirs, and what is
 * there only while an instance is lost: that is never left over rightly.
 */
export function inventoryOf(home: Home): Inventory {
  return new Set(ownFiles(home).filter((name) => !passing.test(name)));
}

/** A fence, and what the scenarios themselves put away. */
const passing = /\/(fenced|agent\.json\.away)$/;

/** Backups are looked at on their own. */
function ownFiles({ directory }: Home): string[] {
  const names = filesBelow(directory).map((path) => path.slice(directory.length + 1));
  return names.filter((name) => !name.startsWith('backups/')).map(struckOut);
}

const struckOut = (path: string): string =>
  path
    .replaceAll(idPattern, '<id>')
    .replace(/^networks\/.*/, 'networks/<network>')
    .replace(/(^clusters\/<id>\/addresses\/).*/, '$1<address>')
    .replace(/^lock-\d+$/, 'lock-<n>')
    .replace(/\.log\.1$/, '.log');

function filesBelow(directory: string): string[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    const closed = name === 'data' || name === 'cache' || name === 'tools';
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() && !closed ? filesBelow(path) : [path];
  });
}

/**
 * What there is that belongs to nothing: files, directories, addresses, names, processes, and in the store operations, commands,
 * jobs and locks. None: nothing is left over, and nothing is missing of the clusters that are there.
 */
export async function leftovers(
  { home, ownStore }: Place,
  store: pg.Client,
  clusters: readonly LiveCluster[],
  inventory: Inventory | null,
): Promise<string[]> {
  const look = async () => [
    ...fileLeftovers(home, clusters, inventory),
    ...processLeftovers(home, clusters, ownStore),
    ...(await backupLeftovers(home, store)),
    ...(await storeLeftovers(store)),
  ];
  const deadline = Date.now() + settlesWithinMs;
  let found = await look();
  // A job is told to be done, and a session ends, a moment after the operation has.
  for (; found.length > 0 && Date.now() < deadline; found = await look()) await pause(50);
  return found;
}

function fileLeftovers(home: Home, clusters: readonly LiveCluster[], inventory: Inventory | null): string[] {
  const at = (...path: string[]) => join(home.directory, ...path);
  const names = (...path: string[]) => (existsSync(at(...path)) ? readdirSync(at(...path)).toSorted() : []);
  const claims = (...path: string[]) =>
    names(...path)
      .map((name) => readFileSync(at(...path, name), 'utf8'))
      .toSorted();
  const ids = clusters.map(({ uuid }) => uuid).toSorted();
  const hosts = readFileSync(at('hosts'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const unknown = inventory === null ? [] : [...new Set(ownFiles(home))].filter((name) => !inventory.has(name));
  return [
    ...unknown.map((name) => `file: ${name}`),
    ...differences('directories of clusters', names('clusters'), ids),
    ...differences('networks', claims('networks'), ids),
    ...differences('ports', claims('ports'), []),
    ...differences('locks of the directory', names().filter((name) => name.startsWith('lock-')).length, 1),
    ...differences(
      'hosts',
      hosts.map((line) => line.split(' ').slice(0, 1).concat(line.split(' ').slice(2)).join(' ')).toSorted(),
      clusters.flatMap(({ instances }) => instances.map(({ address, name }) => `${address} ${name}`)).toSorted(),
    ),
    ...clusters.flatMap(({ uuid, name, instances }) => {
      const own = instances.map((instance) => instance.uuid).toSorted();
      const directories = names('clusters', uuid).filter((entry) => entry.match(idPattern));
      return [
        ...differences(`directories of ${name}`, directories, own),
        ...differences(`addresses of ${name}`, claims('clusters', uuid, 'addresses'), own),
      ];
    }),
  ];
}

/** The backup store has the files of the completed backups, each as it is recorded, and nothing else: no empty directory either. */
async function backupLeftovers(home: Home, store: pg.Client): Promise<string[]> {
  const root = join(home.directory, 'backups');
  const { rows } = await store.query<{ location: string; sha256: string }>(
    `SELECT p.location, p.sha256 FROM instance_backup p JOIN backup b ON b.id = p.backup_id
     WHERE b.status = 'COMPLETED'`,
  );
  const wanted = rows.flatMap(({ location, sha256 }) => {
    const [cluster = '', backup = ''] = location.split('/');
    return [cluster, `${cluster}/${backup}`, `${location} ${sha256}`];
  });
  const names = existsSync(root) ? readdirSync(root, { recursive: true, encoding: 'utf8' }) : [];
  const found = names.map((name) => {
    const path = join(root, name);
    return statSync(path).isFile() ? `${name} ${hash('sha256', readFileSync(path), 'hex')}` : name;
  });
  return differences('the backup store', found.toSorted(), [...new Set(wanted)].toSorted());
}

/** Each instance has one agent and one server, and there is one Grove, with one store of its own or none; nothing else runs. */
function processLeftovers({ directory }: Home, clusters: readonly LiveCluster[], ownStore: boolean): string[] {
  const running = processesOf(directory).map(({ command }) => command);
  const servers = running.flatMap((command) => {
    const position = command.indexOf('-D');
    return position < 0 ? [] : [(command[position + 1] ?? '').replace(directory, '')];
  });
  const agents = running.flatMap((command) => {
    const place = command.find((word) => word.startsWith(join(directory, 'clusters')));
    return command.includes('agent') && place !== undefined ? [place.replace(directory, '')] : [];
  });
  const places = clusters.flatMap(({ uuid, instances }) =>
    instances.map((instance) => `/clusters/${uuid}/${instance.uuid}`),
  );
  return [
    ...differences('agents', agents.toSorted(), places.toSorted()),
    ...differences(
      'servers',
      servers.toSorted(),
      [...places.map((place) => `${place}/data`), ...(ownStore ? ['/store/data'] : [])].toSorted(),
    ),
  ];
}

async function storeLeftovers(store: pg.Client): Promise<string[]> {
  const { rows } = await store.query<{ what: string }>(`
    SELECT 'unfinished operation ' || kind AS what FROM operation WHERE finished_at IS NULL
    UNION ALL SELECT 'step of an ended operation that is ' || s.status || ': ' || s.name
      FROM operation_step s JOIN operation o ON o.id = s.operation_id
      WHERE o.finished_at IS NOT NULL AND s.status IN ('PENDING', 'RUNNING')
    UNION ALL SELECT 'command without an end: ' || kind FROM agent_command WHERE status = 'PENDING'
    UNION ALL SELECT 'instance that is still ' || activity || ': ' || i.name
      FROM instance i JOIN cluster c ON c.id = i.cluster_id WHERE c.lifecycle = 'LIVE' AND i.activity NOT IN ('NONE', 'REMOVED')
    UNION ALL SELECT 'instance that is fenced off: ' || name FROM instance WHERE fenced_at IS NOT NULL AND removed_at IS NULL
    UNION ALL SELECT 'instance of a deleted cluster: ' || i.name
      FROM instance i JOIN cluster c ON c.id = i.cluster_id WHERE c.lifecycle = 'DELETED' AND i.removed_at IS NULL
    UNION ALL SELECT 'cluster made for a verification: ' || name || ' ' || lifecycle
      FROM cluster WHERE name LIKE 'verify-%' AND lifecycle <> 'DELETED'
    UNION ALL SELECT 'backup that is still ' || status || ': ' || name
      FROM backup WHERE status IN ('PENDING', 'RUNNING', 'DELETING')
    UNION ALL SELECT 'part of a backup that is ' || b.status || ' is ' || p.status || ': ' || p.instance_name
      FROM instance_backup p JOIN backup b ON b.id = p.backup_id
      WHERE p.status IN ('PENDING', 'RUNNING') OR (p.fault IS NOT NULL AND b.status <> 'DELETED') OR (p.location IS NOT NULL) <> (b.status = 'COMPLETED')
    UNION ALL SELECT 'job that is ' || state FROM pgboss.job WHERE name = 'operation' AND state IN ('created', 'retry', 'active')
    UNION ALL SELECT 'transaction left open: ' || query FROM pg_stat_activity
      WHERE state LIKE 'idle in transaction%' AND xact_start < now() - interval '1 second'
    UNION ALL SELECT 'lock that is waited for: ' || query FROM pg_stat_activity
      WHERE wait_event_type = 'Lock' AND state_change < now() - interval '1 second'`);
  return rows.map(({ what }) => what);
}
