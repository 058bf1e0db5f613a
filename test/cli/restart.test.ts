import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { idOf } from '#graphql/globalId.ts';
import { createServerWorld } from '../server/serverWorld.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';
import { signedInPerson } from './person.ts';

let operations: TestOperations;
beforeAll(async () => {
  operations = await createTestOperations();
  return () => operations.close();
});

type World = Awaited<ReturnType<typeof createServerWorld>>;

async function signedIn() {
  const world = await createServerWorld(operations);
  return { ...(await signedInPerson(world)), world };
}

/** A process of its own takes its time to start and to come back. */
const until = { timeout: 15_000 };

/** Stops the server in order, and starts another one in its place. */
async function restart({ url, server }: World, meanwhile: () => Promise<unknown>): Promise<void> {
  await server.close();
  await meanwhile();
  await createServerWorld(operations, { port: Number(new URL(url).port) });
}

/** The output of a command that runs in a process of its own, line by line. */
function lived(child: ChildProcessWithoutNullStreams) {
  const said = { lines: [] as string[], err: '' };
  createInterface({ input: child.stdout }).on('line', (line) => said.lines.push(line));
  child.stderr.on('data', (chunk) => (said.err += String(chunk)));
  return { said, closed: once(child, 'close') };
}

describe('a restart of Grove', () => {
  test('is outlived by grove watch --json, which tells every event once', async () => {
    const { start, world } = await signedIn();
    const after = await world.feed.cursorNow(world.actor.projectId);
    const { said } = lived(start(['watch', '--json', '--after', after]));
    const labels = () => said.lines.map((line) => JSON.parse(line).toStatus);
    const write = async (from: number) => {
      for (let n = from; n < from + 20; n++) await world.write(`event ${n}`);
    };
    await write(0);
    await expect.poll(() => said.lines.length, until).toBeGreaterThan(0);
    await restart(world, () => write(20));
    await write(40);
    await expect.poll(() => said.lines.length, until).toBeGreaterThanOrEqual(60);
    await world.write('the end');
    await expect.poll(() => labels().at(-1), until).toBe('the end');
    expect(labels()).toEqual([...Array.from({ length: 60 }, (_, n) => `event ${n}`), 'the end']);
    expect(said.err).toMatch(/^grove: reconnecting: .*1001/);
  });

  test('is outlived by --wait and by operations watch, which tell the operation to its end', async () => {
    const { start, grove, world } = await signedIn();
    const held = Promise.withResolvers<void>();
    operations.machines.interfere((call) => (call === 'verify' ? held.promise : Promise.resolve()));
    onTestFinished(() => operations.machines.interfere(() => Promise.resolve()));
    const waiting = lived(start(['clusters', 'create', 'orders', '--engine', 'fake', '--wait']));
    await expect.poll(() => waiting.said.lines, until).toContain('RUNNING    verify the cluster');
    const [{ id }] = JSON.parse((await grove(['operations', 'list', '--json'])).out);
    const watching = lived(start(['operations', 'watch', id]));
    await expect.poll(() => watching.said.lines, until).toContain('RUNNING    verify the cluster');
    await restart(world, async () => {
      held.resolve();
      await operations.ended(idOf('Operation', id) ?? '');
    });
    const end = [
      'RUNNING    verify the cluster',
      'SUCCEEDED  verify the cluster',
      'CREATE_CLUSTER of orders: SUCCEEDED',
    ];
    for (const { closed, said } of [waiting, watching]) {
      expect(await closed).toEqual([0, null]);
      expect(said.lines.slice(-3)).toEqual(end);
      expect(new Set(said.lines).size).toBe(said.lines.length);
      expect(said.err).toMatch(/^grove: reconnecting: .*1001/);
    }
  });
});
