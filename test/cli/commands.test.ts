import { once } from 'node:events';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { idOf } from '#graphql/globalId.ts';
import { freePort } from '#lib/host/freePort.ts';
import { createServerWorld } from '../server/serverWorld.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';
import { person, signedInPerson } from './person.ts';

let operations: TestOperations;
beforeAll(async () => {
  operations = await createTestOperations();
  return () => operations.close();
});

/** A Grove whose machines are fake, and somebody who has signed in to it. */
async function signedIn() {
  const world = await createServerWorld(operations);
  return { ...(await signedInPerson(world)), world };
}

const statusOf = async (id: string) => {
  const operation = await operations.deps.db.operation.findUnique({ where: { id: idOf('Operation', id) ?? '' } });
  return operation?.status;
};

const withoutTimes = (text: string) => text.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME');

describe('clusters', () => {
  test('are created, listed, read and deleted', async () => {
    const { grove } = await signedIn();
    expect((await grove(['clusters', 'list'])).out).toBe(
      'There are no clusters. Make one with grove clusters create NAME.\n',
    );
    const created = await grove(['clusters', 'create', 'orders', '--engine', 'fake', '--instances', '2', '--wait']);
    expect(created).toMatchObject({ code: 0, err: '' });
    expect(created.out).toMatch(/^orders is BUILDING\.\n/);
    expect(created.out).toMatch(/SUCCEEDED {2}join orders-2\n[\s\S]*CREATE_CLUSTER of orders: SUCCEEDED\n$/);

    expect(withoutTimes((await grove(['clusters', 'list'])).out)).toMatchInlineSnapshot(`
      "NAME    STATUS  HEALTH   ENGINE  INSTANCES  PRIMARY   CREATED
      orders  ACTIVE  HEALTHY  fake 2  2          orders-1  TIME
      "
    `);
    const { out } = await grove(['clusters', 'get', 'orders']);
    expect(out).toMatch(/^name {7}orders\nid {9}\S+\nstatus {5}ACTIVE\nhealth {5}HEALTHY\n/);
    expect(out).toMatch(/orders-2 {2}REPLICA {2}ACTIVE/);

    const deleted = await grove(['clusters', 'delete', 'orders', '--yes', '--wait']);
    expect(deleted).toMatchObject({ code: 0, out: expect.stringMatching(/DELETE_CLUSTER of orders: SUCCEEDED\n$/) });
    expect((await grove(['clusters', 'list'])).out).toContain('There are no clusters');
    expect((await grove(['clusters', 'list', '--deleted'])).out).toMatch(/orders {2}DELETED/);
  });

  test('are JSON for programs', async () => {
    const { grove } = await signedIn();
    const created = await grove(['clusters', 'create', 'orders', '--engine', 'fake', '--json']);
    const { cluster, operation } = JSON.parse(created.out);
    expect({ cluster, operation }).toMatchObject({
      cluster: { name: 'orders', status: 'BUILDING' },
      operation: { status: 'QUEUED' },
    });
    const watched = await grove(['operations', 'watch', operation.id, '--json']);
    const states = watched.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(states.at(-1)).toMatchObject({ id: operation.id, status: 'SUCCEEDED', progress: 1 });
    expect(JSON.parse((await grove(['clusters', 'list', '--json'])).out)).toMatchObject([
      { id: cluster.id, name: 'orders', status: 'ACTIVE' },
    ]);
    expect(JSON.parse((await grove(['clusters', 'get', cluster.id, '--json'])).out)).toMatchObject({
      name: 'orders',
      instances: { nodes: [{ name: 'orders-1', role: 'PRIMARY' }] },
    });
    expect(JSON.parse((await grove(['operations', 'list', '--cluster', 'orders', '--json'])).out)).toMatchObject([
      { id: operation.id, kind: 'CREATE_CLUSTER' },
    ]);
  });

  test('are not deleted by a pipe that has not said so', async () => {
    const { grove } = await signedIn();
    await grove(['clusters', 'create', 'orders', '--engine', 'fake', '--wait']);
    expect(await grove(['clusters', 'delete', 'orders'], 'orders\n')).toMatchObject({
      code: 2,
      err: 'grove: Add --yes to delete "orders" with all its data.\n',
    });
    expect((await grove(['clusters', 'list'])).out).toMatch(/orders {2}ACTIVE/);
  });
});

