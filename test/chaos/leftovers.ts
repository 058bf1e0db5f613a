import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import type { GroveHome } from '../support/groveProcess.ts';
import { processesOf } from '../support/processTree.ts';
import { differences } from './scenarios.ts';
import type { LiveCluster } from './wholeness.ts';

type Home = Pick<GroveHome, 'directory'>;

/** The names of files that a Grove in which nobody was killed has, with ids and numbers struck out. */
export type Inventory = ReadonlySet<string>;

const idPattern = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
const settlesWithinMs = 5000;

/** Every file that Grove and its agents made, but what the servers have in theirs, with ids and numbers struck out. */
export function inventoryOf({ directory }: Home): Inventory {
  const names = filesBelow(directory).map((path) => path.slice(directory.length + 1));
  return new Set(names.map(struckOut));
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
  home: Home,
  store: pg.Client,
  clusters: readonly LiveCluster[],
  inventory: Inventory | null,
): Promise<string[]> {
  const look = async () => [
    ...fileLeftovers(home, clusters, inventory),
    ...processLeftovers(home, clusters),
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
  const unknown = inventory === null ? [] : [...inventoryOf(home)].filter((name) => !inventory.has(name));
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

/** Each instance has one agent and one server, and there is one Grove with one store; nothing else runs. */
function processLeftovers({ directory }: Home, clusters: readonly LiveCluster[]): string[] {
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
      [...places.map((place) => `${place}/data`), '/store/data'].toSorted(),
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
    UNION ALL SELECT 'job that is ' || state FROM pgboss.job WHERE name = 'operation' AND state IN ('created', 'retry', 'active')
    UNION ALL SELECT 'transaction left open: ' || query FROM pg_stat_activity
      WHERE state LIKE 'idle in transaction%' AND xact_start < now() - interval '1 second'
    UNION ALL SELECT 'lock that is waited for: ' || query FROM pg_stat_activity
      WHERE wait_event_type = 'Lock' AND state_change < now() - interval '1 second'`);
  return rows.map(({ what }) => what);
}
