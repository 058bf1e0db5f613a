import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Shape } from '../support/apiClient.ts';
import {
  acceptedCluster,
  createdCluster,
  cursorNow,
  deletedCluster,
  eventLines,
  operationEnd,
  readCluster,
  revealedCredentials,
  uuidOf,
} from '../support/clusterCalls.ts';
import { createGroveHome, destroyAfterAll, type GroveHome, type GroveProcess } from '../support/groveProcess.ts';
import { killAll, processesOf, runningProcesses } from '../support/processTree.ts';

let home: GroveHome;
let grove: GroveProcess;
let clusterId: string;
let original: { instances: { nodes: { name: string; address: string }[] } };

beforeAll(async () => {
  home = await createGroveHome();
  grove = await home.start();
});
destroyAfterAll(() => home);

const psqlIsInstalled = spawnSync('psql', ['--version']).status === 0;
const psqlHint = psqlIsInstalled ? '' : ' (psql is missing: npm run servers)';

/** What psql prints, each statement on its own, without headings. Throws what it says when it fails. */
function psql(uri: string, ...statements: string[]): string {
  const commands = statements.flatMap((statement) => ['-c', statement]);
  const { status, stdout, stderr } = spawnSync('psql', [uri, '-XAtq', '-v', 'ON_ERROR_STOP=1', ...commands], {
    encoding: 'utf8',
    timeout: 10_000,
  });
  if (status !== 0) throw new Error(`psql failed: ${stderr}`);
  return stdout.trim();
}

const postmasterOf = (address: string) => {
  const found = runningProcesses().find(
    ({ command }) =>
      command[0]?.endsWith('/postgres') && command.join(' ').includes(home.directory) && listensOn(command, address),
  );
  if (!found) throw new Error(`No server listens on ${address}`);
  return found;
};

/** A server's address is in its configuration file, which its command line names. */
function listensOn(command: string[], address: string): boolean {
  const file = command.map((word) => /config_file=(.+)$/.exec(word)?.[1]).find(Boolean);
  return file !== undefined && readFileSync(file, 'utf8').includes(`'${address}'`);
}