describe('a failure', () => {
  test('of an operation is an exit code of 1, with the step and its reason', async () => {
    const { grove } = await signedIn();
    operations.machines.interfere((call) =>
      call === 'verify' ? Promise.reject(new Error('the row was not there')) : Promise.resolve(),
    );
    onTestFinished(() => operations.machines.interfere(() => Promise.resolve()));
    const { code, out } = await grove(['clusters', 'create', 'orders', '--engine', 'fake', '--wait']);
    expect({ code, last: out.trim().split('\n').at(-1) }).toEqual({
      code: 1,
      last: expect.stringMatching(/^CREATE_CLUSTER of orders: FAILED in "verify the cluster": /),
    });
  });

  test('is told in Grove’s own words', async () => {
    const { grove } = await signedIn();
    await grove(['clusters', 'create', 'orders', '--engine', 'fake', '--wait']);
    const create = ['clusters', 'create', 'orders', '--engine', 'fake'];
    expect(await grove(create)).toEqual({
      code: 1,
      out: '',
      err: 'grove: The name "orders" is taken by another cluster of this project.\n',
    });
    expect(await grove([...create, '--json'])).toEqual({
      code: 1,
      out: '',
      err: '{"error":{"code":"NAME_TAKEN","message":"The name \\"orders\\" is taken by another cluster of this project."}}\n',
    });
    expect(await grove(['clusters', 'create', 'x', '--engine', 'fake', '--allow', '10.0.0.1/8'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('accessRules.0.cidr'),
    });
    expect(await grove(['clusters', 'get', 'nothing'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('See grove clusters list'),
    });
    expect(await grove(['operations', 'watch', 'nothing'])).toMatchObject({
      code: 1,
      err: 'grove: The operation does not exist in this project.\n',
    });
  });

  test('of the command line is an exit code of 2 and names the help', async () => {
    const { grove, run } = person();
    for (const words of [
      ['clusters'],
      ['clusters', 'destroy'],
      ['clusters', 'get'],
      ['clusters', 'list', 'x'],
      ['clusters', 'drop-instances', 'orders'],
      ['clusters', 'restart', 'orders', 'orders-1'],
      ['backups', 'restore', 'nightly'],
      ['watch', '--frobnicate'],
      ['clusters', 'create', 'x', '--instances', 'two', '--url', 'http://127.0.0.1:1', '--key-file', '/dev/null'],
    ]) {
      const { code, out, err } = await grove(words);
      expect({ code, out, lines: err.trim().split('\n').length }, words.join(' ')).toEqual({
        code: 2,
        out: '',
        lines: 1,
      });
    }
    expect(await run(['clusters', 'get'])).toEqual({
      code: 2,
      out: '',
      err: 'grove: CLUSTER is missing: the name or the id of a cluster. See grove clusters get --help.\n',
    });
  });

  test.each([
    [['clusters', 'create', 'orders', '--frobnicate'], 'There is no option --frobnicate.'],
    [['clusters', 'create', 'orders', '--instnaces', '2'], 'There is no option --instnaces. Did you mean --instances?'],
    [['clusters', 'create', 'orders', '-p'], 'There is no option -p.'],
    [['clusters', 'create', 'orders', '--constructor', 'x'], 'There is no option --constructor.'],
    [['clusters', 'create', 'orders', '--engine'], '--engine needs a value: --engine ENGINE.'],
    [['clusters', 'create', 'orders', '--engine', '--wait'], '--engine needs a value: --engine ENGINE.'],
    [['clusters', 'create', 'orders', '--wait=yes'], '--wait takes no value.'],
  ])('of an option is told in our own words: %j', async (words, fault) => {
    expect(await person().grove(words)).toEqual({
      code: 2,
      out: '',
      err: `grove: ${fault} See grove clusters create --help.\n`,
    });
  });

  test.each([
    [['--unknown'], 'There is no option --unknown.'],
    [['--verison'], 'There is no option --verison. Did you mean --version?'],
    [['api', '--hlep'], 'There is no option --hlep. Did you mean --help?'],
    [['-x'], 'There is no option -x.'],
    [['--help=yes'], '--help takes no value.'],
    [['clutsers', 'list'], 'There is no command "clutsers list". Did you mean clusters?'],
    [['frobnicate'], 'There is no command "frobnicate".'],
  ])('of the first words is told in our own words, with what may be meant: %j', async (words, fault) => {
    expect(await person().run(words)).toEqual({ code: 2, out: '', err: `grove: ${fault} See grove --help.\n` });
  });

  test('to wait any longer (Ctrl-C) says that the operation goes on', async () => {
    const { start } = await signedIn();
    const held = Promise.withResolvers<void>();
    operations.machines.interfere((call) => (call === 'verify' ? held.promise : Promise.resolve()));
    onTestFinished(() => operations.machines.interfere(() => Promise.resolve()));
    const child = start(['clusters', 'create', 'orders', '--engine', 'fake', '--wait']);
    let err = '';
    child.stderr.on('data', (chunk) => (err += String(chunk)));
    for await (const line of createInterface({ input: child.stdout })) {
      if (line === 'RUNNING    verify the cluster') child.kill('SIGINT');
    }
    const code = child.exitCode ?? (await once(child, 'exit'))[0];
    const [, id = ''] =
      /^grove: The operation goes on\. Follow it with: grove operations watch (\S+)\n$/.exec(err) ?? [];
    expect({ code, status: await statusOf(id) }).toEqual({ code: 130, status: 'RUNNING' });
    held.resolve();
    await operations.ended(idOf('Operation', id) ?? '');
    expect(await statusOf(id)).toBe('SUCCEEDED');
  });

  test('to reach Grove says where it was looked for', async () => {
    const { grove, home } = person();
    writeFileSync(join(home, 'key'), 'grv_a_b');
    const url = `http://127.0.0.1:${await freePort()}`;
    const { code, err } = await grove(['clusters', 'list', '--url', url, '--key-file', 'key']);
    expect({ code, err }).toEqual({
      code: 4,
      err: `grove: No Grove answers at ${url} (ECONNREFUSED). Start it with npm start, or say where it is with --url or GROVE_URL.\n`,
    });
  });
});

describe('several processes of one Grove', () => {
  test('are asked in turn, by requests and by streams, with the key of any of them', async () => {
    const { world, grove } = await signedIn();
    const both = `http://127.0.0.1:${await freePort()},${world.url}`;
    expect(await grove(['login', '--url', both], world.key)).toMatchObject({ code: 0 });
    const { code, out } = await grove(['clusters', 'create', 'spread', '--engine', 'fake', '--wait']);
    expect({ code, out }).toMatchObject({
      code: 0,
      out: expect.stringContaining('CREATE_CLUSTER of spread: SUCCEEDED'),
    });
    expect((await grove(['clusters', 'list', '--url', world.url])).out).toContain('spread');
  });

  test('none of which answers are all named', async () => {
    const { grove, home } = person();
    writeFileSync(join(home, 'key'), 'grv_a_b');
    const urls = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`];
    expect(await grove(['clusters', 'list', '--url', urls.join(','), '--key-file', 'key'])).toMatchObject({
      code: 4,
      err: `grove: No Grove answers at ${urls[0]} (ECONNREFUSED), nor at ${urls[1]} (ECONNREFUSED). Start it with npm start, or say where it is with --url or GROVE_URL.\n`,
    });
    expect(await grove(['clusters', 'list', '--url', `${urls[0]},nowhere`])).toMatchObject({
      code: 2,
      err: expect.stringContaining('"nowhere" is not a URL'),
    });
  });
});

describe('signing in', () => {
  test('keeps the key where only its owner can read it, and only one that is accepted', async () => {
    const { url, key } = await createServerWorld(operations);
    const { grove, home } = person();
    expect(await grove(['login', '--url', url], 'grv_wrong_key\n')).toMatchObject({ code: 3, out: '' });
    expect(await grove(['clusters', 'list', '--url', url])).toMatchObject({
      code: 3,
      err: expect.stringContaining(`grove login --url ${url}`),
    });
    const { code, out } = await grove(['login', '--url', url], key);
    expect({ code, out }).toMatchObject({ code: 0, out: expect.stringContaining('(ADMIN)') });
    expect(out).not.toContain(key);
    const file = join(home, '.config/grove/login.json');
    expect((statSync(file).mode & 0o777).toString(8)).toBe('600');
    expect((await grove(['clusters', 'list'])).code).toBe(0);
    await grove(['logout']);
    expect((await grove(['clusters', 'list', '--url', url])).code).toBe(3);
  });

  test.each(['grv_a_b\nthe second secret\n', 'the second secret', '', 'grv_a\u0000b', 'grv_ä'])(
    'shows nothing of a file that holds no key, or more than one: %j',
    async (content) => {
      const { url } = await createServerWorld(operations);
      const { grove, home } = person();
      const file = join(home, 'key');
      writeFileSync(file, content);
      const message = (source: string) => `${source} does not hold one API key, which begins with grv_.`;
      const refused = { code: 3, out: '', err: `grove: ${message(file)}\n` };
      expect(await grove(['clusters', 'list', '--url', url, '--key-file', 'key'])).toEqual(refused);
      expect(await grove(['watch', '--url', url, '--key-file', 'key'])).toEqual(refused);
      mkdirSync(join(home, 'data'));
      writeFileSync(join(home, 'data/admin.key'), content);
      expect((await grove(['clusters', 'list', '--url', url])).err).not.toContain('second');
      const { code, err } = await grove(['login', '--url', url], 'the second secret\n');
      expect({ code, err }).toEqual({ code: 3, err: `grove: ${message('What was given')}\n` });
    },
  );

  test('is asked for again where the saved key is none', async () => {
    const { grove, home } = await signedIn();
    const file = join(home, '.config/grove/login.json');
    const { url } = JSON.parse(readFileSync(file, 'utf8'));
    writeFileSync(file, JSON.stringify({ url, key: 'grv_a_b\nthe second secret' }));
    expect(await grove(['clusters', 'list'])).toEqual({
      code: 3,
      out: '',
      err: `grove: ${file} is not what grove login wrote. Run grove login again.\n`,
    });
  });

  test('is not needed beside the data directory of a Grove on this host', async () => {
    const { url, key } = await createServerWorld(operations);
    const { grove, home } = person({ GROVE_URL: url });
    mkdirSync(join(home, 'data'));
    writeFileSync(join(home, 'data/admin.key'), `${key}\n`);
    expect((await grove(['clusters', 'list'])).code).toBe(0);
  });

  test('no key goes to a place that it is not of', async () => {
    const { world, grove, home } = await signedIn();
    mkdirSync(join(home, 'data'));
    writeFileSync(join(home, 'data/admin.key'), world.key);
    const heard: (string | undefined)[] = [];
    const stranger = createServer((request, response) => {
      heard.push(request.headers.authorization);
      response.end('{}');
    }).listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    onTestFinished(() => void stranger.close());
    // A name that is not this host's as far as the command line can know.
    const port = (stranger.address() as AddressInfo).port;
    const { code } = await grove(['clusters', 'list', '--url', `http://127.0.0.1.nip.invalid:${port}`]);
    expect({ code, heard }).toEqual({ code: 3, heard: [] });
  });

  test('another program’s port is not taken for Grove', async () => {
    const other = createServer((_request, response) => response.end('<html>')).listen(0, '127.0.0.1');
    await once(other, 'listening');
    onTestFinished(() => void other.close());
    const { grove, home } = person();
    writeFileSync(join(home, 'key'), 'grv_a_b');
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    expect(await grove(['clusters', 'list', '--url', url, '--key-file', 'key'])).toMatchObject({
      code: 4,
      err: expect.stringContaining('not as Grove does'),
    });
  });
});

describe('grove watch where the output is no terminal', () => {
  test('prints every event as a line of JSON, and ends when nobody reads any more', async () => {
    const { start, world } = await signedIn();
    const after = await world.feed.cursorNow(world.actor.projectId);
    const child = start(['watch', '--after', after]);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    for (const label of ['one', 'two', 'three']) await world.write(label);
    for (const label of ['one', 'two', 'three']) {
      const { value } = await lines.next();
      expect(JSON.parse(value ?? '')).toMatchObject({
        type: 'CLUSTER_UPDATED',
        toStatus: label,
        cursor: expect.any(String),
        actor: { name: 'test key' },
      });
    }
    const ended = once(child, 'exit');
    child.stdout.destroy();
    await world.write('to nobody');
    await world.write('to nobody');
    expect(await ended).toEqual([0, null]);
  });

  test('tells a key that is taken back as not signed in', async () => {
    const { world, home, grove } = await signedIn();
    const expiring = await world.createKey('VIEWER', new Date(Date.now() + 1_500));
    writeFileSync(join(home, 'key'), expiring.key);
    expect(await grove(['watch', '--key-file', 'key'])).toMatchObject({
      code: 3,
      err: expect.stringContaining('does not accept the key'),
    });
  });
});

test('every command has a help that names its options, and is in the help of all', async () => {
  const { grove, run } = person();
  const { out } = await run(['--help']);
  const commands = [...out.matchAll(/^ {2}grove ((?:[a-z][a-z-]* ?)+)/gm)].map(([, words = '']) =>
    words.trim().split(' '),
  );
  expect(commands.length).toBeGreaterThan(22);
  const documented = readFileSync(join(import.meta.dirname, '../../docs/cli.md'), 'utf8');
  for (const line of out.split('\n').filter((text) => text.startsWith('  grove ') && !text.includes('<command>')))
    expect(documented).toContain(`${line}\n`);
  for (const words of commands) {
    const help = await grove([...words, '--help']);
    expect(help, words.join(' ')).toMatchObject({ code: 0, err: '', out: expect.stringContaining('--json') });
  }
});