describe('the first cluster', () => {
  test('says in a few lines where everything is, without a warning', () => {
    // What npm itself has to say of the host's settings is not ours.
    const printed = grove.output().replaceAll(/^npm .*$/gm, '');
    expect(printed).toContain(`${grove.url}/graphiql`);
    expect(printed).toContain(join(home.directory, 'admin.key'));
    expect(printed).toContain('createCluster(input:');
    expect(printed).not.toMatch(/warn|deprecat/i);
    expect(printed).not.toContain(grove.key);
  });

  test('is built while one watches, every transition in order', async () => {
    const watching = eventLines(grove.client, await cursorNow(grove.client), (lines) =>
      lines.includes('orders BUILDING→ACTIVE'),
    );
    const { clusterId: id, operationId } = await acceptedCluster(grove.client, { name: 'orders', instanceCount: 3 });
    clusterId = id;
    const operation = await operationEnd(grove.client, operationId);
    expect(operation).toMatchObject({ status: 'SUCCEEDED', error: null, waitingFor: null });
    const lines = await watching;
    for (const name of ['orders-2', 'orders-3']) {
      expect(lines.filter((line) => line.startsWith(`${name} `))).toEqual([
        `${name} →PENDING`,
        `${name} PENDING→PROVISIONING`,
        `${name} PROVISIONING→SYNCING`,
        expect.stringMatching(/SYNCING→ACTIVE|→REPLICA/),
        expect.stringMatching(/SYNCING→ACTIVE|→REPLICA/),
      ]);
    }
    expect(lines.indexOf('verify the cluster PENDING→RUNNING')).toBeGreaterThan(
      lines.indexOf('orders-3 SYNCING→ACTIVE'),
    );
  });

  test('is read with live engine information of every instance', async () => {
    original = await readCluster(grove.client, clusterId);
    expect(original).toMatchObject({
      status: 'ACTIVE',
      statusReason: null,
      health: { level: 'HEALTHY', reasons: [] },
      primary: { name: 'orders-1' },
      engineVersion: '18',
    });
    for (const instance of original.instances.nodes as Shape[]) {
      const isPrimary = instance.name === 'orders-1';
      expect(instance).toMatchObject({
        status: 'ACTIVE',
        role: isPrimary ? 'PRIMARY' : 'REPLICA',
        agent: { connected: true },
      });
      expect(instance.engineInfo).toMatchObject({
        inRecovery: !isPrimary,
        timeline: 1,
        version: expect.stringMatching(/^18\./),
      });
      expect(Number(instance.engineInfo.databaseSizeBytes)).toBeGreaterThan(1_000_000);
    }
  });

  test('is connected to with the revealed password, and primary and replicas behave so', async () => {
    const credentials = await revealedCredentials(grove.client, clusterId);
    const primary = new pg.Client(credentials.uri);
    await primary.connect();
    await primary.query('CREATE TABLE orders (id int PRIMARY KEY, note text)');
    await primary.query("INSERT INTO orders VALUES (1, 'first')");
    const { rows } = await primary.query('SELECT pg_current_wal_lsn() AS lsn');
    await primary.end();
    for (const { name, address } of original.instances.nodes.slice(1)) {
      const replica = new pg.Client({ ...credentials, user: credentials.username, host: address, port: 5432 });
      await replica.connect();
      await expect
        .poll(
          async () =>
            (await replica.query('SELECT pg_last_wal_replay_lsn() >= $1 AS there', [rows[0].lsn])).rows[0].there,
        )
        .toBe(true);
      expect((await replica.query('SELECT note FROM orders')).rows, name).toEqual([{ note: 'first' }]);
      await expect(replica.query("INSERT INTO orders VALUES (2, 'x')")).rejects.toThrow('read-only');
      await replica.end();
    }
    const wrong = new pg.Client({
      ...credentials,
      user: credentials.username,
      password: 'wrong',
      host: original.instances.nodes[0]?.address,
    });
    await expect(wrong.connect()).rejects.toThrow('password authentication failed');
  });

  test.skipIf(!psqlIsInstalled)(`is used with psql as people use it${psqlHint}`, async () => {
    const { uri } = await revealedCredentials(grove.client, clusterId);
    const replicas = original.instances.nodes.slice(1);
    expect(psql(uri, 'CREATE TABLE item (id int PRIMARY KEY)', 'INSERT INTO item VALUES (1), (2)')).toBe('');
    expect(psql(uri, 'SELECT count(*) FROM item', 'SHOW transaction_read_only')).toBe('2\noff');
    const followers = `SELECT application_name, state, slot_name, slot_type FROM pg_stat_replication
      JOIN pg_replication_slots ON active_pid = pid ORDER BY 1`;
    expect(psql(uri, followers).split('\n')).toEqual(
      replicas.map(({ name }) => expect.stringMatching(new RegExp(`^${name}\\|streaming\\|\\w+\\|physical$`))),
    );
    for (const { address, name } of replicas) {
      const replica = uri.replace(/@[^:]+:/, `@${address}:`);
      await expect.poll(() => psql(replica, 'SELECT count(*) FROM item'), { timeout: 10_000 }).toBe('2');
      expect(psql(replica, 'SHOW transaction_read_only'), name).toBe('on');
      expect(() => psql(replica, 'INSERT INTO item VALUES (3)')).toThrow('read-only');
    }
  });

  test('is in the hosts file, under names of its own', () => {
    const hosts = readFileSync(join(home.directory, 'hosts'), 'utf8');
    for (const { name, address } of original.instances.nodes) {
      expect(hosts).toMatch(new RegExp(`^${address}\\s+${name}\\.orders\\.default\\.grove`, 'm'));
    }
  });

  test('lets in only whom its access rules allow, from the moment that they are changed', async () => {
    const update = /* GraphQL */ `mutation ($id: ID!, $cidr: CIDR!) {
      updateCluster(input: { clusterId: $id, accessRules: [{ cidr: $cidr }] }) {
        ... on UpdateClusterPayload { operation { id } } ... on Error { code message }
      }
    }`;
    const { uri } = await revealedCredentials(grove.client, clusterId);
    const connects = async () => {
      const client = new pg.Client(uri);
      await client.connect();
      await client.end();
    };
    for (const [cidr, outcome] of [
      ['10.0.0.0/8', 'refused'],
      ['127.0.0.0/8', 'let in'],
    ] as const) {
      const { updateCluster } = await grove.client.data(update, { id: clusterId, cidr });
      expect(await operationEnd(grove.client, updateCluster.operation.id)).toMatchObject({ status: 'SUCCEEDED' });
      if (outcome === 'refused') await expect(connects()).rejects.toThrow('no pg_hba.conf entry');
      else await connects();
    }
  });

  test('shows a replica whose server is killed as DOWN, and as ACTIVE when its agent has restarted it', async () => {
    const replica = original.instances.nodes[1];
    const watching = eventLines(grove.client, await cursorNow(grove.client), (lines) =>
      lines.includes('orders DEGRADED→ACTIVE'),
    );
    await killAll([postmasterOf(replica?.address ?? '')]);
    const lines = (await watching).filter(
      (line) => line.startsWith('orders-2 ') || /^orders (?:ACTIVE|DEGRADED)→(?:ACTIVE|DEGRADED)$/.test(line),
    );
    expect(lines).toEqual([
      'orders-2 ACTIVE→DOWN',
      'orders ACTIVE→DEGRADED',
      'orders-2 DOWN→ACTIVE',
      'orders DEGRADED→ACTIVE',
    ]);
  });

  test('goes on while Grove is stopped with Ctrl-C, and is found by the next start', async () => {
    const { uri } = await revealedCredentials(grove.client, clusterId);
    const client = new pg.Client(uri);
    client.on('error', () => {});
    await client.connect();
    const { inOrder, ms } = await grove.interrupt();
    expect(inOrder).toBe(true);
    expect(ms).toBeLessThan(5000);
    expect((await client.query('SELECT note FROM orders')).rows).toEqual([{ note: 'first' }]);
    grove = await home.start();
    const cursor = await cursorNow(grove.client);
    await expect
      .poll(
        async () => (await readCluster(grove.client, clusterId)).instances.nodes.every((i: Shape) => i.agent.connected),
        { timeout: 15_000 },
      )
      .toBe(true);
    expect(await readCluster(grove.client, clusterId)).toMatchObject({ status: 'ACTIVE' });
    expect(await cursorNow(grove.client)).toBe(cursor);
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await client.end();
  });

  test('comes back by itself after all processes of its host are gone', async () => {
    await killAll(processesOf(home.directory));
    grove = await home.start();
    const restarted = new Date();
    const { uri } = await revealedCredentials(grove.client, clusterId);
    const notes = async () => {
      const client = new pg.Client(uri);
      try {
        await client.connect();
        return (await client.query('SELECT note FROM orders')).rows;
      } catch (error) {
        return String(error);
      } finally {
        await client.end();
      }
    };
    await expect.poll(notes, { timeout: 40_000 }).toEqual([{ note: 'first' }]);
    const seenSince = ({ status, observedAt }: Shape) => (new Date(observedAt) > restarted ? status : 'not seen');
    const statuses = async () => (await readCluster(grove.client, clusterId)).instances.nodes.map(seenSince);
    await expect.poll(statuses, { timeout: 40_000 }).toEqual(['ACTIVE', 'ACTIVE', 'ACTIVE']);
  });

  test('is deleted without a trace but its record', async () => {
    await createdCluster(grove.client, { name: 'bystander', instanceCount: 1 });
    expect(await deletedCluster(grove.client, clusterId)).toMatchObject({ status: 'SUCCEEDED' });
    expect(await readCluster(grove.client, clusterId)).toMatchObject({ status: 'DELETED', network: { cidr: null } });
    const clusterUuid = uuidOf(clusterId);
    expect(processesOf(clusterUuid)).toEqual([]);
    expect(existsSync(join(home.directory, 'clusters', clusterUuid))).toBe(false);
    expect(readdirSync(join(home.directory, 'clusters'))).toHaveLength(1);
    expect(readFileSync(join(home.directory, 'hosts'), 'utf8')).not.toContain('orders');
    for (const { address } of original.instances.nodes) {
      await expect(new pg.Client({ host: address, port: 5432 }).connect()).rejects.toThrow('ECONNREFUSED');
    }
    await createdCluster(grove.client, { name: 'orders', instanceCount: 1 });
  });
}, 120_000);
